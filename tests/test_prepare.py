"""The benchmark of preparing pictures, at a size where it proves nothing but has to be right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import prepare

from superneurons.vlm.pixels import pixel_preparer

QUICK = ["--device=cpu", "--sizes", "40x30", "--batches", "1", "2", "--repeats=2"]


def test_every_side_is_timed_and_written(tmp_path, capsys) -> None:
    prepare.main([*QUICK, f"--out={tmp_path / 'made' / 'found.json'}"])
    found = json.loads((tmp_path / "made" / "found.json").read_text())
    assert [(row["settings"], row["batch"], row["side"]) for row in found["times"]] == [
        (name, batch, side)
        for name in ("LLaVA-1.5", "Qwen3-VL")
        for batch in (1, 2)
        for side in ("decoding alone", "Pillow", "ours")
    ]
    for row in found["times"]:
        assert row["repeats"] == 2
        assert row["levels"] < 1e-3
        assert row["x Pillow"] == pytest.approx(1) or row["side"] != "Pillow"
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(found["times"])


@pytest.mark.parametrize("name", ["LLaVA-1.5", "Qwen3-VL"])
def test_both_sides_see_the_same_pictures_and_a_difference_is_found(name: str) -> None:
    processor = prepare.processors()[name]
    preparer = pixel_preparer(SimpleNamespace(image_processor=processor), "cpu")
    assert preparer is not None
    sides = prepare.sides_of(processor, preparer, (30, 40), 2)
    assert prepare.difference(sides, preparer) == {
        "differ": 0, "levels": pytest.approx(0, abs=1e-3),
    }  # fmt: skip
    assert not torch.equal(sides["ours"](0), sides["ours"](1))
    ours = sides["ours"]
    sides["ours"] = lambda number: ours(number) + 2 * preparer.level
    found = prepare.difference(sides, preparer)
    assert found == {"differ": 1, "levels": pytest.approx(2, rel=1e-3)}
