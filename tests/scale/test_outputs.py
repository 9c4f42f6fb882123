from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from superneurons.errors import DataError, MismatchError, OutputError, Problem
from superneurons.scale.blocks import Block
from superneurons.scale.outputs import Outputs, digest_of, write_answers
from superneurons.shortcut.prediction import Prediction

BLOCKS = [Block("lines", Path("/data/x.jsonl"), 10 * n, 10 * n + 10, f"d{n}") for n in range(3)]
SETTINGS = {"classifier": "abc", "batch_size": 8}
YES = Prediction("yes", {"no": 0.25 - 1e-9, "yes": 0.75 + 1e-9}, 0.75 + 1e-9, 2, 1.5, "a")


def test_the_manifest_says_which_block_is_in_which_file(tmp_path: Path) -> None:
    outputs = Outputs.adopt(tmp_path / "out", BLOCKS, SETTINGS)
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert found["settings"] == SETTINGS
    assert [block["output"] for block in found["blocks"]] == [
        outputs.path(n).name for n in range(3)
    ]
    assert found["blocks"][1]["digest"] == "d1"


def test_what_is_done_is_not_missing(tmp_path: Path) -> None:
    outputs = Outputs.adopt(tmp_path, BLOCKS, SETTINGS)
    assert outputs.missing() == [0, 1, 2]
    write_answers(outputs.path(1), ["a"], [YES])
    write_answers(outputs.path(2), ["a"], [YES])
    outputs.path(2).write_bytes(outputs.path(2).read_bytes()[:50])  # cut by a full disk
    assert Outputs.adopt(tmp_path, BLOCKS, SETTINGS).missing() == [0, 2]


@pytest.mark.parametrize(
    ("blocks", "settings", "said"),
    [
        (BLOCKS, SETTINGS | {"classifier": "xyz"}, "settings.classifier"),
        (BLOCKS, {"classifier": "abc"}, "settings.batch_size"),
        (BLOCKS[:2], SETTINGS, "blocks: were 3, now 2"),
        ([*BLOCKS[:2], BLOCKS[0]], SETTINGS, "block-00002.parquet"),
    ],
)
def test_answers_to_something_else_are_left_alone(
    tmp_path: Path, blocks: list[Block], settings: dict[str, object], said: str
) -> None:
    Outputs.adopt(tmp_path, BLOCKS, SETTINGS)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(MismatchError, match=said):
        Outputs.adopt(tmp_path, blocks, settings)
    assert (tmp_path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"settings": {}}', '{"settings": 1, "blocks": 2}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(OutputError, match="manifest cannot be read"):
        Outputs.adopt(tmp_path, BLOCKS, SETTINGS)


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(OutputError, match="something other"):
        Outputs.adopt(tmp_path, BLOCKS, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_manifest_that_was_not_finished_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "manifest.json.partial").write_text("{")
    assert Outputs.adopt(tmp_path, BLOCKS, SETTINGS).missing() == [0, 1, 2]


def test_answers_and_errors_side_by_side(tmp_path: Path) -> None:
    wrong = DataError("No such picture.", problems=[Problem("x:2", "gone")])
    write_answers(tmp_path / "b.parquet", ["a", "x:2"], [YES, wrong])
    right, bad = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert right == {
        "id": "a", "label": "yes", "probabilities": [("no", 0.25 - 1e-9), ("yes", 0.75 + 1e-9)],
        "confidence": 0.75 + 1e-9, "exit_layer": 2, "latency_ms": 1.5, "error": None,
    }  # fmt: skip
    assert bad["id"] == "x:2"
    assert "gone" in bad["error"]
    assert [bad[name] for name in ("label", "probabilities", "confidence", "exit_layer")] == [
        None
    ] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["b.parquet"]


def test_files_of_any_block_have_one_schema(tmp_path: Path) -> None:
    wrong = DataError("No.")
    for name, answers in (("a", [YES]), ("b", [wrong]), ("c", [])):
        write_answers(tmp_path / f"{name}.parquet", ["x"] * len(answers), answers)
    schemas = {str(pq.read_schema(path)) for path in tmp_path.iterdir()}
    assert len(schemas) == 1


def test_a_classifier_is_known_by_what_it_learnt(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = digest_of(tmp_path)
    (tmp_path / "run.json").write_text("how it was fitted")
    (tmp_path / "README.md").write_text("a card")
    assert digest_of(tmp_path) == before
    (tmp_path / "read_out.safetensors").write_bytes(b"weights")
    assert digest_of(tmp_path) != before
