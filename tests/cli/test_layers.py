from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Runner = Callable[..., Any]


def test_a_line_for_each_layer_with_both_tokens(
    run: Runner, llava_path: Path, train: Path, test_file: Path
) -> None:
    words = ("layers", "-m", llava_path, "-d", train, "--test", test_file)
    shown, raw = run(*words), run(*words, "--json")
    assert shown.code == raw.code == 0, shown.err + raw.err
    assert len(raw.json["rows"]) == 9
    lines = [line.split() for line in shown.out.splitlines()]
    for layer in range(1, 5):
        line = next(words for words in lines if words[:1] == [str(layer)])
        both = [row for row in raw.json["rows"] if row["layer"] == layer]
        assert len(line) == 9
        assert float(line[1]) == round(100 * both[0]["neuron_accuracy"], 1)
        assert float(line[8]) == round(100 * both[1]["agreement"], 1)
    embedding = next(words for words in lines if words[:1] == ["0"])
    assert embedding[1:5] == ["–"] * 4


def test_it_needs_records_to_score_on(run: Runner, llava_path: Path, train: Path) -> None:
    done = run("layers", "-m", llava_path, "-d", train)
    assert done.code == 2
    assert "--test" in done.err
