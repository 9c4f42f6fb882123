from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pretended import pretending
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.exit_report import exit_report
from superneurons.vlm.memory import held_up_to
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.spread import spread


def test_it_says_what_runs_and_what_that_holds(vlm: VLM) -> None:
    found = exit_report(vlm)
    assert found.path == "lean"
    assert "graphs need a CUDA device" in found.reason
    read = {"LLaVA-1.5": (1, 2), "Qwen3-VL": (3, 3)}[vlm.family.name]
    assert (found.tower_layers, found.tower_layers_in_all) == read
    assert found.held == {layer: held_up_to(vlm, layer) for layer in (1, 2, 4)}
    assert found.free is None


def test_what_was_asked_for_is_what_it_says(vlm: VLM) -> None:
    assert exit_report(vlm, "off").reason == "it was turned off"
    assert exit_report(vlm, "lean").reason == "nothing faster was asked for"
    unknown = replace(
        vlm, family=replace(vlm.family, lean_tower=None), model=vlm.truncated(4).model
    )
    assert exit_report(unknown).path == "off"


def test_it_says_what_ran_and_not_what_was_planned(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: Any) -> None:
        raise NotImplementedError("no such operation")

    monkeypatch.setattr(EarlyExit, "_neurons", lacking)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = exit_report(vlm)
    assert found.path == "off"
    assert "no such operation" in found.reason


@pytest.mark.parametrize(("each", "found"), [((30, 12), 42), ((30, None), None)])
def test_what_is_free_is_counted_over_all_devices(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch, each: tuple[int, int | None], found: Any
) -> None:
    with pretending() as devices:
        vlm = open_vlm(str(llava_path), device="cpu", verify=False)
        spread(vlm.model, vlm.family, devices, vlm.name)
        known = dict(zip(devices, each, strict=True))
        monkeypatch.setattr("superneurons.vlm.exit_report.free_on", known.__getitem__)
        report = exit_report(vlm)
    assert report.free == found
    assert (report.path, report.reason) == ("off", "the model is spread over several devices")
