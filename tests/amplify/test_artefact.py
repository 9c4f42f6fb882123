from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superneurons.amplify.artefact import Amplifier
from superneurons.amplify.gate import Gate
from superneurons.amplify.language import LanguageModel, open_language_model
from superneurons.amplify.neurons import find_neurons
from superneurons.errors import ArtefactError, MismatchError, OutputError
from tiny_language_models import save_llama


@pytest.fixture
def made(llama: LanguageModel) -> Amplifier:
    found = find_neurons(llama, ["1 + 1 ="], ["once upon"], 2, count=7, task="sums")
    return Amplifier(found, 2.5, Gate(0.3), "all", "a/model", "abc")


def test_it_comes_back_as_it_was(made: Amplifier, tmp_path: Path, llama: LanguageModel) -> None:
    made.save(tmp_path / "a.json")
    back = Amplifier.load(tmp_path / "a.json")
    assert back.amplification == made.amplification
    assert (back.gate, back.model_name, back.revision) == (made.gate, "a/model", "abc")
    assert (back.neurons.task, back.neurons.found) == ("sums", "difference")
    np.testing.assert_allclose(back.neurons.scores, made.neurons.scores, atol=1e-6)
    back.check(llama)


def test_it_is_small_and_always_the_same(made: Amplifier, tmp_path: Path) -> None:
    for name in ("a", "b"):
        made.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size < 1024
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_there_is_not_overwritten_unasked(made: Amplifier, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        made.save(path)
    assert path.read_text() == "mine"
    made.save(path, overwrite=True)
    assert Amplifier.load(path).amplification == made.amplification


def test_another_model_is_refused(made: Amplifier, tmp_path: Path) -> None:
    other = open_language_model(str(save_llama(tmp_path / "other", seed=5)), device="cpu")
    with pytest.raises(MismatchError, match="another model"):
        made.check(other)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"layer": "two"}, "layer"),
        ({"layer": True}, "layer"),
        ({"columns": [1.5] * 7}, "values"),
        ({"columns": [1, 1, 2, 3, 4, 5, 6]}, "values"),
        ({"columns": [1]}, "values"),
        ({"columns": [2**70] * 7}, "values"),
        ({"columns": []}, "values"),
        ({"position": "first"}, "values"),
        ({"multiplier": float("nan")}, "values"),
        ({"gate": -1}, "values"),
        ({"format": 2}, "format"),
        ({"kind": "cascade"}, "format"),
        ({"model": {"name": "x"}}, "model.fingerprint"),
    ],
)
def test_damage_is_named(
    made: Amplifier, tmp_path: Path, change: dict[str, Any], where: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**made.as_dict(), **change}))
    with pytest.raises(ArtefactError) as caught:
        Amplifier.load(path)
    assert where in [problem.where for problem in caught.value.problems]


def test_all_that_is_missing_is_listed(made: Amplifier, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"format": 1, "kind": "amplifier", "task": "t"}))
    with pytest.raises(ArtefactError) as caught:
        Amplifier.load(path)
    assert len(caught.value.problems) == 8


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (b"\x80\x02", b"{", b"[]"):
        path.write_bytes(content)
        with pytest.raises(ArtefactError):
            Amplifier.load(path)
    with pytest.raises(ArtefactError, match="no amplifier"):
        Amplifier.load(tmp_path / "nothing")
