"""A checkpoint that others load: what it decides, what is refused, what is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from sklearn.exceptions import NotFittedError

from pictures import bright_records, murky, shades
from superneurons.errors import DataError, OutputError
from superneurons.export.hf import export_hf
from superneurons.export.hf_check import reloaded, reloaded_answers, score_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_families import savers

Names = set[str]

BLOCKED = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "superneurons":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
card, pictures, directory = sys.argv[1:]
code = open(card).read().split("```python")[1].split("```")[0]
exec(code)
model, processor = load(directory)
from pathlib import Path
answers = {p.name: classify(model, processor, Image.open(p)) for p in Path(pictures).glob("*.png")}
assert not any(name.startswith("superneurons") for name in sys.modules)
print(json.dumps(answers))
"""


def fitted(vlm: VLM, records: list[Record], **options: object) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, **{"max_layer": 1, **options}).fit(records)


def names_in(directory: Path) -> Names:
    with safe_open(directory / "model.safetensors", framework="pt") as file:
        return set(file.keys())


def asked_anew(directory: Path, records: list[Record], tmp: Path) -> dict[str, dict[str, float]]:
    """Answers of the README's own loader, in a process that cannot import this package."""
    pictures = tmp / "pictures"
    pictures.mkdir()
    for number, record in enumerate(records):
        record.images[0].save(pictures / f"{number}.png")  # type: ignore[union-attr]
    words = [sys.executable, "-c", BLOCKED, directory / "README.md", pictures, directory]
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def classifier(llava: VLM) -> SuperNeuronClassifier:
    return fitted(llava, murky(120))


def test_it_decides_the_same_without_this_package(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    records = murky(40, seed=2)
    told = export_hf(classifier, tmp_path / "out", records=records)
    assert told["constant"]
    assert told["compared"]["agreement_unrounded"] == 1.0
    found = asked_anew(tmp_path / "out", records, tmp_path)
    ours = classifier.predict_proba(records)
    theirs = np.array([[found[f"{i}.png"][c] for c in ("no", "yes")] for i in range(len(records))])
    sure = np.abs(ours[:, 1] - 0.5) > 0.01  # elsewhere rounding to float16 decides
    assert sure.sum() > 30
    assert (theirs.argmax(axis=1) == ours.argmax(axis=1))[sure].all()
    assert len(set(theirs.argmax(axis=1).tolist())) == 2
    np.testing.assert_allclose(theirs, ours, atol=0.03)


@pytest.mark.parametrize("name", ["gemma3", "qwen3_vl"])
def test_other_families_load_whole(name: str, tmp_path: Path) -> None:
    model = open_vlm(str(savers()[name](tmp_path / name)), device="cpu")
    told = export_hf(
        fitted(model, murky(60), max_layer=2), tmp_path / "out", as_="linear", records=murky(60)
    )
    assert (told["loads_as"] == "sequence") == (name == "gemma3")
    # No weight is missing or has no place, or this would raise.
    loaded = reloaded(tmp_path / "out", model.dtype, told["model_type"])
    assert loaded.config.id2label == loaded.config.get_text_config().id2label == {0: "no", 1: "yes"}


def test_only_what_runs_is_there(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    export_hf(classifier, tmp_path / "out")
    names = names_in(tmp_path / "out")
    assert not any(
        "lm_head" in name or ".layers.1.mlp" in name for name in names if "vis" not in name
    )
    assert "score.weight" in names
    assert "language_model.model.layers.0.mlp.down_proj.bias" in names
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["LlavaForSequenceClassification"]
    assert config["text_config"]["num_hidden_layers"] == 1
    assert config["label2id"] == config["text_config"]["label2id"] == {"no": 0, "yes": 1}
    assert not (tmp_path / "out" / "generation_config.json").exists()


def test_it_says_what_it_is(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    told = export_hf(classifier, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "superneurons.json").read_text())
    assert kept == told
    assert kept["labels"] == ["no", "yes"]
    assert kept["question"] == "Is it bright?"
    assert len(kept["prompt"]["sha256"]) == len(kept["base_model"]["fingerprint"]) == 64
    assert kept["compared"] is None
    assert "not loaded and compared" in (tmp_path / "out" / "README.md").read_text()


def test_what_was_compared_is_what_the_written_files_answer(llava: VLM, tmp_path: Path) -> None:
    small, records = fitted(llava, murky(60), batch_size=3), murky(20, seed=5)
    told = export_hf(small, tmp_path / "out", records=records)
    theirs = reloaded_answers(tmp_path / "out", small, records)
    ours = small.predict_proba(records)
    truth = np.array([["no", "yes"].index(str(record.label)) for record in records])
    given, own = theirs.argmax(axis=1), ours.argmax(axis=1)
    assert told["compared"] == {
        "records": 20,
        "agreement": np.mean(given == own),
        "agreement_unrounded": 1.0,
        "dtype": "float32",
        "largest_probability_difference": pytest.approx(np.abs(theirs - ours).max(), abs=1e-6),
        "accuracy": np.mean(given == truth),
        "accuracy_of_classifier": np.mean(own == truth),
    }
    assert 0 < told["compared"]["accuracy"] < 1
    assert told["as"] == "exact"
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & 0o777 == 0o644
    unlabelled = [replace(record, label=None) for record in records[:3]]
    again = export_hf(small, tmp_path / "out", records=unlabelled, overwrite=True)
    assert "accuracy" not in again["compared"]


def test_where_several_questions_were_learnt_the_prompt_has_a_place_for_one(
    llava: VLM, tmp_path: Path
) -> None:
    records = [
        replace(record, question=record.question + "!" * (number // 2 % 2))
        for number, record in enumerate(bright_records(40))
    ]
    told = export_hf(fitted(llava, records), tmp_path / "out")
    assert told["question"] is None
    card = (tmp_path / "out" / "README.md").read_text()
    (prompt,) = [line for line in card.splitlines() if line.startswith("PROMPT = ")]
    assert "{question}" in prompt
    assert "Is it bright" not in prompt


def test_the_same_classifier_gives_the_same_weights(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    for name in "ab":
        export_hf(classifier, tmp_path / name)
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_an_opened_artefact_gives_what_the_whole_model_does(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    classifier.save_pretrained(tmp_path / "clf")
    part = SuperNeuronClassifier.from_pretrained(tmp_path / "clf")
    export_hf(part, tmp_path / "part")
    export_hf(classifier, tmp_path / "whole")
    files = [tmp_path / name / "model.safetensors" for name in ("part", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("read_out", ["logistic", "super-neurons"])
def test_more_than_two_labels(llava: VLM, read_out: str, tmp_path: Path) -> None:
    several = fitted(llava, shades(90), read_out=read_out)
    told = export_hf(several, tmp_path / "out", records=shades(60, seed=3))
    assert told["labels"] == ["dark", "grey", "pale"]
    assert told["compared"]["agreement_unrounded"] == 1.0
    assert score_of(tmp_path / "out").shape == (3, 32)


def test_a_mean_of_neurons_needs_no_constant(tmp_path: Path, llava: VLM) -> None:
    mean = fitted(llava, murky(80), read_out="paper", read_out_params={"aggregation": "mean"})
    told = export_hf(mean, tmp_path / "out", records=murky(40, seed=2))
    assert not told["constant"]
    assert told["compared"]["agreement_unrounded"] == 1.0
    assert not any(name.endswith("down_proj.bias") for name in names_in(tmp_path / "out"))


def test_votes_are_refused_and_the_nearest_offered(llava: VLM, tmp_path: Path) -> None:
    step = {"margin_step": 0.03}
    voting = fitted(llava, bright_records(120), read_out="paper", max_layer=2, read_out_params=step)
    assert len(voting.neurons_) > 1
    with pytest.raises(DataError, match="no linear head") as refused:
        export_hf(voting, tmp_path / "out", records=bright_records(120, seed=1))
    assert "votes are counted" in str(refused.value)
    offered = str(refused.value).rpartition("agrees with the classifier on ")[2]
    assert not (tmp_path / "out").exists()
    told = export_hf(voting, tmp_path / "out", as_="linear", records=bright_records(120, seed=1))
    assert told["refitted"]["learnt_from"] == "labels"
    assert told["refitted"]["accuracy"] == 1.0
    assert offered == f"{told['refitted']['agreement']:.1%}."
    assert told["compared"]["agreement"] > 0.85


def test_records_without_labels_are_learnt_from_by_the_answers(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    records = [replace(record, label=None) for record in murky(120, seed=4)]
    told = export_hf(classifier, tmp_path / "out", as_="linear", records=records)
    assert told["refitted"]["learnt_from"] == "answers"
    assert "accuracy" not in told["refitted"]
    assert "fitted anew" in (tmp_path / "out" / "README.md").read_text()


def test_a_new_head_needs_records_of_every_label(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="only be fitted anew on records"):
        export_hf(classifier, tmp_path / "out", as_="linear")
    only = [record for record in bright_records(20) if record.label == "yes"]
    with pytest.raises(DataError, match="No record stands for 'no'"):
        export_hf(classifier, tmp_path / "out", as_="linear", records=only)


def test_an_intercept_without_room_is_refused(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["qwen3_vl"](tmp_path / "qwen")), device="cpu")
    with pytest.raises(DataError, match="MLPs have no biases"):
        export_hf(fitted(model, murky(60)), tmp_path / "out")


def test_biases_that_are_scaled_are_no_room(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["llava_next_granite"](tmp_path / "granite")), device="cpu")
    with pytest.raises(DataError, match="MLPs have no biases"):
        export_hf(fitted(model, murky(60)), tmp_path / "out")


def test_a_layer_norm_is_refused(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["aya_vision"](tmp_path / "aya")), device="cpu")
    with pytest.raises(DataError, match="not an RMS norm"):
        export_hf(fitted(model, murky(60), max_layer=2), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"site": "projector"}, "projector, not the residual stream"),
        ({"site": "mlp"}, "mlp, not the residual stream"),
        ({"read_out": "knn"}, "'knn' is not linear"),
        ({"resolution": 40}, "40 pixels per side"),
    ],
)
def test_other_reading_is_refused(
    llava: VLM, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError) as refused:
        export_hf(fitted(llava, bright_records(30), **options), tmp_path / "out")
    assert said in str(refused.value)


def test_pictures_alone_leave_no_state(llava: VLM, tmp_path: Path) -> None:
    seeing = fitted(llava, bright_records(30), site="projector")
    with pytest.raises(DataError, match="no decoder layer leaves a state"):
        export_hf(seeing, tmp_path / "out", as_="linear", records=bright_records(30))


def test_a_taken_place_is_left_alone(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    export_hf(classifier, tmp_path / "out")
    before = (tmp_path / "out" / "superneurons.json").read_text()
    with pytest.raises(OutputError, match="exists already"):
        export_hf(classifier, tmp_path / "out")
    assert (tmp_path / "out" / "superneurons.json").read_text() == before
    export_hf(classifier, tmp_path / "out", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_it_has_to_be_fitted(llava: VLM, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        export_hf(SuperNeuronClassifier(llava), tmp_path / "out")


def test_progress_is_told(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    tell: Callable[[int, int], None] = lambda done, of: told.append((done, of))  # noqa: E731
    export_hf(classifier, tmp_path / "out", records=murky(16), progress=tell)
    assert told[-1] == (16, 16)
