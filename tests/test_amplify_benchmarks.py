"""The benchmarks of amplification, where they prove nothing but still have to be right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import amplify_cost
import amplify_last_step

from superneurons.amplify.amplification import Amplification
from tiny_language_models import save_llama


def test_costs_are_ratios_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = save_llama(tmp_path / "llama"), tmp_path / "found.json"
    words = ["--model", str(path), "--rounds", "5", "--batch", "2", "--count", "4"]
    found = amplify_cost.main([*words, "--device", "cpu", "--out", str(out)])
    assert list(found["ratios"]) == ["again", "open, last", "open, all", "closed", "unsure", "sure"]
    for row in found["ratios"].values():
        low, high = row["interval"]
        assert 0 < low <= row["ratio"] <= high
    assert json.loads(out.read_text())["ratios"].keys() == found["ratios"].keys()
    assert "plain pass" in capsys.readouterr().out


def test_each_way_is_what_it_is_called(tmp_path: Path) -> None:
    path = save_llama(tmp_path / "llama")
    model = amplify_cost.open_language_model(str(path), device="cpu")
    options = amplify_cost.argparse.Namespace(layer=2, count=8, batch=2, characters=40)
    ways = amplify_cost.ways(model, options)
    plain, closed, opened = (ways[name]() for name in ("plain", "closed", "open, last"))
    assert torch.equal(plain, closed)
    assert not torch.equal(plain, opened)
    assert torch.equal(ways["unsure"]().logits, opened)
    assert torch.equal(ways["sure"]().logits, plain)


def test_random_neurons_are_as_many_at_the_same_places() -> None:
    like = [(Amplification(3, [1, 2, 3], 2.0),), (Amplification(5, [7], 4.0),)]
    found = amplify_last_step.random_ones(like, 64, seed=0)
    for (a,), (b,) in zip(like, found, strict=True):
        assert (a.layer, len(a.columns), a.multiplier) == (b.layer, len(b.columns), b.multiplier)
    assert found[0][0].columns != like[0][0].columns
    assert found == amplify_last_step.random_ones(like, 64, seed=0)
