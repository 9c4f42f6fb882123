from __future__ import annotations

import json
from dataclasses import replace
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


def test_the_manifest_is_whole_and_says_which_rows(tmp_path: Path) -> None:
    Outputs.adopt(tmp_path / "a" / "b", BLOCKS, SETTINGS)
    (path,) = (tmp_path / "a" / "b").iterdir()
    text = path.read_text()
    assert text.endswith("}\n")
    found = json.loads(text)
    assert found["version"] == 1
    assert found["blocks"] == [
        {
            "output": f"block-0000{n}.parquet", "input": "/data/x.jsonl", "start": 10 * n,
            "stop": 10 * n + 10, "digest": f"d{n}",
        }
        for n in range(3)
    ]  # fmt: skip


def test_the_same_data_and_settings_go_on_without_a_change(tmp_path: Path) -> None:
    settings = SETTINGS | {"sizes": (1, 2), "question": None}
    first = Outputs.adopt(tmp_path, BLOCKS, settings)
    before = (tmp_path / "manifest.json").stat()
    again = Outputs.adopt(tmp_path, tuple(BLOCKS), settings)
    assert again == first
    assert again.blocks == tuple(BLOCKS)
    after = (tmp_path / "manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_all_that_differs_is_said_at_once_with_what_it_was(tmp_path: Path) -> None:
    Outputs.adopt(tmp_path, BLOCKS, SETTINGS | {"question": "Old?"})
    changed = [BLOCKS[0], replace(BLOCKS[1], stop=19), replace(BLOCKS[2], digest="e"), BLOCKS[0]]
    with pytest.raises(MismatchError) as caught:
        Outputs.adopt(tmp_path, changed, {"classifier": "xyz", "batch_size": 8, "seed": 1})
    problems = [(problem.where, problem.what) for problem in caught.value.problems]
    assert problems == [
        ("settings.classifier", "is 'abc', now 'xyz'"),
        ("settings.question", "is 'Old?', now None"),
        ("settings.seed", "is None, now 1"),
        ("blocks", "were 3, now 4"),
        ("blocks: block-00001.parquet", "'/data/x.jsonl' has changed"),
        ("blocks: block-00002.parquet", "'/data/x.jsonl' has changed"),
    ]


def test_answers_that_are_there_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    write_answers(path, ["a", "b"], [YES, YES])
    write_answers(path, ["c"], [replace(YES, label="no")])
    assert [(r["id"], r["label"]) for r in pq.read_table(path).to_pylist()] == [("c", "no")]
    assert [p.name for p in tmp_path.iterdir()] == ["b.parquet"]


def test_each_answer_needs_its_id(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_answers(tmp_path / "b.parquet", ["a", "b"], [YES])
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_answers(tmp_path / "file" / "b.parquet", ["a"], [YES])


def test_columns_have_the_types_that_are_promised(tmp_path: Path) -> None:
    write_answers(tmp_path / "b.parquet", [], [])
    found = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "b.parquet")}
    assert found.pop("probabilities").startswith("map<string, double")
    assert found == {
        "id": "string", "label": "string", "confidence": "double", "exit_layer": "int32",
        "latency_ms": "double", "error": "string",
    }  # fmt: skip


def test_a_cascade_is_known_by_all_its_files_and_their_places(tmp_path: Path) -> None:
    def saved(name: str, files: dict[str, str]) -> str:
        for place, content in files.items():
            (tmp_path / name / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / place).write_text(content)
        return digest_of(tmp_path / name)

    files = {"config.json": "{}", "exit-1/config.json": "a", "exit-1/x.safetensors": "w"}
    whole = saved("one", files)
    assert len(whole) == 64
    assert saved("elsewhere", dict(reversed(files.items()))) == whole
    assert saved("run", files | {"exit-1/run.json": "how", "exit-1/notes.txt": "n"}) == whole
    moved = {"config.json": "{}", "exit-2/config.json": "a", "exit-2/x.safetensors": "w"}
    swapped = {"config.json": "a", "exit-1/config.json": "{}", "exit-1/x.safetensors": "w"}
    others = [saved("moved", moved), saved("swapped", swapped)]
    others += [saved(f"less {n}", {k: v for k, v in files.items() if k != n}) for n in files]
    assert len({whole, *others}) == 6
