from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fresh import command, fresh_processes
from pictures import choices, shades
from superneurons.probes.registry import READ_OUTS
from superneurons.task.record import Record

Runner = Callable[..., Any]


def written(directory: Path, records: list[Record]) -> Path:
    """Write records as JSON Lines, with their options."""
    lines = []
    for number, record in enumerate(records):
        record.images[0].save(directory / f"{number}.png")  # type: ignore[union-attr]
        row = {"image": f"{number}.png", "question": record.question, "label": record.label}
        if record.options:
            row["options"] = list(record.options)  # type: ignore[assignment]
        lines.append(json.dumps(row) + "\n")
    path = directory / "records.jsonl"
    path.write_text("".join(lines))
    return path


def test_it_fits_and_says_what_it_found(
    run: Runner, model_path: Path, train: Path, tmp_path: Path
) -> None:
    done = run("fit", "-m", model_path, "-d", train, "-o", tmp_path / "clf", "--json")
    assert done.code == 0, done.err
    assert done.json["labels"] == ["no", "yes"]
    assert done.json["layers"] == 4
    assert done.json["probing_set"]["records"] == 24
    assert done.json["form"] == "direct"
    assert 0.5 < done.json["learnt"]["cv_score_"] <= 1
    assert (tmp_path / "clf" / "config.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["clf"]  # nothing else is left


def test_it_speaks_plainly_too(run: Runner, llava_path: Path, train: Path, tmp_path: Path) -> None:
    out = tmp_path / "my clf"
    done = run("fit", "-m", llava_path, "-d", train, "-o", out)
    assert "Super Neurons of 128 (residual); the model stops after layer" in done.out
    assert "Learnt from 24 of 24 labelled records." in done.out
    assert f"Saved to {out}. Next: superneurons eval '{out}' --data" in done.out


@pytest.mark.parametrize(
    ("words", "said", "unsaid"),
    [
        (("super-neurons",), "Cross-validated on the probing set: .*% balanced accuracy", "Best"),
        (("logistic",), "^32 neurons of 128.*\n.*\nCross-validated .*% accuracy", "Super"),
        (("knn",), "^32 neurons of 128.*\n.*\nCross-validated .*% accuracy", "Super"),
        (("savs",), "^128 neurons of 128", "%"),
        (("paper",), "Best single neuron .*% accuracy .the best of as many by chance", "Cross"),
        (("paper", "--metric", "f1"), "Best single neuron .*% F1[.]", "by chance"),
    ],
)
def test_each_read_out_says_what_it_measured(
    run: Runner,
    llava_path: Path,
    train: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    said: str,
    unsaid: str,
) -> None:
    command = ("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", "--read-out", *words)
    done = run(*command)
    assert done.code == 0, done.err
    assert re.search(said, done.out), done.out
    assert unsaid not in done.out
    facts = run(*command, "--overwrite", "--json").json
    assert ("chance_maximum" in facts) == (words == ("paper",))
    assert f"{facts['neurons']} " in done.out


@pytest.mark.parametrize(
    ("words", "site", "line"),
    [
        (("--site", "mlp"), "mlp", "(mlp); the model stops after layer"),
        (("--site", "vision"), "vision", "(vision); no decoder layer runs"),
        (("--read-out", "savs"), "heads", "(heads); the model stops after layer"),
        (
            ("--position", "first_generated"),
            "residual@first_generated",
            "the whole model runs, and begins its answer",
        ),
    ],
)
def test_another_site_from_fit_to_answer(
    run: Runner,
    llava_path: Path,
    train: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    site: str,
    line: str,
) -> None:
    command = ("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", *words)
    done = run(*command)
    assert done.code == 0, done.err
    assert line in done.out
    assert run(*command, "--overwrite", "--json").json["site"] == site
    assert len(run("predict", tmp_path / "clf", "-d", train).lines) == 24
    scored = run("eval", tmp_path / "clf", "-d", train, "--no-rivals", "--json")
    assert scored.code == 0, scored.err


def test_heads_are_not_looked_for_elsewhere(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf")
    done = run(*words, "--read-out", "savs", "--site", "mlp")
    assert done.code == 2
    assert "--site heads" in done.err


def test_help_names_every_read_out_that_can_be_taken(run: Runner) -> None:
    # lines are broken at hyphens too
    told = " ".join(run("fit", "--help").out.split()).replace("- ", "-")
    offered = re.search(r"becomes? an answer: (.*?)\.", told)
    assert offered is not None
    names = set(re.split(", | or ", offered[1]))
    assert names == READ_OUTS.keys() - {"logits", "calibrated-logits"}


@pytest.mark.parametrize("option", [("--metric", "f1"), ("--aggregation", "mean")])
def test_options_of_the_papers_rule_go_with_it_only(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", *option)
    done = run(*words)
    assert done.code == 2
    assert option[0] in done.err
    assert "--read-out paper" in done.err
    assert run(*words, "--read-out", "paper").code == 0


def test_label_logits_are_sent_where_they_are_measured(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    done = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", "--read-out", "logits")
    assert done.code == 2
    assert "superneurons compare" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "multiclass", "form", "line"),
    [
        (shades, "auto", "direct", "Learnt from 24 of 24 labelled records."),
        (shades, "unrolled", "unrolled", "Learnt from 48 yes/no questions, one per answer of 24"),
        (choices, "auto", "lettered", "of 24 labelled records, their options by letter."),
        (choices, "unrolled", "unrolled", "Learnt from 48 yes/no questions, one per answer of 24"),
    ],
)
def test_more_than_two_answers_from_fit_to_answer(
    run: Runner,
    llava_path: Path,
    tmp_path: Path,
    make: Callable[[int], list[Record]],
    multiclass: str,
    form: str,
    line: str,
) -> None:
    records = make(24)
    data, out = written(tmp_path, records), tmp_path / "clf"
    words = ("fit", "-m", llava_path, "-d", data, "-o", out, "--multiclass", multiclass)
    done = run(*words)
    assert done.code == 0, done.err
    assert line in done.out
    assert json.loads((out / "config.json").read_text())["form"] == form
    lines = run("predict", out, "-d", data).lines
    for record, found in zip(records, lines, strict=True):
        assert found["label"] in (record.options or ("dark", "grey", "pale"))
        assert set(found["probabilities"]) == set(record.options or ("dark", "grey", "pale"))
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_more_answers_than_the_papers_rule_knows_are_said(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    data = written(tmp_path, shades(24))
    words = ("fit", "-m", llava_path, "-d", data, "-o", tmp_path / "clf", "--read-out", "paper")
    done = run(*words, "--multiclass", "native")
    assert done.code == 2
    assert "tells two classes apart, not 3: 'dark', 'grey', 'pale'" in done.err
    assert "unrolled" in done.err


def test_a_folder_per_label_needs_the_question(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    for number in range(24):
        label = "yes" if number % 2 else "no"
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(train.parent / f"{number}.png", tmp_path / "data" / label)
    without = run("fit", "-m", llava_path, "-d", tmp_path / "data", "-o", tmp_path / "clf")
    assert without.code == 2
    done = run(
        "fit", "-m", llava_path, "-d", tmp_path / "data", "-o", tmp_path / "clf",
        "-q", "Is it bright?",
    )  # fmt: skip
    assert done.code == 0, done.err


def test_activations_can_be_kept_and_used_again(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "activations"
    words = ("fit", "-m", llava_path, "-d", train, "--activations", kept)
    run(*words, "-o", tmp_path / "a")
    times = {p.name: p.stat().st_mtime_ns for p in kept.iterdir()}
    assert run(*words, "-o", tmp_path / "b", "--read-out", "paper").code == 0
    assert {p.name: p.stat().st_mtime_ns for p in kept.iterdir()} == times


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no records|empty"),
        ('{"image": "0.png", "question": "Q?", "label": "yes"}\n{"image": 3}', "records.jsonl:2"),
        ('{"image": "0.png", "question": "Q?", "label": "yes"}\n' * 3, "label"),
        ('{"image": "x.png", "question": "Q?", "label": "yes"}', "x.png"),
        ('{"image": "0.png", "question": "Q?", "label": "a", "options": ["b", "c"]}', "options"),
        ("{not json", "records.jsonl:1"),
    ],
)
def test_bad_data_is_refused_before_the_model_opens(
    run: Runner, train: Path, tmp_path: Path, rows: str, message: str
) -> None:
    shutil.copy(train.parent / "0.png", tmp_path)
    (tmp_path / "records.jsonl").write_text(rows)
    done = run("fit", "-m", "demo", "-d", tmp_path / "records.jsonl", "-o", tmp_path / "clf")
    assert done.code == 2
    assert re.search(message, done.err), done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "clf").exists()


def test_an_existing_directory_is_not_replaced_unasked(
    run: Runner, llava_path: Path, train: Path, clf: Path
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o", clf)
    refused = run(*words)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert run(*words, "--overwrite").code == 0


@pytest.mark.parametrize(
    "words",
    [("--read-out", "oracle"), ("--metric", "luck"), ("--multiclass", "both"),
     ("--site", "spleen"), ("--position", "yesterday"),
     ("--prompt-order", "sideways"), ("--max-layer", "99"), ("--dtype", "int1"),
     ("--device", "abacus")],
)  # fmt: skip
def test_bad_options_are_named(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, words: tuple[str, str]
) -> None:
    done = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", *words)
    assert done.code == 2
    assert words[1] in done.err


@pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL")
def test_a_killed_fit_goes_on_and_ends_with_the_same_bytes(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    def words(out: Path) -> tuple[object, ...]:
        return ("fit", "-m", llava_path, "-d", train, "-o", out, "--batch-size", 1)

    assert run(*words(tmp_path / "whole")).code == 0
    kept = tmp_path / ".cut.activations"
    for shards in (1, 2):  # 24 records in shards of 8
        process = fresh_processes().Process(target=command, args=words(tmp_path / "cut"))
        process.start()
        deadline = time.monotonic() + 120
        while len(list(kept.glob("shard-*.safetensors"))) < shards:
            assert time.monotonic() < deadline, "no shard was written"
            if not process.is_alive():
                break
            time.sleep(0.002)
        process.kill()
        process.join()
    if not (tmp_path / "cut").exists():
        assert run(*words(tmp_path / "cut")).code == 0
    for name in ("README.md", "classifier.safetensors", "config.json"):
        content = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "cut" / name).read_bytes() == content
    assert not kept.exists()


def test_resolution_and_position_can_be_chosen(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    given = ("--resolution", 16, "--position", "image_mean", "--prompt-order", "question-first")
    done = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", *given)
    assert done.code == 0, done.err
    assert "(residual@image_mean); the model stops after layer" in done.out
    assert "Pictures are seen at 16 pixels per side." in done.out
    refused = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "no", "--resolution", 17)
    assert refused.code == 2
    assert "multiple of 8" in refused.err
