from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.vlm.acceleration import (
    ACCELERATIONS,
    Acceleration,
    check_acceleration,
    way_to_run,
)

FAST: list[Acceleration] = ["graphs", "compiled", "fp8"]


@pytest.mark.parametrize("device", ["cpu", "mps", "xpu", "meta"])
@pytest.mark.parametrize("asked", ["auto", *FAST])
def test_where_there_are_no_graphs_the_lean_pass_runs(asked: Acceleration, device: str) -> None:
    path, reason = way_to_run(asked, torch.device(device))
    assert path == "lean"
    assert f"the model is on {device}" in reason


def test_on_a_cuda_device_what_was_asked_for_runs_and_graphs_by_default() -> None:
    device = torch.device("cuda", 1)
    assert way_to_run("auto", device) == ("graphs", "")
    for asked in FAST:
        assert way_to_run(asked, device) == (asked, "")
    assert way_to_run("lean", device) == ("lean", "nothing faster was asked for")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("asked", [a for a in ACCELERATIONS if a != "off"])
def test_without_a_lean_pass_nothing_but_the_plain_model_runs(
    asked: Acceleration, device: str
) -> None:
    assert way_to_run(asked, torch.device(device), "no pass") == ("off", "no pass")
    assert way_to_run("off", torch.device(device), "no pass") == ("off", "it was turned off")


def test_an_unknown_way_is_refused_with_those_there_are() -> None:
    for known in ACCELERATIONS:
        check_acceleration(known)
    with pytest.raises(ModelError, match="Unknown acceleration 'warp'") as caught:
        check_acceleration("warp")
    assert all(known in caught.value.mend for known in ACCELERATIONS)


def test_the_command_line_can_name_the_ways_without_loading_torch() -> None:
    code = "import sys, superneurons.vlm.acceleration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
