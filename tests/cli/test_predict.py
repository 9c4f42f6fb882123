from __future__ import annotations

import io
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jpegs import Decoder, install
from pictures import choices

Runner = Callable[..., Any]


def test_one_line_per_record_in_order(run: Runner, clf: Path, test_file: Path) -> None:
    done = run("predict", clf, "--data", test_file)
    assert done.code == 0, done.err
    assert [line["id"] for line in done.lines] == [f"records.jsonl:{n}" for n in range(1, 13)]
    for line in done.lines:
        assert set(line) >= {"label", "probabilities", "confidence", "exit_layer", "latency_ms"}
        assert line["label"] == max(line["probabilities"], key=line["probabilities"].get)


def test_the_answers_are_right(run: Runner, clf: Path, test_file: Path) -> None:
    truth = [json.loads(row)["label"] for row in test_file.read_text().splitlines()]
    found = [line["label"] for line in run("predict", clf, "-d", test_file).lines]
    assert sum(a == b for a, b in zip(truth, found, strict=True)) >= 10


def test_pictures_are_asked_the_question_of_the_fit(
    run: Runner, clf: Path, test_file: Path
) -> None:
    pictures = [test_file.parent / f"{number}.png" for number in (1, 0)]
    by_name = run("predict", clf, *pictures).lines
    by_file = run("predict", clf, "-d", test_file).lines
    assert [line["label"] for line in by_name] == [by_file[1]["label"], by_file[0]["label"]]
    assert by_name[0]["id"].endswith("1.png")
    other = run("predict", clf, pictures[0], "--question", "Is it dark?", "--json")
    assert len(other.json) == 1


def test_records_come_from_standard_input(
    run: Runner, clf: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(test_file.parent)
    monkeypatch.setattr(sys, "stdin", io.StringIO(test_file.read_text()))
    piped = run("predict", clf, "--data", "-")
    assert len(piped.lines) == 12


def test_labels_are_not_needed(run: Runner, clf: Path, test_file: Path, tmp_path: Path) -> None:
    shutil.copy(test_file.parent / "0.png", tmp_path)
    (tmp_path / "x.jsonl").write_text('{"image": "0.png", "question": "Is it bright?"}\n')
    assert len(run("predict", clf, "-d", tmp_path / "x.jsonl").lines) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Nothing to answer"),
        (("a.png", "--data", "b.jsonl"), "Both"),
        (("no-such.png",), "no-such.png"),
    ],
)
def test_bad_input_is_said(run: Runner, clf: Path, words: tuple[str, ...], message: str) -> None:
    done = run("predict", clf, *words)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


def test_what_is_no_classifier_is_said(run: Runner, tmp_path: Path) -> None:
    done = run("predict", tmp_path, "a.png")
    assert done.code == 2
    assert "no classifier" in done.err


def test_another_model_is_refused(run: Runner, clf: Path, tmp_path: Path, test_file: Path) -> None:
    from tiny_models import save_llava

    other = save_llava(tmp_path / "other", seed=9)
    done = run("predict", clf, "-d", test_file, "-m", other)
    assert done.code == 2
    assert "fingerprint" in done.err


def test_an_empty_file_is_said(
    run: Runner, clf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none.jsonl").write_text("")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    for data in (tmp_path / "none.jsonl", "-"):
        done = run("predict", clf, "-d", data)
        assert (done.code, done.out) == (2, "")
        assert "no records" in done.err


def test_standard_output_is_json_and_nothing_else(run: Runner, clf: Path, test_file: Path) -> None:
    lines = run("predict", clf, "-d", test_file)
    array = run("predict", clf, "-d", test_file, "--json")
    assert len(lines.out.splitlines()) == len(lines.lines) == 12
    timeless = [
        [{k: v for k, v in row.items() if k != "latency_ms"} for row in rows]
        for rows in (lines.lines, array.json)
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.filterwarnings("always::superneurons.task.notices.DataNotice")
@pytest.mark.parametrize(
    "form", ["grey.png", "palette.gif", "cmyk.jpg", "alpha.webp", "ümläut.bmp"]
)
def test_pictures_of_any_form_are_answered(
    run: Runner, clf: Path, tmp_path: Path, form: str
) -> None:
    mode = {"grey": "L", "palette": "P", "cmyk": "CMYK", "alpha": "RGBA"}.get(form[:-4].rstrip("."))
    Image.new("RGB", (28, 28), (240, 240, 240)).convert(mode or "RGB").save(tmp_path / form)
    done = run("predict", clf, tmp_path / form)
    assert done.code == 0, done.err
    assert done.lines[0]["id"].endswith(form)
    assert ("note: " in done.err) == (form == "cmyk.jpg")


def test_one_bad_picture_stops_it_before_any_answer(
    run: Runner, clf: Path, test_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes((test_file.parent / "0.png").read_bytes()[:200])
    done = run("predict", clf, test_file.parent / "0.png", tmp_path / "cut.png")
    assert (done.code, done.out) == (2, "")
    assert "cut.png" in done.err


@pytest.mark.parametrize("multiclass", ["native", "unrolled"])
@pytest.mark.parametrize("command", ["predict", "eval"])
def test_records_without_options_are_refused_before_the_model_is_opened(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, multiclass: str, command: str
) -> None:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    fitted = SuperNeuronClassifier(str(llava_path), multiclass=multiclass)  # type: ignore[arg-type]
    fitted.fit(choices(24)).save_pretrained(tmp_path / "own")
    done = run(command, tmp_path / "own", "-d", train, "-m", "no/where")
    assert (done.code, done.out) == (2, "")
    assert "24 of 24 records cannot be asked" in done.err


@pytest.mark.parametrize("acceleration", ["off", "lean", "compiled"])
def test_however_it_runs_the_answers_are_the_same(
    run: Runner, clf: Path, test_file: Path, acceleration: str
) -> None:
    asked = ("predict", clf, "-d", test_file)
    found = run(*asked, "--acceleration", acceleration).lines
    for a, b in zip(found, run(*asked).lines, strict=True):
        assert (a["id"], a["label"]) == (b["id"], b["label"])
        assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-3)


def test_the_acceleration_asked_for_is_what_runs(
    run: Runner, clf: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.vlm.early_exit import EarlyExit

    asked: list[str] = []
    begin = EarlyExit.__init__

    def noted(self: EarlyExit, *given: Any, **options: Any) -> None:
        asked.append(options["acceleration"])
        begin(self, *given, **options)

    monkeypatch.setattr(EarlyExit, "__init__", noted)
    assert run("predict", clf, "-d", test_file, "--acceleration", "off").code == 0
    assert asked == ["off"]


@pytest.mark.parametrize("command", ["predict", "eval", "doctor"])
def test_an_unknown_acceleration_is_refused_with_those_there_are(
    run: Runner, clf: Path, command: str
) -> None:
    words = (clf, "-d", "x.jsonl") if command != "doctor" else ()
    done = run(command, *words, "--acceleration", "warp")
    assert (done.code, done.out) == (2, "")
    assert "warp" in done.err
    assert "graphs" in done.err


def on_cpu(monkeypatch: pytest.MonkeyPatch, test_file: Path) -> tuple[Decoder, list[Path]]:
    """A decoder that a CPU has too, and the pictures of the test records as JPEG files."""
    decoder = Decoder()
    install(monkeypatch, decoder)
    paths = [test_file.with_name(f"{number}.jpg") for number in (0, 1, 2)]
    for path in paths:
        Image.open(path.with_suffix(".png")).save(path, quality=95)
    return decoder, paths


@pytest.mark.parametrize("preparation", ["auto", "processor", "device", "jpeg"])
def test_wherever_pictures_are_prepared_the_answers_are_the_same(
    run: Runner, clf: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch, preparation: str
) -> None:
    decoder, pictures = on_cpu(monkeypatch, test_file)
    expected = run("predict", clf, *pictures).lines
    done = run("predict", clf, *pictures, "--preparation", preparation)
    assert (done.code, done.err) == (0, "")
    for a, b in zip(done.lines, expected, strict=True):
        assert (a["id"], a["label"]) == (b["id"], b["label"])
    contents = [path.read_bytes() for path in pictures]
    assert decoder.given[2:] == (contents if preparation == "jpeg" else [])


def test_jpegs_that_cannot_be_decoded_on_the_device_are_answered_with_one_warning(
    run: Runner, clf: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, pictures = on_cpu(monkeypatch, test_file)
    install(monkeypatch, decoder, on="cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = run("predict", clf, *pictures, "--preparation", "jpeg", "--batch-size", 1)
    assert (done.code, len(done.lines)) == (0, 3)
    assert done.err.count("decoded by Pillow") == 1
    assert "needs a CUDA device" in done.err


@pytest.mark.parametrize("command", ["predict", "eval"])
def test_an_unknown_preparation_is_refused_with_those_there_are(
    run: Runner, clf: Path, command: str
) -> None:
    done = run(command, clf, "-d", "x.jsonl", "--preparation", "jpg")
    assert (done.code, done.out) == (2, "")
    assert "'jpg'" in done.err
    assert "processor" in done.err


@pytest.fixture
def second(run: Runner, llava_path: Path, train: Path, tmp_path: Path) -> Path:
    """A classifier for another question about the same pictures."""
    rows = [json.loads(row) | {"question": "Dark?"} for row in train.read_text().splitlines()]
    data = train.with_name("second.jsonl")
    data.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "second"
    assert run("fit", "--model", llava_path, "--data", data, "--out", out).code == 0
    return out


def test_several_classifiers_answer_as_each_does_alone(
    run: Runner, clf: Path, second: Path, test_file: Path
) -> None:
    pictures = [test_file.parent / f"{number}.png" for number in (0, 1, 2)]
    done = run("predict", clf, second, *pictures)
    assert done.code == 0, done.err
    names = [str(clf), str(second)]
    assert [line["classifier"] for line in done.lines] == names * 3
    assert [line["id"] for line in done.lines] == [str(p) for p in pictures for _ in names]
    for number, path in enumerate((clf, second)):
        alone = run("predict", path, *pictures).lines
        assert [a["label"] for a in alone] == [a["label"] for a in done.lines[number::2]]
    rows = run("predict", clf, second, "--data", test_file, "--json")
    assert len(rows.json) == 24


def test_several_classifiers_see_pictures_prepared_where_it_was_asked_for(
    run: Runner, clf: Path, second: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, pictures = on_cpu(monkeypatch, test_file)
    expected = [line["label"] for line in run("predict", clf, second, *pictures).lines]
    assert decoder.given == []
    found = run("predict", clf, second, *pictures, "--preparation", "jpeg").lines
    assert [line["label"] for line in found] == expected
    assert {path.read_bytes() for path in pictures} <= set(decoder.given)


def broken(model: Path) -> Path:
    """A model that cannot be opened, which is known only when it is."""
    model.mkdir()
    (model / "config.json").write_text("{")
    return model


def test_what_cannot_be_asked_together_is_said_before_the_model_is_opened(
    run: Runner, clf: Path, llava_path: Path, train: Path, tmp_path: Path, test_file: Path
) -> None:
    tower = tmp_path / "tower"
    assert run("fit", "-m", llava_path, "-d", train, "-o", tower, "--site", "vision").code == 0
    done = run("predict", clf, tower, clf, "-d", test_file, "-m", broken(tmp_path / "model"))
    assert (done.code, done.out) == (2, "")
    assert "reads vision" in done.err
    assert "named twice" in done.err


def test_several_classifiers_ask_their_own_questions(
    run: Runner, clf: Path, second: Path, test_file: Path
) -> None:
    done = run("predict", clf, second, "-d", test_file, "-q", "Is it red?")
    assert (done.code, done.out) == (2, "")
    assert "--question" in done.err


def test_a_bad_picture_stops_several_before_the_model_is_opened(
    run: Runner, clf: Path, second: Path, tmp_path: Path
) -> None:
    done = run("predict", clf, second, "missing.png", "-m", broken(tmp_path / "model"))
    assert (done.code, done.out) == (2, "")
    assert "missing.png" in done.err


def test_a_cascade_has_no_acceleration_and_no_company(
    run: Runner, clf: Path, tmp_path: Path
) -> None:
    cascade = tmp_path / "cascade"
    cascade.mkdir()
    (cascade / "config.json").write_text('{"kind": "cascade", "format": 1}')
    done = run("predict", cascade, "a.png", "--acceleration", "graphs")
    assert (done.code, done.out) == (2, "")
    assert "run as 'graphs'" in done.err
    done = run("predict", clf, cascade, "a.png")
    assert (done.code, done.out) == (2, "")
    assert "holds a cascade" in done.err
