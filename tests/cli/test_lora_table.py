from __future__ import annotations

import pytest

from superneurons.cli.lora_table import print_rival
from superneurons.evaluate.comparison import Comparison, Lead, Row
from superneurons.evaluate.lora import LORA, LoraRival
from superneurons.evaluate.metrics import score
from superneurons.evaluate.paired import PairedDifference
from superneurons.evaluate.spent import Spent
from superneurons.shortcut.timing import Timing

TRUTH = ["no", "yes"] * 10


def rival(rounds: int, step: int) -> LoraRival:
    good = score(TRUTH, TRUTH, classes=["no", "yes"])
    poor = score(TRUTH, ["no"] * 20, classes=["no", "yes"])
    lead = Lead(PairedDifference(0.5, (0.25, 0.75), 0.01), 0.02)
    rows = (
        Row("base model, first token", poor, 30, timing=Timing(81.25, 80, 82, 5), lead=lead),
        Row("Super Neurons, improved", good, 4, 64, Timing(12.34, 12, 13, 5)),
        Row(LORA[False], good, 30, lead=Lead(PairedDifference(-0.01, (-0.1, 0.0), 0.5), 1.0)),
    )
    setting = {
        "test_records": 20, "model": "tiny", "layers": 30, "dtype": "float32", "device": "cpu",
        "threads": 1, "weight_bytes": 512 * 2**20, "timing": {"rounds": rounds},
    }  # fmt: skip
    spent = {"Super Neurons, improved": Spent(3.21, None), LORA[False]: Spent(45.6, 1234 * 2**20)}
    tuned = {
        "weights": 1_234_567, "trained_on": 40, "held_out": 10,
        "chosen": {"step": step, "rate": 3e-4},
    }  # fmt: skip
    return LoraRival(50, Comparison(rows, setting, {}), spent, tuned)


def test_each_row_has_its_scores_and_costs(capsys: pytest.CaptureFixture[str]) -> None:
    print_rival(rival(rounds=5, step=12))
    out = capsys.readouterr().out
    lines = {name: next(line for line in out.splitlines() if line.strip().startswith(name))
             for name in ("base model", "Super Neurons", "LoRA, first")}  # fmt: skip
    assert lines["base model"].split("token")[1].split()[:1] == ["50.0"]
    assert "+50.0 (+25 to +75)" in lines["base model"]
    assert lines["base model"].split()[-1] == "81.2"
    assert lines["Super Neurons"].split()[-4:] == ["3.2", "–", "4", "12.3"]
    assert lines["LoRA, first"].split()[-4:] == ["45.6", "1,234", "30", "–"]
    assert "-1.0 (-10 to +0)" in lines["LoRA, first"]
    said = " ".join(out.split())
    assert "improved (64 neurons) are ahead" in said
    assert "1,234,567 weights, trained on 40 records; 10 held out chose step 12" in said
    assert "(weights: 512 MiB)" in said
    assert "medians of 5 rounds" in said


def test_training_that_brought_nothing_and_no_times_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rival(rival(rounds=0, step=0))
    said = " ".join(capsys.readouterr().out.split())
    assert "chose the model as it was" in said
    assert "rounds" not in said
