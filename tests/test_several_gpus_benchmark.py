"""The benchmark of several GPUs, on a CPU that counts as two, with actors in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import several_gpus

from superneurons.errors import ResourceError
from superneurons.scale import answering, probe_engines
from superneurons.scale.ray_data import Actors
from superneurons.vlm.opening import open_vlm
from test_truncated_loading import tiny

ARGUMENTS = ["--layers", "2", "--records", "72", "--batch", "4", "--repeats", "2"]


def here(worker: Any, given: Any, items: Any, _: Any) -> Iterator[Any]:
    made = worker(*given)
    return (made(item) for item in items)


def run(path: Path, *more: str) -> dict[str, Any]:
    out = path.parent / "found.json"
    words = [str(path), "--devices", "cpu,cpu", "--out", str(out), *ARGUMENTS, *more]
    several_gpus.main(words, tiny)
    assert not path.exists()
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_all_kinds_of_actors_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        patch.object(probe_engines, "on_ray", here),
        patch.object(answering, "on_ray", here),
        patch.object(Actors, "device", lambda self, _: ",".join(["cpu"] * max(1, int(self.gpus)))),
    ):
        found = run(tmp_path / "model", "--ray")
    assert [line["who"] for line in found["actors"]] == list(several_gpus.kinds_of(2))
    for line in found["actors"]:
        assert line["same shards"] == line["shards"] == 3
        assert line["same answers"] == line["answers"] == 72
        assert line["errors"] == 0
    assert found["side by side"]["equal"]
    assert len(found["too large for one"]) == 2
    shown = capsys.readouterr().out
    assert "| an actor with 2 GPUs | 3 of 3 | 72 of 72 |" in shown
    assert "activations equal" in shown


def test_answers_and_activations_that_differ_are_counted(tmp_path: Path) -> None:
    first = [("a", "yes", {}, None), ("b", "no", {}, None)]
    stores = iter([{"shard-0": b"1", "shard-1": b"2"}, {"shard-0": b"1", "shard-1": b"X"}])
    answers = iter([first, [first[0], ("b", "yes", {}, None)]])
    with (
        patch.object(several_gpus, "probe"),
        patch.object(several_gpus, "answer_data"),
        patch.object(several_gpus, "shards_in", lambda _: next(stores)),
        patch.object(several_gpus, "answers_in", lambda _: next(answers)),
        patch.object(several_gpus, "table", lambda _, rows: str(rows)),
    ):
        lines = several_gpus.by_actors(tmp_path, [], "cpu", {"one": None, "two": Actors()}, 4)
    assert [(line["same shards"], line["same answers"]) for line in lines] == [(2, 2), (1, 1)]


def test_a_refusal_is_shown_as_it_was_said(tmp_path: Path) -> None:
    def opened(_: Path, devices: str) -> Any:
        raise ResourceError(f"too large for {devices}", mend="-")

    with patch.object(several_gpus, "opened", opened):
        found = several_gpus.too_large_for_one(tmp_path, ["cpu", "cpu"], 100)
    assert found == {"cpu": "too large for cpu", "cpu,cpu": "too large for cpu,cpu"}


def test_a_large_model_of_zeros_takes_no_room_and_runs_on_all_devices(tmp_path: Path) -> None:
    path, out, sizes = tmp_path / "model", tmp_path / "found.json", list[tuple[int, int]]()

    def opened(path: Path, devices: str) -> Any:
        files = [file.stat() for file in path.glob("*.safetensors")]
        sizes.append((sum(f.st_size for f in files), sum(f.st_blocks * 512 for f in files)))
        if "," not in devices:
            raise ResourceError("too large", mend="-")
        return open_vlm(str(path), device=devices, dtype="float16", verify=False)

    words = [str(path), "--devices", "cpu,cpu", "--out", str(out), "--batch", "2", "--large"]
    with patch.object(several_gpus, "opened", opened):
        several_gpus.main(words, large_shape=lambda _: tiny(3))
    found = json.loads(out.read_text())
    assert found["large"]["cpu"] == {"said": "too large"}
    both = found["large"]["cpu,cpu"]
    assert (both["said"], both["layers"]) == ("opened", 3)
    assert sum(both["held bytes"].values()) == found["checkpoint bytes"]
    (size, taken), _ = sizes
    assert found["checkpoint bytes"] < size
    assert taken < size / 2
    assert not path.exists()


def test_the_large_shape_is_larger_than_any_gpu_of_141_gb() -> None:
    config = several_gpus.of_70b(90)
    text = config.text_config
    layer = 2 * text.hidden_size * (text.hidden_size + 1024) + 3 * text.hidden_size * 28672
    assert 2 * 90 * layer > 150e9
    assert text.num_hidden_layers == 90


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is there already"):
        several_gpus.main([str(tmp_path)])
    assert tmp_path.exists()
