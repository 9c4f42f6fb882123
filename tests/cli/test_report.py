from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from report.runs import fitted_run, full_run
from superneurons.report.store import read_run, write_run
from superneurons.vlm.model import VLM

Runner = Callable[..., Any]

QUICK = ("--repeats", 1, "--shuffles", 20, "--no-generate", "-r", "super-neurons", "-r", "paper")
SHORT = ("--positions", "last_prompt", "--orders", "picture-first", "--sites", "residual")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", full_run()).parent


def test_a_run_is_drawn_from_its_json_alone(run: Runner, kept: Path) -> None:
    done = run("report", kept)
    assert done.code == 0, done.err
    assert done.out == f"Saved {kept / 'report.html'}\n"
    page = (kept / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "94.3" in page
    assert page.count("data:image/jpeg;base64,") >= 36


def test_it_goes_where_it_is_wanted(run: Runner, kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "dark.html"
    done = run("report", kept / "run.json", "--out", page, "--json")
    assert (done.code, done.json) == (0, {"kind": "compare", "report": str(page)})
    assert page.exists()
    assert not (kept / "report.html").exists()
    assert run("report", kept / "run.json").code == 0
    assert (kept / "report.html").read_text() == page.read_text()


def test_it_is_opened_only_if_asked(
    run: Runner, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run("report", kept)
    assert opened == []
    run("report", kept, "--open")
    assert opened == [(kept / "report.html").resolve().as_uri()]


def test_what_is_no_run_is_said(run: Runner, tmp_path: Path) -> None:
    done = run("report", tmp_path)
    assert done.code == 2
    assert "There is no run" in done.err
    assert "--out" in done.err
    path = write_run(tmp_path, fitted_run())
    path.write_text(path.read_text().replace('"fit"', '"dream"'))
    done = run("report", tmp_path)
    assert done.code == 2
    assert "kind: is 'dream'" in done.err
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_is_said(run: Runner, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("report", kept, "--out", tmp_path / "file" / "page.html")
    assert done.code == 2
    assert "Cannot write" in done.err


def test_a_fit_leaves_what_it_found_beside_the_classifier(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf")
    done = run(*words)
    assert done.code == 0, done.err
    assert f"To look at: {tmp_path / 'clf' / 'report.html'}" in done.out
    found = read_run(tmp_path / "clf")
    assert (found.kind, found.title) == ("fit", "records.jsonl")
    assert found.command == " ".join(["superneurons", *map(str, words)])
    assert found.selection is not None
    config = json.loads((tmp_path / "clf" / "config.json").read_text())
    assert found.setting["fingerprint"] == config["base_model"]["fingerprint"]
    assert found.setting["exit_layer"] == config["exit_layer"]
    assert len(run("predict", tmp_path / "clf", "-d", train).lines) == 24
    first = run(*words, "--overwrite", "--json")
    assert first.json["classifier"] == str(tmp_path / "clf")
    assert "To look at" in first.err
    assert read_run(tmp_path / "clf").command.endswith("--overwrite --json")


def test_a_report_changes_nothing_of_the_classifier(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o")
    run(*words, tmp_path / "with")
    done = run(*words, tmp_path / "without", "--no-report")
    assert "To look at" not in done.out
    own = sorted(path.name for path in (tmp_path / "without").iterdir())
    assert own == ["README.md", "classifier.safetensors", "config.json"]
    for name in own:
        content = (tmp_path / "with" / name).read_bytes()
        assert content == (tmp_path / "without" / name).read_bytes()
    # What is no longer wanted goes with the classifier that it belonged to.
    run(*words, tmp_path / "with", "--overwrite", "--no-report")
    assert sorted(path.name for path in (tmp_path / "with").iterdir()) == own


def test_a_comparison_is_kept_where_it_is_wanted(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "one"
    words = ("compare", "-m", llava_path, "-d", train, "--test", test_file, *QUICK)
    done = run(*words, "--out", out, "--json")
    assert done.code == 0, done.err
    assert "To look at" in done.err
    found = read_run(out)
    assert found.comparison is not None
    assert found.comparison["rows"] == done.json["rows"]
    assert [curve.read_out for curve in found.curves] == [
        "Super Neurons, improved", "Super Neurons, paper's rule",
    ]  # fmt: skip
    assert found.confusion is not None
    shown = (*found.confusion.right, *found.confusion.wrong)
    assert all(example.thumbnail for example in shown)
    assert {Path(example.path).parent for example in shown} == {test_file.parent}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert "Super Neurons, improved" in page
    again = run(*words, "--out", out)
    assert again.code == 2
    assert "holds a run already" in again.err
    assert run(*words, "--out", out, "--overwrite", "--no-thumbnails").code == 0
    assert "data:image/jpeg" not in (out / "run.json").read_text()
    assert "data:image/jpeg" not in (out / "report.html").read_text()


def test_a_run_can_be_kept_without_being_drawn(
    run: Runner, clf: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scored"
    words = ("eval", clf, "-d", test_file, "--out", out)
    done = run(*words, "--no-report", "--no-rivals")
    assert done.code == 0, done.err
    assert f"To look at: {out / 'run.json'}" in done.out
    assert [path.name for path in out.iterdir()] == ["run.json"]
    found = read_run(out)
    assert (found.kind, found.subject, found.agreement) == ("eval", "Super Neurons", None)
    assert run(*words).code == 2
    assert run(*words, "--overwrite").code == 0
    found = read_run(out)
    assert found.agreement is not None
    assert (out / "report.html").exists()


def test_of_a_search_the_front_is_kept(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "clf"
    words = ("search", "-m", llava_path, "-d", train, "--test", test_file, *SHORT)
    done = run(*words, "--repeats", 1, "--out", out, "--json")
    assert done.code == 0, done.err
    found = read_run(out)
    chosen = done.json["chosen"]
    (point,) = (point for point in found.tradeoffs if point.chosen)
    assert (point.ms, point.balanced_accuracy) == (chosen["cost_ms"], chosen["accuracy"])
    assert len(found.tradeoffs) >= len(done.json["search"]["front"])
    assert (out / "report.html").exists()
    assert len(run("predict", out, "-d", test_file).lines) == 12
    done = run(*words, "--repeats", 1, "--out", out, "--overwrite", "--no-report")
    assert done.code == 0, done.err
    assert not (out / "run.json").exists()


def test_what_cannot_be_kept_is_said_before_a_model_is_opened(
    run: Runner, train: Path, clf: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for words in (("compare", "-m", "no/where"), ("eval", clf)):
        done = run(*words, "-d", train, "--out", tmp_path / "file")
        assert done.code == 2
        assert "Cannot write" in done.err
    # The classifier's own directory holds the run of its fit.
    done = run("eval", clf, "-d", train, "--out", clf)
    assert done.code == 2
    assert "run.json" in done.err


@pytest.mark.parametrize("command", ["compare", "eval", "search"])
def test_that_pictures_are_kept_is_said(run: Runner, command: str) -> None:
    told = " ".join(run(command, "--help").out.split())
    assert re.search(r"Keep small copies of up to 36 pictures", told)
    assert "--no-thumbnails" in told


def test_data_from_standard_input_has_a_name(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = train.read_text().replace('"image": "', f'"image": "{train.parent}/')
    (tmp_path / "all.jsonl").write_text(text)
    with (tmp_path / "all.jsonl").open() as source:
        monkeypatch.setattr("sys.stdin", source)
        done = run("fit", "-m", llava_path, "-d", "-", "-o", tmp_path / "clf")
    assert done.code == 0, done.err
    assert read_run(tmp_path / "clf").title == "standard input"


@pytest.mark.parametrize("words", [(), ("--no-report",)])
def test_a_demo_leaves_its_classifier_with_a_report(
    run: Runner,
    llava: VLM,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr("superneurons.vlm.opening.open_vlm", lambda *_, **__: llava)
    monkeypatch.chdir(tmp_path)
    out = Path("runs") / "demo-dark"
    for _ in range(2):  # an earlier demo of the same task makes room
        done = run("demo", "--probe", 16, "--test", 8, "--json", *words)
        assert done.code == 0, done.err
    assert done.json["task"] == "dark"
    assert (out / "classifier" / "config.json").exists()
    assert (out / "report.html").exists() == (not words)
    if words:
        assert not (out / "run.json").exists()
        return
    found = read_run(out)
    assert found.comparison is not None
    assert found.comparison["rows"] == done.json["rows"]
    assert (found.kind, found.title) == ("demo", "dark")
    assert found.command == "superneurons demo --probe 16 --test 8 --json"
    assert f"To look at: {out / 'report.html'}" in done.err


def test_what_is_no_demo_is_not_cleared_away(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo-dark").mkdir(parents=True)
    (tmp_path / "runs" / "demo-dark" / "run.json").write_text("mine")
    done = run("demo")
    assert done.code == 2
    assert "exists already" in done.err
    assert (tmp_path / "runs" / "demo-dark" / "run.json").read_text() == "mine"


def test_an_earlier_demo_stays_until_there_is_another(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("superneurons.vlm.opening.open_vlm", interrupted)
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "runs" / "demo-dark" / "classifier" / "config.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    assert run("demo", "--probe", 8, "--test", 8).code == 130
    assert earlier.read_text() == "{}"
