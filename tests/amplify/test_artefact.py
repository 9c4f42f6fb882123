from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superneurons.amplify.artefact import FORMAT, Amplifier
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


def test_it_is_written_for_people_too(made: Amplifier, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    made.save(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n "format": 1,\n "kind": "amplifier",\n')
    assert text.endswith("}\n")
    stored = json.loads(text)
    assert stored["model"] == {
        "name": "a/model", "revision": "abc", "fingerprint": made.neurons.model,
    }  # fmt: skip
    assert (stored["layer"], stored["multiplier"], stored["gate"]) == (2, 2.5, 0.3)
    assert (stored["task"], stored["found"], stored["position"]) == ("sums", "difference", "all")
    assert stored["columns"] == made.neurons.columns.tolist()
    assert stored["scores"] == [round(float(score), 6) for score in made.neurons.scores]
    assert stored["format"] == FORMAT


def test_what_was_read_is_written_the_same_again(made: Amplifier, tmp_path: Path) -> None:
    made.save(tmp_path / "a.json")
    back = Amplifier.load(tmp_path / "a.json")
    assert back.as_dict() == made.as_dict()
    assert back.neurons.columns.dtype == np.int64
    assert back.neurons.scores.dtype == np.float64
    back.save(tmp_path / "b.json")
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_names_in_any_script_come_back(made: Amplifier, tmp_path: Path) -> None:
    path = tmp_path / "größe.json"
    named = replace(made, model_name="模型", revision=None)
    named.save(str(path))
    back = Amplifier.load(str(path))
    assert (back.model_name, back.revision) == ("模型", None)
    # A file that was written as UTF-8 by hand is the same.
    path.write_text(json.dumps(named.as_dict(), ensure_ascii=False), encoding="utf-8")
    assert Amplifier.load(path).model_name == "模型"


def test_whole_numbers_in_a_file_are_multipliers_and_thresholds(
    made: Amplifier, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**made.as_dict(), "multiplier": 3, "gate": 2, "scores": [1] * 7}))
    back = Amplifier.load(path)
    assert (back.multiplier, back.gate) == (3.0, Gate(2.0))
    assert (type(back.multiplier), type(back.gate.threshold)) == (float, float)
    assert back.gate.open([0.0, 1.0]).all()
    assert back.neurons.scores.dtype == np.float64


def test_what_is_wrong_with_a_field_is_said(made: Amplifier, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    given = {**made.as_dict(), "layer": "two", "position": 3}
    del given["kind"]
    path.write_text(json.dumps(given))
    with pytest.raises(ArtefactError) as caught:
        Amplifier.load(path)
    assert [str(problem) for problem in caught.value.problems] == [
        "kind: missing", "layer: is 'two'", "position: is 3",
    ]  # fmt: skip
    assert caught.value.where == str(path)
    path.write_text("[1, 2]")
    with pytest.raises(ArtefactError) as listed:
        Amplifier.load(path)
    assert [str(problem) for problem in listed.value.problems] == ["file: no JSON object"]


def test_a_models_names_are_text_and_a_revision_may_be_missing_only_as_null(
    made: Amplifier, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**made.as_dict(), "model": {"name": 3, "fingerprint": None}}))
    with pytest.raises(ArtefactError) as caught:
        Amplifier.load(path)
    assert [problem.where for problem in caught.value.problems] == [
        "model.name", "model.fingerprint", "model.revision",
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [["1"] * 7, [True] * 7, [1.0] * 7, [[1]] * 7, [-1] * 7])
def test_columns_are_whole_numbers_from_zero(
    made: Amplifier, tmp_path: Path, columns: list[object]
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**made.as_dict(), "columns": columns}))
    with pytest.raises(ArtefactError) as caught:
        Amplifier.load(path)
    assert [problem.where for problem in caught.value.problems] == ["values"]


def test_a_fresh_amplifier_is_for_the_last_token(made: Amplifier) -> None:
    plain = Amplifier(made.neurons, 2.0, Gate(0.5))
    assert (plain.position, plain.model_name, plain.revision) == ("last", "", None)
    how = plain.amplification
    assert how.columns == tuple(made.neurons.columns.tolist())
    assert (how.layer, how.multiplier, how.position) == (2, 2.0, "last")
    assert how.model == made.neurons.model


def test_a_place_that_cannot_be_written_is_refused(made: Amplifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(OutputError):
        made.save(tmp_path / "file" / "a.json")
    with pytest.raises(OutputError) as caught:
        made.save(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "--overwrite" in str(caught.value)
