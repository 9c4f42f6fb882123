from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from superneurons.cli.verify import thoroughly
from superneurons.demo.cache import CACHE_ENV
from superneurons.vlm import opening
from superneurons.vlm.checks.check import MEANINGS, ONLY_THOROUGH
from superneurons.vlm.family import families
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.verified import was_verified

Runner = Callable[..., Any]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))


def broken(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    family = replace(families()["llava"][-1], **fields)
    monkeypatch.setattr(opening, "described_or_found", lambda _: family)


def test_it_makes_every_check_and_prints_a_row(run: Runner, model_path: Path) -> None:
    done = run("verify", "--model", model_path, "--json")
    assert done.code == 0, done.err
    assert [check["name"] for check in done.json["checks"]] == list(MEANINGS)
    assert all(check["passed"] for check in done.json["checks"])
    assert done.json["left_out"] == {}
    assert done.json["row"]["checks"] == f"{len(MEANINGS)} passed"
    assert done.json["row"]["early exit"] == "lean"


def test_the_row_is_there_to_paste(run: Runner, llava_path: Path) -> None:
    done = run("verify", "--model", llava_path, "--device", "cpu")
    assert done.code == 0, done.err
    head, line, row = done.out.splitlines()[-3:]
    assert head.startswith("| family | model type | model |")
    assert set(line) == {"|", "-", " "}
    assert f"| LLaVA-1.5 | `llava` | {llava_path} | 4 × 32 |" in row
    assert f"ok               {ONLY_THOROUGH[-1]} (relative 0.0e+00 at layers 1, 2)" in done.out


def test_a_failed_check_is_an_error_with_what_to_do(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, mlp_output="mlp.nonsense")
    done = run("verify", "--model", llava_path)
    assert done.code == 2
    assert "FAILED           site mlp" in done.out
    assert MEANINGS["site mlp"].mend in done.out
    assert "**failed:** site mlp |" in done.out
    assert "ok               batches" in done.out


def test_a_model_that_does_not_run_still_has_a_row(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, norm_name="nonsense")
    done = run("verify", "--model", llava_path, "--json")
    assert done.code == 2
    assert [check["name"] for check in done.json["checks"]] == ["run"]
    assert set(ONLY_THOROUGH) < set(done.json["left_out"])
    assert done.json["row"]["early exit"] == "none"


def test_what_passed_is_remembered(llava_path: Path) -> None:
    assert not was_verified(open_vlm(str(llava_path), device="cpu"))
    vlm, findings = thoroughly(str(llava_path), device="cpu")
    assert findings.failed == ()
    assert was_verified(vlm)
    assert was_verified(open_vlm(str(llava_path), device="cpu"))


def test_the_options_of_opening_hold(llava_path: Path) -> None:
    vlm, findings = thoroughly(str(llava_path), "off", device="cpu", dtype="bfloat16")
    assert str(vlm.dtype) == "torch.bfloat16"
    assert findings.failed == ()
    (leaving,) = (check for check in findings.checks if check.name == "exit")
    assert leaving.detail.startswith("off: ")
