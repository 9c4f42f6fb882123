from __future__ import annotations

import pytest

from superneurons.cli.table import print_comparison
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Row
from superneurons.evaluate.metrics import score
from superneurons.evaluate.timing import Timing


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
    ours = next(line for line in said.splitlines() if line.strip().startswith("Super Neurons"))
    assert ours.split()[2] == "95.0"
    assert ours.split()[-5:] == ["2", "5", "40", "10.0", "5.0"]
    without = next(line for line in said.splitlines() if FIRST_TOKEN in line)
    assert "–" in without
    assert f"{FIRST_TOKEN}: labels start alike" in said
    assert "chance maximum: 61.0%" in said
    assert "90 prompt tokens" in said
