from __future__ import annotations

import pytest

from superneurons.cli.table import print_comparison, print_contest
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Lead, Row
from superneurons.evaluate.metrics import score
from superneurons.evaluate.paired import PairedDifference
from superneurons.evaluate.recommendation import Recommendation
from superneurons.shortcut.timing import Timing


def test_figures_stand_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    truth = ["no", "yes"] * 10
    scores = score(truth, ["yes", *truth[1:]], classes=["no", "yes"])
    rows = (
        Row(GENERATE, scores, 30, timing=Timing(400, 0, 0, 3)),
        Row(FIRST_TOKEN, None, 30, timing=Timing(200, 0, 0, 3), note="labels start alike"),
        Row("Super Neurons", scores, 2, 5, Timing(40, 0, 0, 3)),
    )
    setting = {
        "model": "demo", "layers": 30, "dtype": "float32", "device": "cpu", "threads": 2,
        "prompt_tokens": 90, "test_records": 20, "timing": {"rounds": 3, "counted": "all of it"},
    }  # fmt: skip
    print_comparison(Comparison(rows, setting, {"chance_maximum": 0.61}))
    said = capsys.readouterr().out
    assert "Early exits" not in said
    for reason, end in (("", "graphs."), ("it is slow", "graphs (it is slow).")):
        told = setting | {"early_exits": {"path": "graphs", "reason": reason}}
        print_comparison(Comparison(rows, told, {}))
        caption = " ".join(capsys.readouterr().out.split())
        assert caption.endswith(f"(all of it). Early exits: {end}")
    ours = next(line for line in said.splitlines() if line.strip().startswith("Super Neurons"))
    assert ours.split()[2] == "95.0"
    assert ours.split()[-5:] == ["2", "5", "40", "10.0", "5.0"]
    without = next(line for line in said.splitlines() if FIRST_TOKEN in line)
    assert "–" in without
    assert f"{FIRST_TOKEN}: labels start alike" in said
    assert "chance maximum: 61.0%" in said
    assert "90 prompt tokens" in said


def test_a_contest_shows_chance_leads_and_the_recommendation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth = ["no", "yes"] * 10
    scores = score(truth, ["yes", *truth[1:]], classes=["no", "yes"])
    lead = Lead(PairedDifference(0.05, (-0.01, 0.12), 0.2), 0.3)
    rows = (
        Row("ours", scores, 2, 5, Timing(40, 0, 0, 3), best_neuron=0.71, null_maximum=0.66),
        Row(FIRST_TOKEN, None, 30, note="labels start alike"),
        Row("theirs", scores, 30, lead=lead, agreement=0.805),
    )
    setting = {
        "model": "demo", "layers": 30, "dtype": "float32", "device": "cpu", "threads": 2,
        "prompt_tokens": 90, "test_records": 20, "shuffles": 50,
        "timing": {"rounds": 3, "counted": "all of it"},
    }  # fmt: skip
    advice = Recommendation("Use ours: it reaches a lot.", "ours", {})
    print_contest(Comparison(rows, setting, {"random": 0.61}, advice))
    said = capsys.readouterr().out
    lines = {words[0]: words for line in said.splitlines() if (words := line.split())}
    assert lines["ours"][-6:] == ["5", "40", "71.0", "66.0", "–", "–"]
    assert lines["theirs"][-6:] == ["–", "80.5", "+5.0", "(-1", "to", "+12)"]
    assert f"{FIRST_TOKEN}: labels start alike" in said
    assert "random: 61.0%" in said
    assert "in 50 label shuffles" in said.replace("\n", " ")
    assert said.rstrip().endswith("Use ours: it reaches a lot.")
