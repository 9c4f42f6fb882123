"""The goals are read off what was found, and a run that fails or hangs takes nothing down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import exit_cpu
import must_show
from must_show import GENERATE, PREFILL, Run


def row(side: str, ms: float, **more: Any) -> dict[str, Any]:
    return {"side": side, "ms": ms, GENERATE: 100 / ms, PREFILL: 80 / ms, **more}


def llava(rows: list[dict[str, Any]], agreement: list[dict[str, Any]] | None = None) -> Any:
    return {"options": {"shape": "7b"}, "times": rows, "agreement": agreement or []}


def test_the_best_way_is_held_against_the_goal() -> None:
    rows = [
        row("HF generate(1)", 100.0, batch=1),
        row("ours, graphs", 5.0, batch=1, ran="graphs", **{"/ HF tower": 1.2}),
        row("ours, compiled", 3.0, batch=1, ran="compiled", **{"/ HF tower": 1.4}),
        row("ours, fp8", 1.0, batch=1, ran="fp8"),
        row("ours, graphs", 8.0, batch=32, ran="graphs", **{"/ HF tower": 1.3}),
        row("at vision, layer 9, 168 pixels, graphs", 0.5, batch=1, ran="graphs"),
    ]
    lines = {line.what: line for line in must_show.of_llava(llava(rows))}
    exact = lines["LLaVA-1.5-7B, batch 1, HF generate(1) / ours, exact"]
    assert exact.value == "33.3× (ours, compiled: 3.00 ms)"
    assert exact.goal == "≥ 25×, aim 40×"
    assert exact.met is True
    eight_bit = lines["LLaVA-1.5-7B, batch 1, HF generate(1) / ours, with FP8"]
    assert (eight_bit.value[:6], eight_bit.met) == ("100.0×", None)
    large = lines["LLaVA-1.5-7B, batch 32, HF prefill / ours, exact"]
    assert (large.value[:5], large.met) == ("10.0×", False)
    tower = {
        batch: lines[f"LLaVA-1.5-7B, batch {batch}, ours, graphs / HF tower"] for batch in (1, 32)
    }
    assert [tower[batch].met for batch in (1, 32)] == [True, False]
    assert lines["LLaVA-1.5-7B, batch 1, ours, compiled / HF tower"].met is None
    chosen = lines["LLaVA-1.5-7B, batch 1, at vision, layer 9, 168 pixels, graphs"]
    assert chosen.value == "200.0× (0.50 ms)"


def test_a_way_that_did_not_run_meets_nothing() -> None:
    lines = list(must_show.of_llava(llava([row("HF generate(1)", 100.0, batch=1)])))
    assert [(line.value, line.met) for line in lines] == [("–", None)] * 2


@pytest.mark.parametrize(
    ("dtype", "agree", "met"),
    [("float32", 0.999, True), ("float32", 0.998, False), ("bfloat16", 0.9, None)],
)
def test_only_decisions_in_float32_have_to_agree(dtype: str, agree: float, met: Any) -> None:
    found = {"dtype": dtype, "agree": agree, "exit": 1, "words": "own", "ran": "lean"}
    (line,) = must_show.of_agreement(llava([], [{**found, "records": 1000}]))
    assert line.met is met
    assert line.value == f"{agree:.2%} of 1000"


def test_each_exit_of_qwen_has_a_goal_of_its_own() -> None:
    rows = [
        row("ours, graphs", ms, batch=batch, exit=depth, ran="graphs")
        for batch, depth, ms in ((1, 1, 5.0), (1, 8, 12.0), (16, 16, 40.0), (16, 2, 1.0))
    ]
    rows.append(row("HF generate(1)", 100.0, batch=1, exit=0))
    found = {"options": {"size": "4b"}, "times": rows}
    exact = [line for line in must_show.of_qwen(found) if line.what.endswith("exact")]
    assert [(line.goal, line.met) for line in exact] == [
        ("≥ 18×", True), ("≥ 10×", False), ("report", None), ("≥ 2.4×", True),
    ]  # fmt: skip
    found["options"]["size"] = "8b"
    assert {line.goal for line in must_show.of_qwen(found)} == {"report"}


def from_jpegs(**ways: float) -> list[dict[str, Any]]:
    """Our milliseconds by way; theirs take 60 and 45."""
    sides = [("HF, Pillow", 60.0, "–")]
    for way, ms in ways.items():
        ran, *prepared = way.split("_")
        sides.append((f"ours, {ran}, {' '.join(prepared)}", ms, ran))
    return [
        {"side": side, "ms": ms, "ran": ran, "x HF, Pillow": 60 / ms, "x HF, torchvision": 45 / ms}
        for side, ms, ran in sides
    ]


def test_a_jpeg_is_held_against_each_of_their_processors() -> None:
    times = from_jpegs(graphs_Pillow=3.5, fp8_on_the_device=2)
    agreement = [{"way": "on the device", "agree": 0.995, "records": 200}]
    lines = list(must_show.of_jpeg({"times": times, "agreement": agreement}))
    assert [line.met for line in lines if line.what.endswith("exact")] == [True, False]
    assert [line.goal for line in lines if line.what.endswith("FP8")] == ["report"] * 2
    assert not any("opt-in" in line.what or "by default" in line.what for line in lines)
    assert lines[-1].value == "99.5% of 200"


def test_a_jpeg_decoded_on_the_gpu_counts_and_is_said_to_be_opt_in() -> None:
    times = from_jpegs(
        graphs_on_the_device=5, compiled_on_the_device=4.5, compiled_decoded_there_too=2.5,
        fp8_decoded_there_too=2,
    )  # fmt: skip
    found = {line.what: line for line in must_show.of_jpeg({"times": times})}
    for theirs, met, ratio, usual in (
        ("HF, Pillow", True, "24.0×", "13.3×"), ("HF, torchvision", True, "18.0×", "10.0×"),
    ):  # fmt: skip
        what = f"JPEG to label, batch 1, {theirs} and generate(1) / ours"
        judged = found[f"{what}, exact, opt-in (JPEG decoded on the GPU)"]
        assert judged.value == f"{ratio} (ours, compiled, decoded there too: 2.50 ms)"
        assert (judged.goal, judged.met) == ("≥ 15×", met)
        by_default = found[f"{what}, exact, by default"]
        assert by_default.value == f"{usual} (ours, compiled, on the device: 4.50 ms)"
        assert (by_default.goal, by_default.met) == ("report", None)


def test_a_jpeg_decoded_on_the_gpu_for_nothing_is_not_judged() -> None:
    times = from_jpegs(graphs_on_the_device=2, graphs_decoded_there_too=3)
    lines = list(must_show.of_jpeg({"times": times}))
    assert [line.value for line in lines if line.what.endswith("exact")] == [
        "30.0× (ours, graphs, on the device: 2.00 ms)",
        "22.5× (ours, graphs, on the device: 2.00 ms)",
    ]
    assert not any("opt-in" in line.what for line in lines)


def test_probing_has_a_goal_in_seconds_and_one_in_prefills() -> None:
    found = {
        "options": {"samples": 3000}, "seconds for all": 70.0, "ratio for all": 1.2,
        "ratio in turn": 1.15,
    }  # fmt: skip
    assert [line.met for line in must_show.of_probing(found)] == [True, False]


def test_only_the_most_questions_are_reported() -> None:
    rows = [
        {"exit": 1, "batch": 8, "questions": n, "side": side, "ms per further question": ms,
         "x one question": ms + 1}
        for n, side, ms in ((5, "together", 0.5), (50, "together", 0.02), (50, "apart", 2.5))
    ]  # fmt: skip
    agreement = [{"exit": 1, "agree": 0.998, "pictures": 64}]
    options = {"model": None, "shape": "7b"}
    found = {"options": options, "times": rows, "agreement": agreement}
    lines = list(must_show.of_many(found))
    assert [line.value for line in lines] == [
        "0.020 ms per picture each; all 1.02× one question",
        "2.500 ms per picture each; all 3.50× one question",
        "99.80% of 64 pictures",
    ]
    assert lines[0].what == "LLaVA-1.5-7B, exit 1, batch 8, 2nd … 50th question, together"
    assert "embedded" in next(must_show.of_many({**found, "options": {"model": "demo"}})).what


def test_what_a_classifier_holds_and_reads_is_held_against_the_goal() -> None:
    sizes = {"held bytes": 1.3e9, "resident bytes": 1.4e9, "read bytes": 1.5e9, "device bytes": 1e9}
    lines = [{"way": "whole", **sizes}, {"way": "classifier, exit layer 1", **sizes}]
    for device, met in (("cpu", [True, True, False]), ("cuda", [True, True, False, True])):
        found = {"environment": {"device": device}, "checkpoint bytes": 14.1e9, "lines": lines}
        assert [line.met for line in must_show.of_loading(found)] == met


@pytest.mark.parametrize(
    ("task", "ratio", "lead", "met"),
    [
        ("dark", 5.1, 0.0, True), ("dark", 4.9, 0.1, False), ("dark", 9.0, -0.01, False),
        ("presence", 2.1, 0.0, True),
    ],
)  # fmt: skip
def test_a_speed_up_on_the_cpu_counts_only_without_loss(
    task: str, ratio: float, lead: float, met: bool
) -> None:
    rival = {"name": "calibrated logits", "lead": {"balanced_accuracy": {"difference": lead}}}
    one = {
        "task": task, "cells": [task, "vision, layer 3", "90 %", "80 %", "+10"],
        "ratios": {"prefill / exit": ratio}, "verification": {"rows": [rival]},
    }  # fmt: skip
    (line,) = must_show.of_cpu({"tasks": [one]})
    assert line.met is met


SCRIPT = """
import json, sys, time
out = sys.argv[-1].removeprefix("--out=")
found = {"benchmark": "probing_7b", "options": {"samples": 7}, "seconds for all": 1,
         "ratio for all": 1, "ratio in turn": 1}
json.dump(found, open(out, "w"))
print("said", sys.argv[1])
"""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(must_show, "HERE", tmp_path)
    for name, ending in (("good", ""), ("failing", "sys.exit(3)"), ("hanging", "time.sleep(60)")):
        (tmp_path / f"{name}.py").write_text(SCRIPT + ending)
    runs = {
        name: Run(f"{name}.py", ["--exact"], ["--small"], 0.5 if name == "hanging" else 60)
        for name in ("good", "failing", "hanging")
    }
    monkeypatch.setattr(must_show, "RUNS", runs)
    return tmp_path


def test_every_run_leaves_what_it_found(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = scripts / "found"
    names = ["good", "failing", "hanging"]
    must_show.main([f"--out={out}", "--runs", *names, "--patience=4", "--more", "good=--x 'a b'"])
    found = json.loads((out / "must_show.json").read_text())
    ended = {run["run"]: run["ended"] for run in found["runs"]}
    assert ended == {"good": "done", "failing": "failed (3)", "hanging": "cut short after 2 s"}
    assert [line["value"] for line in found["lines"]] == ["1.0 s", "1.00× (1.00× in turn)"] * 3
    text = capsys.readouterr().out
    assert "good.py --exact --x 'a b'" in text
    assert (out / "good.txt").read_text().strip() == "said --exact"
    must_show.main([f"--out={out}", "--runs"])  # the table alone
    assert "| probing 7 samples | ≤ 75 s | 1.0 s | yes |" in capsys.readouterr().out


def test_what_a_run_could_not_take_away_is_taken_away(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scripts / "heavy.py").write_text(
        "import os, sys, time\nos.makedirs(sys.argv[1])\nprint(sys.argv[2])\ntime.sleep(60)\n"
    )
    monkeypatch.setitem(must_show.RUNS, "heavy", Run("heavy.py", [], ["--small"], 2, scratch=True))
    out = scripts / "found"
    must_show.main([f"--out={out}", "--tiny", "--runs", "heavy"])
    assert (out / "heavy.txt").read_text().strip() == "--small"
    assert not (out / "heavy-checkpoint").exists()


def test_arguments_for_a_run_that_is_none_are_refused(
    scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        must_show.main([f"--out={scripts}", "--runs", "good", "--more", "god=--x"])
    assert "no run god" in capsys.readouterr().err


def test_every_run_has_a_script_and_a_reader() -> None:
    for run in must_show.RUNS.values():
        assert (must_show.HERE / run.script).exists()
        assert Path(run.script).stem in must_show.READERS
    assert set(must_show.ON_A_GPU) < set(must_show.RUNS)


def test_exits_on_a_cpu_walk_from_tasks_to_goals(
    llava_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cpu.json"
    numbers = ["--probe=24", "--test=16", "--repeats=2", "--threads=1", "--search-repeats=1"]
    exit_cpu.main(["dark", "--resolutions=16", *numbers, f"--model={llava_path}", f"--out={out}"])
    found = json.loads(out.read_text())
    (one,) = found["tasks"]
    times = {name: value["ms"] for name, value in one["times"].items()}
    assert one["ratios"]["prefill / exit"] == pytest.approx(
        times["prefill with label logits"] / times["exit"]
    )
    assert one["chosen"] in one["search"]["points"]
    assert {point["resolution"] for point in one["search"]["points"]} == {None, 16}
    rows = {line["name"]: line for line in one["verification"]["rows"]}
    ours, base = (rows[name]["scores"]["balanced_accuracy"]
                  for name in ("chosen shortcut", "calibrated logits"))  # fmt: skip
    (line,) = must_show.of_cpu(found)
    assert line.met is (one["ratios"]["prefill / exit"] >= 5 and ours >= base)
    text = capsys.readouterr().out
    assert f"| dark | {one['chosen']['kind']}" in text
    assert len(one["front"]) == sum(text.count(f"\n- {point}\n") for point in one["front"])
