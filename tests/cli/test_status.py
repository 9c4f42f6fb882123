from __future__ import annotations

import json
from dataclasses import replace

import pytest

from superneurons.cli.status import as_dicts, markdown, print_checks, status_row
from superneurons.vlm.checks.check import MEANINGS, Check
from superneurons.vlm.exit_report import exit_report
from superneurons.vlm.model import VLM
from superneurons.vlm.verify import Findings

SOUND = Findings((Check("run", True, "yes"), Check("layers", True, "4")), {})
BROKEN = Findings(
    (
        Check("run", True, "yes"),
        Check("site mlp", False, "no such part"),
        Check("lean", False, "1"),
    ),
    {"padding": "never on the left", "site heads": "has none"},
)


def test_what_failed_says_what_was_expected_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_checks(BROKEN)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok               run (yes)"
    assert lines[1] == "FAILED           site mlp (no such part)"
    assert lines[2].split(maxsplit=1) == ["expected:", MEANINGS["site mlp"].holds]
    assert lines[3].split(maxsplit=1) == ["mend:", MEANINGS["site mlp"].mend]
    assert lines[-2:] == [
        "not checked      padding (never on the left)",
        "not checked      site heads (has none)",
    ]


def test_only_what_failed_has_something_to_mend() -> None:
    sound, broken, _ = as_dicts(BROKEN.checks)
    assert sound == {"name": "run", "passed": True, "detail": "yes", "holds": MEANINGS["run"].holds}
    assert broken["mend"] == MEANINGS["site mlp"].mend
    assert json.loads(json.dumps([sound, broken])) == [sound, broken]


def test_a_row_says_what_the_model_is_and_how_it_runs(llava: VLM) -> None:
    row = status_row(llava, SOUND, exit_report(llava), name="a tiny one")
    assert (row["family"], row["model type"]) == ("LLaVA-1.5", "`llava`")
    assert (row["model"], row["layers × width"]) == ("a tiny one", "4 × 32")
    assert row["sites"] == "residual, mlp, heads, vision, projector"
    assert (row["early exit"], row["checks"]) == ("lean", "2 passed")
    assert row["dtype, device"] == "float32, cpu"
    assert "transformers" in row["versions"]


def test_a_row_names_what_failed_and_what_was_not_made(llava: VLM) -> None:
    lacking = replace(llava, family=replace(llava.family, lacks=("vision",)))
    row = status_row(lacking, BROKEN, None)
    assert row["model"] == llava.name
    assert row["sites"] == "residual, heads, projector"
    assert row["early exit"] == "none"
    assert row["checks"] == "1 passed; **failed:** site mlp, lean; not made: padding"
    assert status_row(llava, SOUND, exit_report(llava, "off"))["early exit"] == "plain"


def test_rows_make_a_table_and_bars_do_not_break_it() -> None:
    rows = [{"a": "1", "b": "x|y"}, {"a": "2", "b": "z"}]
    assert markdown(rows) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n| 2 | z |"
    assert markdown(rows[1:], head=False) == "| 2 | z |"
