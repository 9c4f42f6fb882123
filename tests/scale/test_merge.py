from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations.store import (
    Plan,
    adopt_plan,
    capture_shards,
    capture_to_store,
    plan_of,
)
from superneurons.errors import MismatchError, OutputError
from superneurons.scale.merge import located, merge, part_of
from superneurons.vlm.model import VLM

RECORDS = bright_records(40, seed=3)


def parts(llava: VLM, store: Path, shares: list[list[int]]) -> Plan:
    plan = plan_of(llava, RECORDS, batch_size=2)
    for rank, numbers in enumerate(shares):
        adopt_plan(part_of(store, rank), plan)
        list(capture_shards(llava, RECORDS, part_of(store, rank), plan, numbers))
    return plan


def test_parts_are_read_as_one_store(llava: VLM, tmp_path: Path) -> None:
    whole = capture_to_store(llava, RECORDS, tmp_path / "whole", batch_size=2)
    plan = parts(llava, tmp_path / "store", [[0, 2], [1]])
    merge(tmp_path / "store", plan)
    index = json.loads((tmp_path / "store" / "index.json").read_text())
    assert index["shards"] == {"0": "part-00000", "1": "part-00001", "2": "part-00000"}
    for _ in range(2):  # merged again, it is the same
        with patch.object(llava.model, "forward", side_effect=AssertionError):
            found = capture_to_store(llava, RECORDS, tmp_path / "store", batch_size=2)
        assert np.array_equal(found.activations, whole.activations)
        merge(tmp_path / "store", plan)
        assert json.loads((tmp_path / "store" / "index.json").read_text()) == index


def test_a_damaged_part_is_captured_again(llava: VLM, tmp_path: Path) -> None:
    plan = parts(llava, tmp_path, [[0, 2], [1]])
    merge(tmp_path, plan)
    before = capture_to_store(llava, RECORDS, tmp_path, batch_size=2)
    shard = tmp_path / "part-00001" / "shard-00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:99])
    with pytest.raises(OutputError, match="shard 1: in no part"):
        merge(tmp_path, plan)
    again = capture_to_store(llava, RECORDS, tmp_path, batch_size=2)
    assert np.array_equal(again.activations, before.activations)
    assert located(tmp_path, plan)[1] == tmp_path
    merge(tmp_path, plan)
    assert "1" not in json.loads((tmp_path / "index.json").read_text())["shards"]


def test_an_incomplete_store_is_not_called_complete(llava: VLM, tmp_path: Path) -> None:
    plan = parts(llava, tmp_path, [[0], [2]])
    with pytest.raises(OutputError, match="shard 1"):
        merge(tmp_path, plan)
    assert not (tmp_path / "index.json").exists()


def test_a_part_of_something_else_is_refused(llava: VLM, tmp_path: Path) -> None:
    plan = parts(llava, tmp_path, [[0, 1, 2]])
    other = plan_of(llava, RECORDS[:4], batch_size=2)
    adopt_plan(part_of(tmp_path, 1), other)
    with pytest.raises(MismatchError, match="part-00001"):
        merge(tmp_path, plan)


@pytest.mark.parametrize(
    "index", ["{", "[]", '{"shards": 1}', '{"shards": {"0": "../elsewhere"}}', '{"shards": {}}']
)
def test_an_index_that_leads_nowhere_costs_a_capture_only(
    llava: VLM, tmp_path: Path, index: str
) -> None:
    store = tmp_path / "store"
    whole = capture_to_store(llava, RECORDS[:4], store, batch_size=2)
    shutil.move(store / "shard-00000.safetensors", tmp_path / "elsewhere.safetensors")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(
        tmp_path / "elsewhere.safetensors", tmp_path / "elsewhere" / "shard-00000.safetensors"
    )
    (store / "index.json").write_text(index)
    again = capture_to_store(llava, RECORDS[:4], store, batch_size=2)
    assert np.array_equal(again.activations, whole.activations)
    assert (store / "shard-00000.safetensors").exists()
