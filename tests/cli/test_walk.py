"""The whole walk, as a user takes it, on photographs that no recipe has seen."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from tiny_models import SAVERS

Runner = Callable[..., Any]

QUESTION = "Is this a flower? Answer yes or no."


def photographs(directory: Path, n: int, seed: int, form: str) -> Path:
    """Cut pieces out of scikit-learn's two photographs: petals (yes), a temple (no)."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        label = ("no", "yes")[number % 2]
        photo = load_sample_image("flower.jpg" if label == "yes" else "china.jpg")
        # flower.jpg has its flower in the middle
        y, x = rng.integers(120, 200), rng.integers(200, 300)
        size = int(rng.integers(120, 180))
        piece = Image.fromarray(photo[y : y + size, x : x + size])
        piece.save(directory / f"{seed}-{number}.jpg", quality=90)
        rows.append({"image": f"{seed}-{number}.jpg", "question": QUESTION, "label": label})
    path = directory / f"{seed}.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def walk(run: Runner, model: str, directory: Path, *options: str) -> tuple[Any, list[Any]]:
    train = photographs(directory, 40, 0, "jsonl")
    test = photographs(directory, 20, 1, "csv")
    out = directory / "clf"
    fitted = run("fit", "-m", model, "-d", train, "-o", out, *options, "--json")
    assert fitted.code == 0, fitted.err
    predicted = run("predict", out, "-d", test)
    assert predicted.code == 0, predicted.err
    scored = run("eval", out, "-d", test, "--json")
    assert scored.code == 0, scored.err
    return scored.json, predicted.lines


def ours(comparison: Any) -> Any:
    return next(row for row in comparison["rows"] if row["name"] == "Super Neurons")


@pytest.mark.parametrize("family", sorted(SAVERS))
def test_on_a_model_saved_to_a_directory(run: Runner, tmp_path: Path, family: str) -> None:
    model = SAVERS[family](tmp_path / "model")
    found, lines = walk(run, str(model), tmp_path)
    assert len(lines) == 20
    right = [line["label"] == ("no", "yes")[i % 2] for i, line in enumerate(lines)]
    assert ours(found)["scores"]["accuracy"] == pytest.approx(np.mean(right))
    assert {line["exit_layer"] for line in lines} == {ours(found)["exit_layer"]}


@pytest.mark.demo
def test_on_the_embedded_model(run: Runner, tmp_path: Path) -> None:
    found, lines = walk(run, "demo", tmp_path, "--max-layer", "4")
    assert len(lines) == 20
    scores = ours(found)["scores"]
    # petals against a temple: colours alone are enough
    assert scores["balanced_accuracy"] >= 0.8
    assert scores["balanced_accuracy"] > found["null"]["balanced_accuracy_95_of_shuffled_labels"]
    assert ours(found)["exit_layer"] <= 4
    assert ours(found)["speed_up_over_prefill"] > 1


def test_labels_and_questions_in_any_script(run: Runner, llava_path: Path, tmp_path: Path) -> None:
    data = photographs(tmp_path, 24, 0, "csv")
    text = data.read_text(encoding="utf-8").replace(QUESTION, "Blüte – ja? 花吗?")
    text = text.replace(",yes", ',"oui, «bien» 🙂"').replace(",no", ",non / nein")
    data.write_text(text, encoding="utf-8")
    out = tmp_path / "mes classifieurs" / "clé"
    fitted = run("fit", "-m", llava_path, "-d", data, "-o", out, "--json")
    assert fitted.code == 0, fitted.err
    assert fitted.json["labels"] == ["non / nein", "oui, «bien» 🙂"]
    lines = run("predict", out, "-d", data).lines
    assert {line["label"] for line in lines} <= set(fitted.json["labels"])
    scored = run("eval", out, "-d", data, "--json")
    assert scored.code == 0, scored.err
    assert ours(scored.json)["scores"]["n"] == 24


def test_question_first_is_kept_from_fit_to_answer(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    data = photographs(tmp_path, 24, 0, "jsonl")
    words = ("fit", "-m", llava_path, "-d", data, "--prompt-order", "question-first")
    assert run(*words, "-o", tmp_path / "clf").code == 0
    config = json.loads((tmp_path / "clf" / "config.json").read_text())
    frame = config["prompt"]["frame"]
    assert frame.index("{question}") < frame.index("<image>")
    assert len(run("predict", tmp_path / "clf", "-d", data).lines) == 24


def test_a_picture_mark_in_a_question_is_said(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    data = photographs(tmp_path, 24, 0, "jsonl")
    data.write_text(data.read_text().replace(QUESTION, "<image> Is it?"))
    done = run("fit", "-m", llava_path, "-d", data, "-o", tmp_path / "clf")
    assert done.code == 2
    assert "0.jsonl:1: the question holds '<image>'" in done.err
    assert not (tmp_path / "clf").exists()
