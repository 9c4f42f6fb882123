from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures import choices, murky
from superneurons.errors import DataError, MissingExtraError, ModelError
from superneurons.evaluate.evaluation import evaluate_classifier
from superneurons.export import lmms_eval as adapter
from superneurons.export.lmms_eval import Requests, manifest
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

needs_lmms = pytest.mark.skipif(
    find_spec("lmms_eval") is None, reason="needs lmms-eval: `make install` brings what it takes"
)
QUESTION = "Is it bright?"
TASKS = {
    "words": """
output_type: generate_until
doc_to_target: "{{answer}}"
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
    "choice": """
output_type: multiple_choice
doc_to_choice: ["Yes", "No"]
doc_to_target: "{{['yes', 'no'].index(answer)}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
""",
}


@pytest.fixture(scope="module")
def clf(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=2).fit(murky(40))


@pytest.fixture(scope="module")
def saved(
    llava_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, SuperNeuronClassifier | Cascade]:
    """By the directory it is in."""
    place = tmp_path_factory.mktemp("saved")
    single = SuperNeuronClassifier(str(llava_path), device="cpu", max_layer=2).fit(murky(40))
    several = Cascade(str(llava_path), device="cpu", layers=[1, 3]).fit(murky(60))
    single.save_pretrained(place / "single")
    several.save_pretrained(place / "several")
    return {str(place / "single"): single, str(place / "several"): several}


def requests(records: Sequence[Record], answers: Sequence[str] | None = None) -> list[Any]:
    """What lmms-eval asks about documents that are records: words, or each answer's chance."""
    from lmms_eval.api.instance import Instance

    found = []
    for number, record in enumerate(records):
        for said in answers or record.options or ():
            args = (record.question, f" {said}", lambda doc: list(doc.images), number, "t", "test")
            about = {"task": "t", "doc_id": number, "repeats": 1}
            found.append(Instance("loglikelihood", args, 0, about))
    return found


def words(records: Sequence[Record], question: str | None = None) -> list[Any]:
    from lmms_eval.api.instance import Instance

    return [
        Instance(
            "generate_until",
            (question or r.question, {"until": ["\n"]}, lambda d: list(d.images), i, "t", "test"),
            0,
            {"task": "t", "doc_id": i, "repeats": 1},
        )
        for i, r in enumerate(records)
    ]


def asked(classifier: Any, records: Sequence[Record], **more: Any) -> Any:
    model = adapter.SuperNeuronsModel(classifier, **more)
    model.task_dict["t"] = {"test": list(records)}
    return model


@needs_lmms
def test_lmms_eval_itself_reports_the_accuracy_that_we_do(
    saved: dict[str, SuperNeuronClassifier | Cascade], tmp_path: Path
) -> None:
    import datasets

    records, tasks = murky(30, seed=1), tmp_path / "tasks"
    rows = {
        "image": [record.images[0] for record in records],
        "question": [record.question for record in records],
        "answer": [record.label for record in records],
    }
    test = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    datasets.DatasetDict({"test": test}).save_to_disk(tmp_path / "data")
    tasks.mkdir()
    (tasks / "utils.py").write_text("def pictures(doc):\n    return [doc['image']]\n")
    for name, own in TASKS.items():
        (tasks / f"{name}.yaml").write_text(
            f"task: {name}\ndataset_path: {tmp_path / 'data'}\n"
            "dataset_kwargs: {load_from_disk: true}\ntest_split: test\n"
            'doc_to_visual: !function utils.pictures\ndoc_to_text: "{{question}}"\n' + own
        )
    script, out = Path(__file__).parents[1] / "lmms_run.py", tmp_path / "found.json"
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, script, tasks, out, ",".join(TASKS), *saved]
    done = subprocess.run(
        command, env=os.environ | quiet, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    for directory, classifier in saved.items():
        given, own = found[directory]["results"], classifier.score(records)
        assert 0.5 < own < 1  # else it would prove little that they agree
        assert given["words"]["exact_match,none"] == pytest.approx(own)
        assert given["choice"]["acc,none"] == pytest.approx(own)
        assert found[directory]["model"].startswith("superneurons.export.lmms_eval.")
    single = next(iter(saved.values()))
    assert isinstance(single, SuperNeuronClassifier)
    ours = evaluate_classifier(single, records, rivals=False, repeats=1).rows[-1].scores
    assert ours is not None
    assert ours.accuracy == pytest.approx(single.score(records))


@needs_lmms
def test_lmms_eval_finds_it_by_its_entry_point() -> None:
    from lmms_eval.api.model import lmms
    from lmms_eval.models import MODEL_REGISTRY_V2

    (point,) = entry_points(group="lmms_eval.models", name="superneurons")
    assert point.load() is manifest
    found = MODEL_REGISTRY_V2.get_model_class("superneurons")
    assert found is adapter.SuperNeuronsModel
    assert issubclass(found, lmms)
    assert issubclass(found, Requests)


@needs_lmms
def test_words_are_labels_in_the_order_of_the_requests(clf: SuperNeuronClassifier) -> None:
    records = murky(21, seed=2)
    model = asked(clf, records, batch_size=2)  # 8 batches at once, then the rest
    expected = clf.predict(records).tolist()
    assert len(set(expected)) == 2
    assert model.generate_until(words(records)) == expected
    assert model.generate_until(words(records)[::-1]) == expected[::-1]
    assert model.generate_until([]) == []


@needs_lmms
def test_an_artefact_is_opened_with_the_batch_size_that_lmms_eval_gives(
    saved: dict[str, SuperNeuronClassifier | Cascade],
) -> None:
    for directory, fitted in saved.items():
        model = adapter.SuperNeuronsModel.create_from_arg_string(
            f"classifier={directory}", {"batch_size": "3", "device": "cpu", "max_batch_size": None}
        )
        assert type(model.classifier) is type(fitted)
        assert model.classifier.batch_size == 3


@needs_lmms
def test_the_likelihood_of_an_answer_is_its_loss(clf: SuperNeuronClassifier) -> None:
    records = murky(10, seed=3)
    answers = list(clf.answers(records))
    found = asked(clf, records).loglikelihood(requests(records, ["Yes", "no"]))
    assert len(found) == 20
    for answer, pair in zip(answers, zip(found[::2], found[1::2], strict=True), strict=True):
        (yes, says_yes), (no, says_no) = pair
        np.testing.assert_allclose(
            [math.exp(-yes), math.exp(-no)],
            [answer.probabilities["yes"], answer.probabilities["no"]], atol=1e-6,
        )  # fmt: skip
        assert (says_yes, says_no) == (answer.label == "yes", answer.label == "no")
        assert ["yes", "no"][int(np.argmin([yes, no]))] == answer.label


@needs_lmms
def test_pairs_stay_numbers_on_their_way_through_lmms_eval(clf: SuperNeuronClassifier) -> None:
    from lmms_eval.api.instance import unwrap_generation_output

    records = murky(2)
    for pair in asked(clf, records).loglikelihood(requests(records, ["yes", "no"])):
        text, tokens = unwrap_generation_output(pair)
        assert (tuple(text), tokens) == (tuple(pair), None)
        assert isinstance(text[0], float)


@needs_lmms
def test_of_answers_as_likely_the_one_that_is_given_comes_first(
    clf: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    even, records = {"no": 0.5, "yes": 0.5}, murky(2)
    monkeypatch.setattr(
        clf, "answers",
        lambda given: iter([Prediction(label, even, 0.5, 1, 0.0) for label in ("yes", "no")]),
    )  # fmt: skip
    found = asked(clf, records).loglikelihood(requests(records, ["no", "yes"]))
    losses = np.array([loss for loss, _ in found]).reshape(2, 2)
    assert losses.argmin(axis=1).tolist() == [1, 0]
    np.testing.assert_allclose(losses, math.log(2))
    sure = {"no": 1.0, "yes": 0.0}
    monkeypatch.setattr(clf, "answers", lambda given: iter([Prediction("no", sure, 1.0, 1, 0.0)]))
    (no, _), (yes, _) = asked(clf, records).loglikelihood(requests(records[:1], ["no", "yes"]))
    assert no == 0
    assert 100 < yes < math.inf


@needs_lmms
def test_each_document_runs_once_however_many_answers_are_asked_about(
    clf: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, seen = murky(6), []
    own = clf.answers
    monkeypatch.setattr(clf, "answers", lambda given: seen.extend(given) or own(given))
    model = asked(clf, records)
    model.loglikelihood(requests(records, ["yes", "no"]) * 2)
    assert [record.id for record in seen] == [f"t:test:{n}" for n in range(6)]


@needs_lmms
def test_options_of_their_own_come_from_the_choices(llava: VLM) -> None:
    records = choices(30)
    fitted = SuperNeuronClassifier(llava, max_layer=2).fit(records)
    assert fitted.form_ == "lettered"
    others = [replace(record, label=None) for record in choices(8, seed=1)]
    model = asked(fitted, others)
    found = iter(model.loglikelihood(requests(others)))
    for record, answer in zip(others, fitted.answers(others), strict=True):
        losses = [next(found)[0] for _ in record.options or ()]
        assert (record.options or ())[int(np.argmin(losses))] == answer.label
    with pytest.raises(DataError, match="8 of 8 requests") as caught:
        model.generate_until(words(others))
    assert "multiple_choice" in str(caught.value)


@needs_lmms
def test_all_that_cant_be_answered_is_said_before_the_model_runs(
    clf: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmms_eval.api.instance import Instance

    monkeypatch.setattr(clf, "answers", None)
    records = murky(4)
    model = asked(clf, records)
    about = {"task": "t", "doc_id": 0, "repeats": 1}
    other, known, grey, blind = (
        requests([replace(records[0], question="Is it red?")], ["yes"])
        + requests(records[:1], ["yes", "grey"])
        + [Instance("loglikelihood", (QUESTION, "no", None, 3, "t", "test"), 0, about)]
    )
    bare = Instance("loglikelihood", ("", "yes"), 0, about)
    with pytest.raises(DataError) as caught:
        model.loglikelihood([other, known, grey, blind, bare])
    said = str(caught.value)
    assert "4 of 5 requests can't be answered" in said
    assert f"t:test:0: asks 'Is it red?'; the classifier was fitted on {QUESTION!r}" in said
    assert "asks about 'grey', which is none of 'no', 'yes'" in said
    assert "t:test:3: has no pictures" in said
    assert "request 4: has no document" in said
    with pytest.raises(DataError, match="4 of 4 requests"):
        model.generate_until(words(records, f"{QUESTION}\nAnswer with one word."))


@needs_lmms
def test_the_fitted_question_can_stand_for_whatever_is_around_it(
    clf: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = murky(6, seed=4)
    expected = clf.predict(records).tolist()
    around = words(records, f"{QUESTION}\nAnswer with one word.")
    assert asked(clf, records, question="fitted").generate_until(around) == expected
    # Space and line breaks at the ends change no question.
    assert asked(clf, records).generate_until(words(records, f" {QUESTION}\n")) == expected
    with pytest.raises(DataError, match="question can't be 'any'"):
        asked(clf, records, question="any")
    monkeypatch.setattr(clf, "question_", None)
    with pytest.raises(DataError, match="fitted on several"):
        asked(clf, records, question="fitted")
    assert len(asked(clf, records).generate_until(around)) == 6  # of several, any may be asked


@needs_lmms
def test_pictures_can_be_paths_and_nothing_but_pictures(
    clf: SuperNeuronClassifier, tmp_path: Path
) -> None:
    records = murky(3, seed=5)
    on_disk = []
    for number, record in enumerate(records):
        record.images[0].save(tmp_path / f"{number}.png")  # type: ignore[union-attr]
        on_disk.append(replace(record, images=(str(tmp_path / f"{number}.png"),)))  # type: ignore[arg-type]
    model = asked(clf, on_disk)
    assert model.generate_until(words(on_disk)) == clf.predict(records).tolist()
    for given, name in (((b"bytes",), "bytes"), ((), "nothing")):
        odd = [replace(records[0], images=given)]  # type: ignore[arg-type]
        with pytest.raises(DataError, match=f"doc_to_visual gave {name}") as caught:
            asked(clf, odd).generate_until(words(odd))
        assert "t:test:0" in str(caught.value)


@needs_lmms
def test_what_it_is_not_made_for_is_refused(
    clf: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = asked(clf, [])
    with pytest.raises(ModelError, match="second round"):
        model.generate_until_multi_round([])
    for size, used in ((None, 8), ("auto:4", 8), ("16", 16), (2, 2)):
        assert asked(clf, [], batch_size=size).batch_size == used
    for size in ("many", 0, "-1"):
        with pytest.raises(DataError, match="batch size is"):
            asked(clf, [], batch_size=size)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ModelError, match="one process only"):
        asked(clf, [])


def test_without_lmms_eval_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lmms_eval", "lmms_eval.models.registry_v2", "lmms_eval.api.model"):
        monkeypatch.setitem(sys.modules, module, None)
    adapter._model_class.cache_clear()
    for call in (manifest, lambda: adapter.SuperNeuronsModel):
        with pytest.raises(MissingExtraError, match="Answering lmms-eval needs") as caught:
            call()
        assert "pip install 'superneurons[lmms]'" in str(caught.value)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = adapter.Nothing
