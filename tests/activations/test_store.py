from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations import store
from superneurons.activations.capture import Captured, capture, captures
from superneurons.activations.site import Site
from superneurons.activations.store import (
    Plan,
    adopt_plan,
    capture_shards,
    capture_to_store,
    plan_of,
    read_shard,
    write_atomically,
)
from superneurons.errors import DataError, MismatchError, OutputError
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def forty() -> list[Record]:
    return bright_records(40, seed=3)


def test_it_gives_what_a_capture_gives(llava: VLM, forty: list[Record], tmp_path: Path) -> None:
    words = label_words(llava.processor, ["no", "yes"])
    stored = capture_to_store(llava, forty, tmp_path / "a", batch_size=2, words=words)
    direct = capture(llava, forty, batch_size=2, words=words)
    assert np.array_equal(stored.activations, direct.activations)
    assert stored.label_logits is not None
    assert direct.label_logits is not None
    assert np.array_equal(stored.label_logits, direct.label_logits)
    assert len(list((tmp_path / "a").glob("shard-*.safetensors"))) == 3  # 16 + 16 + 8


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_capture_goes_on_with_what_is_missing(
    llava: VLM, forty: list[Record], tmp_path: Path, after: int
) -> None:
    whole = capture_to_store(llava, forty, tmp_path / "whole", batch_size=2)
    computed: list[Captured] = []

    def counted(*args: Any, dies: bool, **options: Any) -> Generator[Captured, None, None]:
        for batch in captures(*args, **options):
            if dies and len(computed) == after * 8 + 3:
                raise Killed
            computed.append(batch)
            yield batch

    with patch.object(store, "captures", partial(counted, dies=True)), pytest.raises(Killed):
        capture_to_store(llava, forty, tmp_path / "cut", batch_size=2)
    assert len(list((tmp_path / "cut").glob("shard-*"))) == after
    computed.clear()
    with patch.object(store, "captures", partial(counted, dies=False)):
        again = capture_to_store(llava, forty, tmp_path / "cut", batch_size=2)
    assert len(computed) == 20 - after * 8
    assert np.array_equal(again.activations, whole.activations)
    for shard in sorted((tmp_path / "whole").iterdir()):
        assert (tmp_path / "cut" / shard.name).read_bytes() == shard.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "noise", "half written"])
def test_a_damaged_shard_is_computed_again(
    llava: VLM, forty: list[Record], tmp_path: Path, damage: str
) -> None:
    whole = capture_to_store(llava, forty, tmp_path, batch_size=2)
    shard = tmp_path / "shard-00001.safetensors"
    content = shard.read_bytes()
    if damage == "half written":
        shard.rename(shard.with_name(shard.name + ".partial"))
    else:
        shard.write_bytes(content[:-9] if damage == "cut" else b"\0" * 50)
    again = capture_to_store(llava, forty, tmp_path, batch_size=2)
    assert np.array_equal(again.activations, whole.activations)
    assert shard.read_bytes() == content


def test_activations_of_something_else_are_refused(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    capture_to_store(llava, forty[:4], tmp_path, batch_size=2)
    others = [replace(forty[0], question="Is it dark?"), *forty[1:4]]
    with pytest.raises(MismatchError, match="something else") as caught:
        capture_to_store(llava, others, tmp_path, batch_size=2)
    assert [problem.where for problem in caught.value.problems] == ["plan.json: records"]
    with pytest.raises(MismatchError, match=r"plan\.json: prompt"):
        capture_to_store(llava, forty[:4], tmp_path, batch_size=2, prompt=Prompt("question-first"))
    template = Prompt(template="{pictures}{question}")
    with pytest.raises(MismatchError, match=r"plan\.json: prompt"):
        capture_to_store(llava, forty[:4], tmp_path, batch_size=2, prompt=template)
    with pytest.raises(MismatchError, match=r"plan\.json: shapes"):
        capture_to_store(llava.truncated(1), forty[:4], tmp_path, batch_size=2)


def test_another_resolution_is_something_else(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    capture_to_store(llava, forty[:4], tmp_path, batch_size=2)
    with pytest.raises(MismatchError) as caught:
        capture_to_store(llava.at_resolution(16), forty[:4], tmp_path, batch_size=2)
    places = [problem.where for problem in caught.value.problems]
    assert "plan.json: pictures.size.height" in places
    assert all(place.endswith(("height", "width")) for place in places)


def test_sites_over_the_pictures_and_in_the_tower_come_back(
    vlm: VLM, forty: list[Record], tmp_path: Path
) -> None:
    sites = [Site("vision"), Site("mlp", "image_mean"), Site("residual", "image_max")]
    whole = capture_to_store(vlm, forty[:6], tmp_path, sites=sites, batch_size=2)
    again = capture_to_store(vlm, forty[:6], tmp_path, sites=sites, batch_size=2)
    assert list(again.states) == sites
    for site in sites:
        assert np.array_equal(again.at(site).flat, whole.at(site).flat)
        assert again.at(site).activations.shape == (6, *vlm.shape(site.kind))


def test_a_broken_plan_is_a_mismatch(llava: VLM, forty: list[Record], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(MismatchError):
        capture_to_store(llava, forty[:2], tmp_path)


def test_the_same_picture_by_path_is_read_once_for_the_digest(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    forty[0].images[0].save(path)  # type: ignore[union-attr]
    asked = [Record((path,), question) for question in ("Is it bright?", "Is it dark?")]
    capture_to_store(llava, asked, tmp_path / "store")
    before = json.loads((tmp_path / "store" / "plan.json").read_text())["records"]
    forty[1].images[0].save(path)  # type: ignore[union-attr]
    with pytest.raises(MismatchError):
        capture_to_store(llava, asked, tmp_path / "store")
    assert len(before) == 64


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write") as caught:
        write_atomically(tmp_path / "file" / "inside", b"")
    assert "can be written" in str(caught.value)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_the_same_questions_in_another_order_are_something_else(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    capture_to_store(llava, forty[:4], tmp_path, batch_size=2)
    for others in (forty[3::-1], forty[:3], [*forty[:3], forty[4]]):
        with pytest.raises(MismatchError, match=r"plan\.json: (records|n)"):
            capture_to_store(llava, others, tmp_path, batch_size=2)


def test_labels_and_names_may_change(llava: VLM, forty: list[Record], tmp_path: Path) -> None:
    first = capture_to_store(llava, forty[:4], tmp_path, batch_size=2)
    others = [replace(r, label="maybe", id=f"new {i}") for i, r in enumerate(forty[:4])]
    with patch.object(llava.model, "forward", side_effect=AssertionError):
        again = capture_to_store(llava, others, tmp_path, batch_size=2)
    assert np.array_equal(first.activations, again.activations)


@pytest.mark.parametrize("field", ["records", "n", "shapes", "batch_size", "model"])
def test_each_field_of_a_plan_counts(
    llava: VLM, forty: list[Record], tmp_path: Path, field: str
) -> None:
    capture_to_store(llava, forty[:2], tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**plan, field: "other"}))
    with pytest.raises(MismatchError) as caught:
        capture_to_store(llava, forty[:2], tmp_path)
    assert [problem.where for problem in caught.value.problems] == [f"plan.json: {field}"]


def test_two_pictures_are_not_one_after_the_other(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    one, two = forty[0].images[0], forty[1].images[0]
    capture_to_store(llava, [Record((one, two), "Same?")], tmp_path / "a")
    with pytest.raises(MismatchError):
        capture_to_store(llava, [Record((two, one), "Same?")], tmp_path / "a")


def test_progress_counts_what_was_there_too(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    for _ in range(2):
        told: list[tuple[int, int]] = []
        capture_to_store(
            llava.truncated(1), forty, tmp_path, batch_size=2,
            progress=lambda done, total, told=told: told.append((done, total)),
        )  # fmt: skip
        assert told == [(16, 40), (32, 40), (40, 40)]


def test_several_sites_are_kept_and_resumed(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    sites = [Site("heads"), Site("vision"), Site(position="first_generated")]
    direct = capture(llava, forty[:20], sites=sites, batch_size=2)
    first = capture_to_store(llava, forty[:20], tmp_path, sites=sites, batch_size=2)
    (tmp_path / "shard-00001.safetensors").unlink()
    again = capture_to_store(llava, forty[:20], tmp_path, sites=sites, batch_size=2)
    for found in (first, again):
        assert list(found.states) == sites
        for site in sites:
            np.testing.assert_array_equal(found.states[site], direct.states[site])
        assert found.first_tokens is not None
        np.testing.assert_array_equal(found.first_tokens, direct.first_tokens)
    with pytest.raises(MismatchError, match=r"plan\.json: shapes"):
        capture_to_store(llava, forty[:20], tmp_path, sites=[Site("heads")], batch_size=2)


def test_a_record_that_fails_leaves_the_shards_before_it(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    plain = [replace(record, images=(tmp_path / f"{i}.png",)) for i, record in enumerate(forty)]
    for record, shown in zip(forty, plain, strict=True):
        record.images[0].save(shown.images[0])  # type: ignore[union-attr]
    good = (tmp_path / "17.png").read_bytes()
    with patch.object(store, "_digest", return_value="the same"):
        (tmp_path / "17.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match="not a picture"):
            capture_to_store(llava, plain, tmp_path / "store", batch_size=2)
        assert len(list((tmp_path / "store").glob("shard-*"))) == 1
        (tmp_path / "17.png").write_bytes(good)
        found = capture_to_store(llava, plain, tmp_path / "store", batch_size=2)
    assert np.array_equal(found.flat, capture(llava, forty, batch_size=2).flat)


@pytest.mark.parametrize(("n", "shards", "last"), [(1, 1, 1), (16, 1, 16), (17, 2, 1), (40, 3, 8)])
def test_shards_hold_each_record_once(n: int, shards: int, last: int) -> None:
    plan = Plan("", n, {}, 2, "", {}, "", ())
    assert list(plan.shards) == list(range(shards))
    held = [index for number in plan.shards for index in range(n)[plan.records_of(number)]]
    assert held == list(range(n))
    assert len(range(n)[plan.records_of(shards - 1)]) == last


def test_shards_captured_apart_are_those_of_one_capture(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    capture_to_store(llava, forty, tmp_path / "whole", batch_size=2)
    plan = plan_of(llava, forty, batch_size=2)
    (found,) = capture_shards(llava, forty, tmp_path / "part", plan, [2])
    assert len(found) == 8
    name = "shard-00002.safetensors"
    assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert read_shard(tmp_path / "part", 1, plan) is None


def test_shards_may_lie_in_folders_that_the_index_names(
    llava: VLM, forty: list[Record], tmp_path: Path
) -> None:
    plan, store_ = plan_of(llava, forty, batch_size=2), tmp_path / "store"
    adopt_plan(store_, plan)
    list(capture_shards(llava, forty, store_ / "a", plan, [0, 2]))
    list(capture_shards(llava, forty, store_ / "b", plan, [1]))
    (store_ / "index.json").write_text('{"shards": {"0": "a", "1": "b", "2": "a"}}')
    with patch.object(llava.model, "forward", side_effect=AssertionError):
        found = capture_to_store(llava, forty, store_, batch_size=2)
    assert np.array_equal(found.activations, capture(llava, forty, batch_size=2).activations)


@pytest.mark.parametrize(
    "index",
    ["", "{", "[]", '{"shards": 3}', '{"parts": {}}', '{"shards": {"0": "/tmp"}}',
     '{"shards": {"0": "../part"}}', '{"shards": {"1": "part"}}', '{"shards": {"0": "nowhere"}}'],
)  # fmt: skip
def test_an_index_that_names_no_folder_of_the_store_leaves_the_shard_missing(
    tmp_path: Path, index: str
) -> None:
    plan = Plan("", 2, {"mlp": [1, 3]}, 1, "", {}, "", ())
    shard = Captured({Site("mlp"): np.ones((2, 1, 3), np.float16)}, None, None)
    store._write(tmp_path / "part" / "shard-00000.safetensors", shard)
    directory = tmp_path / "store"
    directory.mkdir()
    (directory / "index.json").write_text(index)
    assert read_shard(directory, 0, plan) is None
    store._write(directory / "shard-00000.safetensors", shard)
    assert read_shard(directory, 0, plan) is not None, "what is in the store itself comes first"


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 1, 3), (2, 2, 3), (2, 1, 4), (2, 3)])
def test_a_shard_of_another_shape_is_damaged(tmp_path: Path, shape: tuple[int, ...]) -> None:
    plan = Plan("", 2, {"mlp": [1, 3]}, 1, "", {}, "", ())
    path = tmp_path / "shard-00000.safetensors"
    store._write(path, Captured({Site("mlp"): np.ones(shape, np.float16)}, None, None))
    assert read_shard(tmp_path, 0, plan) is None
    other = {Site("heads"): np.ones((2, 1, 3), np.float16)}
    store._write(path, Captured(other, None, None))
    assert read_shard(tmp_path, 0, plan) is None


def test_a_shard_keeps_all_that_was_captured(tmp_path: Path) -> None:
    plan = Plan("", 2, {"mlp": [2, 3], "heads@image_max": [2, 3]}, 1, "", {}, "", ("no", "yes"))
    values = np.arange(12, dtype=np.float16).reshape(2, 2, 3)
    states = {Site("mlp"): values, Site("heads", "image_max"): values[:, ::-1]}
    logits, tokens = np.eye(2, dtype=np.float32), np.array([5, 7])
    store._write(tmp_path / "shard-00000.safetensors", Captured(states, logits, tokens))
    found = read_shard(tmp_path, 0, plan)
    assert found is not None
    assert list(found.states) == list(states)
    for site, kept in states.items():
        np.testing.assert_array_equal(found.states[site], kept)
        assert found.states[site].dtype == np.float16
    np.testing.assert_array_equal(found.label_logits, logits)
    np.testing.assert_array_equal(found.first_tokens, tokens)


def test_a_write_that_is_interrupted_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    store.write_atomically(path, b"before")
    full = OSError(28, "No space left on device")
    with (
        patch.object(store.os, "fsync", side_effect=full),
        pytest.raises(OutputError, match="No space left on device") as caught,
    ):
        store.write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert caught.value.where == str(path.parent)
