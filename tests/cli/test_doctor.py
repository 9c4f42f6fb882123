from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from superneurons.demo.cache import CACHE_ENV
from superneurons.vlm import exit_report, opening, verify
from superneurons.vlm.checks.check import MEANINGS
from superneurons.vlm.family import families
from superneurons.vlm.memory import weights_of
from superneurons.vlm.verify import Check, Findings

Runner = Callable[..., Any]


def test_it_says_what_a_model_is_and_that_it_can_be_read(run: Runner, model_path: Path) -> None:
    done = run("doctor", "--model", model_path, "--json")
    assert done.code == 0, done.err
    assert done.json["layers"] == 4
    assert done.json["neurons"] == 128
    assert "{question}" in done.json["prompt"]
    assert all(check["passed"] for check in done.json["checks"])
    memory = done.json["memory_MB_up_to_layer"]
    assert memory["1"] < memory["4"] <= done.json["memory_MB_whole"]
    held = weights_of(opening.open_vlm(str(model_path), device="cpu", depth=1).model)
    assert memory["1"] == round(held / 1e6, 1)


def test_it_says_what_yes_and_no_begin_with(run: Runner, model_path: Path) -> None:
    found = run("doctor", "--model", model_path, "--json").json["label_words"]
    assert found == "yes: none whole, 3 by a first token; no: none whole, 3 by a first token"


def test_it_says_how_an_early_exit_would_run(run: Runner, model_path: Path) -> None:
    found = run("doctor", "--model", model_path, "--device", "cpu", "--json").json
    assert found["early_exit"] == "lean"
    assert "graphs need a CUDA device" in found["not_faster"]
    few = "llava" in model_path.name
    assert found["tower_layers"] == ("1 of 2 run" if few else "3 of 3 run")
    (lean,) = (check for check in found["checks"] if check["name"] == "lean")
    assert lean["detail"].startswith("relative ")
    assert lean["detail"].endswith("of 1, 2, 4)")
    assert "memory_MB_free" not in found
    off = run("doctor", "-m", model_path, "--acceleration", "off", "--json").json
    assert (off["early_exit"], off["not_faster"].split(";")[0]) == ("off", "it was turned off")


def test_of_a_family_without_a_lean_pass_it_says_so(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = replace(families()["llava"][-1], lean_tower=None)
    monkeypatch.setattr(opening, "described_or_found", lambda _: family)
    done = run("doctor", "--model", llava_path)
    assert done.code == 0, done.err
    lines = dict(line.split(maxsplit=2)[::2] for line in done.out.splitlines() if "early" in line)
    assert lines == {"early": "off"}
    assert (
        "no lean pass is written for the family LLaVA-1.5; the layer read runs as a whole"
        in done.out
    )
    reason = "no lean pass is written for the family LLaVA-1.5"
    assert f"not checked      lean ({reason})" in done.out


def test_what_is_free_on_a_gpu_is_said(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exit_report, "free_on", lambda _: 12_340_000_000)
    assert "memory free (MB) 12340.0" in run("doctor", "--model", llava_path).out


def test_a_failed_check_is_an_error(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Findings((Check("cut-off", False, "relative 1.0e+00"),), {})
    monkeypatch.setattr(verify, "examine", lambda _: found)
    done = run("doctor", "--model", llava_path)
    assert done.code == 2
    assert "FAILED           cut-off (relative 1.0e+00)" in done.out
    assert MEANINGS["cut-off"].mend in done.out
    assert "early exit       lean" in done.out


def test_a_model_that_does_not_run_is_one_too(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = replace(families()["llava"][-1], norm_name="nonsense")
    monkeypatch.setattr(opening, "described_or_found", lambda _: family)
    done = run("doctor", "--model", llava_path, "--json")
    assert done.code == 2
    assert done.json["early_exit"] == "none: the model doesn't run as described"
    assert [check["name"] for check in done.json["checks"]] == ["run"]
    assert "cut-off" in done.json["left_out"]


def test_it_says_whether_the_model_was_verified_before(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))
    first, second = (run("doctor", "-m", llava_path, "--json").json for _ in "ab")
    assert (first["verified_before"], second["verified_before"]) == ("no", "yes")


def test_each_fact_takes_one_line(run: Runner, llava_path: Path) -> None:
    lines = run("doctor", "--model", llava_path).out.splitlines()
    memory = next(line for line in lines if line.startswith("memory of exits"))
    assert " MB up to layer 1, " in memory
    prompt = next(line for line in lines if line.startswith("prompt"))
    assert "{question}" in prompt


def test_a_model_without_a_chat_template_is_told_what_to_give(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(llava_path, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    config = tmp_path / "bare" / "tokenizer_config.json"
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "chat_template"}
    config.write_text(json.dumps(kept))
    done = run("doctor", "--model", tmp_path / "bare")
    assert "no chat template. Give a template" in done.out
    assert "Traceback" not in done.err
