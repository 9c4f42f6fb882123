"""One graph: what it decides without PyTorch, what it takes, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.exceptions import NotFittedError

from pictures import bright_records, murky
from superneurons.errors import DataError, ModelError, OutputError
from superneurons.export import onnx as module
from superneurons.export.onnx import AGREEMENT, export_onnx
from superneurons.export.onnx_run import probabilities, session
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_families import savers

BLOCKED = """
import json, sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("superneurons", "torch", "transformers", "sklearn"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
directory, pictures = sys.argv[1:]
exec(open(directory + "/README.md").read().split("```python")[1].split("```")[0])
session, told = load(directory)
answers = {p.name: classify(session, told, Image.open(p)) for p in Path(pictures).glob("*.png")}
pixels = [prepare(Image.open(p), told["graph"]["prepare"]) for p in Path(pictures).glob("*.png")]
many = session.run(["probabilities"], {"pixel_values": np.concatenate(pixels)})[0]
print(json.dumps([answers, many.tolist()]))
"""


def of_sizes(records: list[Record]) -> list[Record]:
    """The same pictures, wider and taller."""
    shapes = ((28, 28), (40, 24), (20, 48))
    found = []
    for number, record in enumerate(records):
        picture = record.images[0]
        assert isinstance(picture, Image.Image)
        found.append(replace(record, images=(picture.resize(shapes[number % 3]),)))
    return found


@pytest.fixture(scope="module")
def classifier(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=1).fit(of_sizes(murky(120)))


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return of_sizes(murky(60, seed=2))


@pytest.fixture(scope="module")
def exported(
    classifier: SuperNeuronClassifier,
    records: list[Record],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("onnx") / "out"
    return directory, export_onnx(classifier, directory, records=records, int8=True)


def test_it_decides_the_same_without_torch(
    exported: tuple[Path, dict[str, Any]],
    classifier: SuperNeuronClassifier,
    records: list[Record],
    tmp_path: Path,
) -> None:
    directory, _ = exported
    for number, record in enumerate(records):
        record.images[0].save(tmp_path / f"{number}.png")  # type: ignore[union-attr]
    words = [sys.executable, "-c", BLOCKED, str(directory), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, many = json.loads(done.stdout)
    found = np.array([[answers[f"{i}.png"][c] for c in ("no", "yes")] for i in range(len(records))])
    ours = classifier.predict_proba(records)
    assert len(set(found.argmax(axis=1).tolist())) == 2
    assert (found.argmax(axis=1) == ours.argmax(axis=1)).all()
    np.testing.assert_allclose(found, ours, atol=0.02)
    np.testing.assert_allclose(sorted(many), sorted(found.tolist()), atol=1e-4)


def test_it_says_how_far_it_is_the_classifier(
    exported: tuple[Path, dict[str, Any]],
    classifier: SuperNeuronClassifier,
    records: list[Record],
) -> None:
    directory, told = exported
    encoded = [classifier.vlm.encode([record], classifier.prompt) for record in records]
    pixels = [inputs.tensors["pixel_values"].numpy() for inputs in encoded]
    theirs = probabilities(session(directory / "classifier.onnx"), pixels, any_batch=True)
    ours = classifier.predict_proba(records)
    truth = np.array([["no", "yes"].index(str(record.label)) for record in records])
    compared = told["compared"]
    assert compared["records"] == 60
    assert compared["accuracy"] == np.mean(theirs.argmax(axis=1) == truth)
    assert 0 < compared["accuracy"] < 1
    gap = np.abs(theirs - ours).max()
    assert compared["largest_probability_difference"] == pytest.approx(gap, abs=1e-3)
    assert told["graph"]["input_shape"] == list(pixels[0].shape)
    assert {"file", "bytes", "ms", "wanted", "records", "accuracy"} <= set(told["int8"])


def test_where_it_was_timed_is_told(
    exported: tuple[Path, dict[str, Any]], classifier: SuperNeuronClassifier
) -> None:
    _, told = exported
    latency = told["latency_ms"]
    assert latency["torch_path"] == classifier.early_exit().path
    assert (latency["torch_device"], latency["threads"]) == (
        classifier.vlm.device_name, torch.get_num_threads(),
    )  # fmt: skip
    assert {"onnx", "onnxruntime", "torch", "transformers"} <= set(told["versions"])


@pytest.mark.parametrize(("wanted", "kept"), [(2.0, False), (0.0, True)])
def test_eight_bits_that_answer_otherwise_are_thrown_away(
    exported: tuple[Path, dict[str, Any]],
    classifier: SuperNeuronClassifier,
    records: list[Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: float,
    kept: bool,
) -> None:
    shutil.copy(exported[0] / "classifier.onnx", tmp_path)
    some = records[:4]
    encoded = [classifier.vlm.encode([record], classifier.prompt) for record in some]
    pixels = [inputs.tensors["pixel_values"].numpy() for inputs in encoded]
    monkeypatch.setattr(module, "AGREEMENT", wanted)
    told = module._eight(tmp_path, classifier, some, pixels, any_batch=True)
    assert (told["kept"], told["wanted"], told["records"]) == (kept, wanted, 4)
    left = ["classifier.int8.onnx"] * kept + ["classifier.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_it_says_what_it_is_and_was_measured(exported: tuple[Path, dict[str, Any]]) -> None:
    directory, told = exported
    assert json.loads((directory / "superneurons.json").read_text()) == told
    assert told["labels"] == ["no", "yes"]
    assert told["question"] == "Is it bright?"
    assert told["graph"]["any_batch"]
    assert told["graph"]["bytes"] == (directory / "classifier.onnx").stat().st_size
    assert told["graph"]["prepare_difference"] < 1e-5
    assert told["compared"]["agreement"] == 1.0
    assert told["latency_ms"]["onnx"] > 0 < told["latency_ms"]["torch"]
    card = (directory / "README.md").read_text()
    assert f"{told['latency_ms']['onnx']:.1f} ms" in card
    assert "100.00%" in card


def test_eight_bits_are_kept_where_they_answer_alike(
    exported: tuple[Path, dict[str, Any]],
) -> None:
    directory, told = exported
    eight = told["int8"]
    assert eight["bytes"] < told["graph"]["bytes"]
    assert eight["kept"] == (eight["agreement"] >= AGREEMENT)
    assert (directory / "classifier.int8.onnx").exists() == eight["kept"]
    assert ("not kept" in (directory / "README.md").read_text()) != eight["kept"]


def test_the_opset_is_that_of_the_file(exported: tuple[Path, dict[str, Any]]) -> None:
    import onnx

    directory, told = exported
    model = onnx.load(str(directory / "classifier.onnx"))
    assert [one.version for one in model.opset_import if not one.domain] == [told["graph"]["opset"]]
    assert [one.name for one in model.graph.input] == ["pixel_values"]
    assert [one.name for one in model.graph.output] == ["scores", "probabilities"]


def test_what_looks_at_values_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = open_vlm(str(savers()["qwen2_5_vl"](tmp_path / "model")), device="cpu")
    fitted = SuperNeuronClassifier(model, max_layer=1).fit(bright_records(24))
    capfd.readouterr()
    with pytest.raises(ModelError, match="cannot be made one graph"):
        export_onnx(fitted, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: replace(r, question="Is it dark?"), "asks 'Is it dark?'"),
        (lambda r: replace(r, images=r.images * 2), "has 2 pictures"),
    ],
)
def test_records_that_ask_something_else_are_refused(
    classifier: SuperNeuronClassifier,
    records: list[Record],
    tmp_path: Path,
    change: Callable[[Record], Record],
    said: str,
) -> None:
    given = [*records[:2], change(records[2]), change(records[3])]
    with pytest.raises(DataError) as refused:
        export_onnx(classifier, tmp_path / "out", records=given)
    assert [problem.what for problem in refused.value.problems] == [said, said]


def test_a_question_that_was_not_fitted_is_refused(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"fitted on .*, not on 'Is it dark\?'"):
        export_onnx(classifier, tmp_path / "out", question="Is it dark?")
    assert not (tmp_path / "out").exists()


def test_eight_bits_need_records(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only be told on records"):
        export_onnx(classifier, tmp_path / "out", int8=True)


def test_several_questions_need_one_named(llava: VLM, tmp_path: Path) -> None:
    records = [
        replace(record, question=record.question + "!" * (number // 2 % 2))
        for number, record in enumerate(bright_records(24))
    ]
    several = SuperNeuronClassifier(llava, max_layer=1).fit(records)
    with pytest.raises(DataError, match="a graph holds one") as unnamed:
        export_onnx(several, tmp_path / "out")
    assert unnamed.value.where == "question"
    second = [record.id for record in records if record.question.endswith("!")]
    for question, others in ((None, second), ("Is it bright?", second)):
        with pytest.raises(DataError, match=r"asks 'Is it bright\?' of one picture") as refused:
            export_onnx(several, tmp_path / "out", records=records, question=question)
        assert [problem.where for problem in refused.value.problems] == others


def test_pictures_that_keep_their_shape_have_to_have_one(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["qwen3_vl"](tmp_path / "model")), device="cpu")
    fitted = SuperNeuronClassifier(model, max_layer=1).fit(bright_records(24))
    given = [replace(record, id=None) for record in of_sizes(bright_records(4))]
    given[2] = replace(given[2], id="tall")
    with pytest.raises(DataError, match="pixels of one shape") as refused:
        export_onnx(fitted, tmp_path / "out", records=given)
    assert [problem.where for problem in refused.value.problems] == ["record 1", "tall"]
    assert not (tmp_path / "out").exists()


def test_it_has_to_be_fitted(llava: VLM, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        export_onnx(SuperNeuronClassifier(llava), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"site": "projector"}, "site projector"), ({"read_out": "knn"}, "compares with examples")],
)
def test_what_no_graph_is_written_for_is_refused(
    llava: VLM, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=1, **options).fit(bright_records(24))
    with pytest.raises(DataError, match=said):
        export_onnx(fitted, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_taken_place_is_left_alone(classifier: SuperNeuronClassifier, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="something other than an export"):
        export_onnx(classifier, tmp_path, overwrite=True)
    assert (tmp_path / "note.txt").read_text() == "mine"
