from __future__ import annotations

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from published_files import lines
from superneurons.evaluate.reproduction.paper_rows import MODELS, printed_row
from superneurons.evaluate.reproduction.reproduce import reproduce
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.report.reproduction import write_reproduction
from tiny_models import SAVERS

Runner = Callable[..., Any]
QUICK = ("--shuffles", 20, "--no-generate", "--max-layer", 1)


@pytest.fixture
def words(llava_path: Path, train: Path, test_file: Path) -> tuple[object, ...]:
    return ("-m", llava_path, "-d", train, "--test", test_file, *QUICK)


def test_the_table_and_the_json_say_the_same(run: Runner, words: tuple[object, ...]) -> None:
    row = ("--row", "llava-7b")
    shown, raw = (run("reproduce", "pope", *words, *row, *more) for more in ((), ("--json",)))
    assert shown.code == raw.code == 0, shown.err + raw.err
    lines = shown.out.splitlines()
    for way in raw.json["ways"]:
        line = next(line for line in lines if line.strip().startswith(way["name"]))
        if way["scored_on"] == "validation":
            assert f"{100 * way['figures']['recall']['value']:.1f}" in line
    printed = printed_row("pope", "llava-7b", "majority", metric="accuracy")
    assert printed is not None
    place = next(i for i, line in enumerate(lines) if "by accuracy, majority" in line)
    assert f"printed, {printed.source}" in lines[place + 2]
    for value in (printed.accuracy, printed.precision, printed.recall, printed.threshold):
        assert f"{value:.1f}" in lines[place + 2]
    # Where the line is broken depends on the model's path.
    assert "arXiv 2603.10781, llava-7b on pope" in " ".join(shown.out.split())


def test_a_task_that_the_paper_lacks_is_said_to_be_ours_only(
    run: Runner, words: tuple[object, ...]
) -> None:
    done = run("reproduce", "bright", *words)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "no rows of the paper are of this task and model: ours only" in said
    assert "printed, Table" not in done.out


@pytest.fixture(scope="module")
def kept(
    llava_path: Path, train: Path, test_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the command keeps with ``words``."""
    settings = Settings(
        "bright", data=str(train), test=str(test_file), model=str(llava_path), generate=False,
        shuffles=20, max_layer=1,
    )  # fmt: skip
    return write_reproduction(tmp_path_factory.mktemp("kept"), reproduce(settings))


def test_it_is_kept_and_run_again_from_its_file_alone(
    run: Runner, words: tuple[object, ...], kept: Path, tmp_path: Path
) -> None:
    first = run("reproduce", "bright", *words, "--json", "--out", tmp_path)
    assert first.code == 0, first.err
    assert (tmp_path / "reproduction.json").read_text() == kept.read_text()
    again = run("reproduce", "--again", kept, "--json", "--out", tmp_path, "--overwrite")
    assert again.code == 0, again.err
    assert again.json["again"]["equal"] is True
    assert again.json["ways"] == first.json["ways"]
    assert (tmp_path / "reproduction.json").read_text() == kept.read_text()


def test_figures_that_differ_are_named_and_end_with_2(
    run: Runner, kept: Path, tmp_path: Path
) -> None:
    content = json.loads(kept.read_text())
    content["nulls"][0]["shuffled"] = 0.123
    content["measured"]["versions"]["torch"] = "1.0"
    file = tmp_path / "reproduction.json"
    file.write_text(json.dumps(content))
    done = run("reproduce", "--again", tmp_path)
    assert done.code == 2
    said = " ".join(done.out.split())
    assert "Again: 1 of " in said
    assert "null at last_prompt: shuffled: 0.123 there, 0." in said
    assert "Changed since: torch, 1.0 there" in said


def test_another_model_is_refused(run: Runner, kept: Path, tmp_path: Path) -> None:
    other = SAVERS["llava"](tmp_path / "other", seed=1)
    done = run("reproduce", "--again", kept, "--model", other)
    assert done.code == 2
    assert "fingerprint: the model's weights or dtype differ" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "No task was named"),
        (("pope",), "--data pope:DIR@train"),
        (("drak",), "Did you mean 'dark'?"),
        (("dark", "--data", "x.jsonl"), "test: missing; --data goes with --test"),
        (("dark", "--position", "somewhere"), "positions: 'somewhere' is none of"),
        (("dark", "--n-probe", 1, "--row", "x"), "row: 'x' is none of"),
        (("pop",), "Did you mean 'pope'?"),
        (("--again", "/nowhere/file"), "There is no reproduction"),
        (("dark", "--again", "/nowhere/file", "--seed", 1), "--seed: is decided by the file"),
    ],
)
def test_what_makes_no_sense_is_said_before_a_model_is_opened(
    run: Runner, words: tuple[object, ...], said: str
) -> None:
    done = run("reproduce", *words, "--model", "no/where")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert "no/where" not in done.err


def test_an_earlier_one_is_not_replaced_unasked(
    run: Runner, words: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "reproduction.json").write_text("mine")
    done = run("reproduce", "bright", *words, "--out", tmp_path)
    assert done.code == 2
    assert "holds a reproduction already" in done.err
    assert (tmp_path / "reproduction.json").read_text() == "mine"


def test_the_help_names_every_model_of_the_paper(run: Runner) -> None:
    said = "".join(run("reproduce", "--help").out.split())
    assert all(model in said for model in MODELS)


@pytest.mark.demo
def test_the_embedded_model_on_an_embedded_task(run: Runner) -> None:
    done = run(
        "reproduce", "presence", "--n-probe", 8, "--n-test", 8, "--max-layer", 1,
        "--shuffles", 20, "--no-generate", "--batch-size", 12, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["paper"] == ""
    base = next(way for way in done.json["ways"] if way["key"] == "base-first-token")
    # It was trained on this question.
    assert base["figures"]["accuracy"]["value"] > 0.8


def test_a_published_task_is_read_as_its_authors_publish_it(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    for folder, first in (("probe", 0), ("test", 100)):
        rows = []
        for i, record in enumerate(bright_records(16, seed=first)):
            place = tmp_path / folder / "val2014" / f"COCO_val2014_{first + i:012}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            record.images[0].save(place)  # type: ignore[union-attr]
            text = "Is there a lamp in the image?"
            rows.append({"image": place.name, "text": text, "label": record.label})
        lines(tmp_path / folder / "coco_pope_random.json", rows)
    sources = (f"pope:{tmp_path / folder}@random" for folder in ("probe", "test"))
    data, test = sources
    done = run("reproduce", "pope", "-m", llava_path, "-d", data, "--test", test, *QUICK,
               "--row", "llava-13b", "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["measured"]["test_records"] == 16
    by_key = {way["key"]: way for way in done.json["ways"] if way["scored_on"] == "validation"}
    assert by_key["paper-f1-mean"]["printed"]["table"] == "4"
    assert by_key["paper-f1-mean"]["printed"]["recall"] == 94.4


class Closed(io.StringIO):
    """Where a pager that was left read from."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "closed")


def test_what_was_found_is_kept_even_if_nobody_reads_it(
    run: Runner, words: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "kept"
    monkeypatch.setattr(sys, "stdout", Closed())
    assert run("reproduce", "bright", *words, "-o", out, "--json").code == 141
    monkeypatch.undo()
    assert run("reproduce", "--again", out).code == 0
