from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jpegs import Decoder, install

Runner = Callable[..., Any]


def test_scores_stand_beside_what_they_have_to_beat(
    run: Runner, clf: Path, test_file: Path
) -> None:
    done = run("eval", clf, "--data", test_file, "--json")
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in done.json["rows"]}
    assert {"majority class", "text only", "calibrated logits", "Super Neurons"} <= set(rows)
    ours = rows["Super Neurons"]
    assert ours["scores"]["n"] == 12
    low, high = ours["scores"]["balanced_accuracy_interval"]
    assert low <= ours["scores"]["balanced_accuracy"] <= high
    assert ours["speed_up_over_prefill"] > 0


def test_the_table_is_whole(run: Runner, clf: Path, test_file: Path) -> None:
    done = run("eval", clf, "-d", test_file, "--no-rivals")
    assert "Super Neurons" in done.out
    assert "…" not in done.out.split("test records")[0]
    assert "base model, first token" not in done.out


def test_it_says_how_early_exits_ran(run: Runner, clf: Path, test_file: Path) -> None:
    asked = ("eval", clf, "-d", test_file, "--no-rivals")
    assert "Early exits: lean (graphs need a CUDA device" in " ".join(run(*asked).out.split())
    off = run(*asked, "--acceleration", "off", "--json").json["setting"]["early_exits"]
    assert off == {"path": "off", "reason": "it was turned off"}


def test_pictures_are_prepared_where_it_was_asked_for(
    run: Runner, clf: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    for path in test_file.parent.glob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"), quality=95)
    jpegs = test_file.with_name("jpegs.jsonl")
    jpegs.write_text(test_file.read_text().replace(".png", ".jpg"))
    asked = ("eval", clf, "-d", jpegs, "--no-rivals", "--json")
    by_pillow = run(*asked)
    assert decoder.given == []
    done = run(*asked, "--preparation", "jpeg")
    assert (done.code, by_pillow.code) == (0, 0), done.err
    assert "warning" not in done.err
    assert {path.read_bytes() for path in test_file.parent.glob("?.jpg")} <= set(decoder.given)
    found, expected = (
        {row["name"]: row["scores"]["balanced_accuracy"] for row in one.json["rows"]}
        for one in (done, by_pillow)
    )
    assert found == expected


def test_records_without_labels_are_refused(
    run: Runner, clf: Path, test_file: Path, tmp_path: Path
) -> None:
    bare = test_file.with_name("bare.jsonl")
    bare.write_text('{"image": "0.png", "question": "Is it bright?"}\n')
    done = run("eval", clf, "-d", bare)
    assert done.code == 2
    assert "bare.jsonl" in done.err


def test_one_class_only_is_scored(run: Runner, clf: Path, test_file: Path) -> None:
    rows = [row for row in test_file.read_text().splitlines() if json.loads(row)["label"] == "yes"]
    only = test_file.with_name("only-yes.jsonl")
    only.write_text("\n".join(rows))
    done = run("eval", clf, "-d", only, "--json")
    assert done.code == 0, done.err
    ours = next(row for row in done.json["rows"] if row["name"] == "Super Neurons")
    assert ours["scores"]["majority"] == 1
    assert "NaN" not in done.out


def test_a_label_it_was_not_fitted_on_is_named(run: Runner, clf: Path, test_file: Path) -> None:
    other = test_file.with_name("other.jsonl")
    other.write_text(test_file.read_text().replace('"yes"', '"rather, yes"'))
    done = run("eval", clf, "-d", other)
    assert (done.code, done.out) == (2, "")
    assert "'rather, yes'" in done.err


def test_chance_is_named_in_words(run: Runner, clf: Path, test_file: Path) -> None:
    done = run("eval", clf, "--data", test_file, "--no-rivals")
    assert "balanced accuracy with shuffled labels, at most (95 of 100 shuffles): " in done.out
