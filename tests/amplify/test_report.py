from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from superneurons.amplify.effects import SideEffects
from superneurons.amplify.outcome import best_of_reported, gated, held_out
from superneurons.amplify.report import REPORT_FILE, SweepReport, sweep_report
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.table import Table
from superneurons.errors import ArtefactError, DataError
from tiny_sweeps import made_up

BASES = (-4.0, -2.5, -2.0, -1.0, 0.0)


def many() -> list[TaskSweep]:
    return [made_up(f"task {i}", base, seed=i) for i, base in enumerate(BASES)]


def effects(n: int) -> SideEffects:
    rng = np.random.default_rng(0)
    return SideEffects(rng.random((n, 2)), rng.random((n, 2)), rng.normal(size=(n, n)))


def table(report: SweepReport, title: str) -> Table:
    return next(one for one in report.tables if one.title == title)


def test_few_tasks_have_no_correlation_and_without_a_model_nothing_is_said_of_elsewhere() -> None:
    titles = [one.title for one in sweep_report(many()[:3]).tables]
    assert "Base probability against gain" not in titles
    assert "Side effects" not in titles
    whole = [one.title for one in sweep_report(many(), effects(5)).tables]
    assert whole[: len(titles)] == titles
    assert whole[len(titles) :] == ["Base probability against gain", "Side effects", "Interference"]


def test_held_out_rows_are_the_outcomes() -> None:
    rows = table(sweep_report(many()), "Held-out gain of the neurons found").rows
    for row, one in zip(rows, many(), strict=True):
        found = held_out(one)
        mean, ends = found.log_odds_gain
        assert row[:4] == (one.task.name, 5, 9, 3.0)
        assert row[4] == pytest.approx(found.base.probability.mean())
        assert row[5] == (mean, *ends)
        assert row[6:8] == (found.relative_gain, best_of_reported(one).relative_gain)
        assert row[8:] == (*found.accuracies, *found.ranks)


def test_controls_stand_beside_the_neurons_found() -> None:
    rows = table(sweep_report(many()), "The same choice with control neurons").rows
    own, mean, ahead, accuracy = rows[0], rows[-3], rows[-2], rows[-1]
    assert own[1:] == tuple(
        held_out(many()[0], kind).log_odds_gain[0] for kind in many()[0].grid.kinds
    )
    assert mean[1][0] == pytest.approx(1.0, abs=0.05)  # type: ignore[index]
    for lead in ahead[2:]:
        value, low, high = lead  # type: ignore[misc]
        assert 0.8 < low <= value <= high < 1.2
    assert accuracy[1][0] > accuracy[2][0]  # type: ignore[index]


def test_gates_are_those_of_the_choosing_half() -> None:
    rows = table(sweep_report(many()), "With a gate").rows
    for row, one in zip(rows, many(), strict=False):
        found = gated(one)
        assert row[1:3] == (found.threshold, found.opened.mean())
        assert row[3:5] == (held_out(one).log_odds_gain[0], found.log_odds_gain[0])
    assert rows[-1][4] == pytest.approx(np.mean([row[4] for row in rows[:-1]]))


def test_zones_hold_every_reported_prompt_once_per_kind_of_neurons() -> None:
    rows = table(sweep_report(many()), "The publication's zones").rows
    for kind in ("found", "loud", "random 1"):
        mine = [row for row in rows if row[0] == kind]
        assert sum(row[2] for row in mine) == sum(len(one.reporting) for one in many())  # type: ignore[misc]
        assert len({row[1] for row in mine}) == len(mine)
    found = {row[1]: row for row in rows if row[0] == "found"}
    # The same log-odds gain everywhere: only the relative one falls.
    assert found["< 0.07"][3] > 2 * found["> 0.10"][3]  # type: ignore[operator]
    assert found["< 0.07"][5][0] == pytest.approx(found["> 0.10"][5][0], abs=0.1)  # type: ignore[index]


def test_the_layer_that_matters_stands_out() -> None:
    rows = table(sweep_report(many()), "By layer").rows
    assert [row[0] for row in rows] == [2, 5, 7]
    assert rows[1][1] == pytest.approx(1.0, abs=0.05)
    assert all(abs(rows[i][1]) < 0.1 for i in (0, 2))  # type: ignore[arg-type]
    assert [row[-1] for row in rows] == [0, 5, 0]


def test_side_effects_are_those_given() -> None:
    given = effects(5)
    made = sweep_report(many(), given)
    assert table(made, "Side effects").rows[2][1:] == (*given.divergence[2], *given.changed[2])
    assert table(made, "Interference").rows[1][1:] == tuple(given.interference[1])


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    made = sweep_report(many(), effects(5), model="tiny")
    made.save(tmp_path)
    assert SweepReport.load(tmp_path) == made
    assert made.setting["model"] == "tiny"
    assert made.setting["prompts"] == 60
    text = made.markdown()
    assert all(f"### {one.title}" in text for one in made.tables)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "setting": {}, "tables": 3}',
     '{"format": 1, "setting": {}, "tables": [{}]}', '{"format": 1, "setting": {}, "tables": [3]}'],
)  # fmt: skip
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / REPORT_FILE).write_text(content)
    with pytest.raises(ArtefactError, match=r"report|table"):
        SweepReport.load(tmp_path)


def test_there_has_to_be_something_to_report(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no report to read"):
        SweepReport.load(tmp_path)
    with pytest.raises(DataError, match="nothing to report"):
        sweep_report([])


def test_all_of_it_is_plain_json() -> None:
    made = sweep_report(many(), effects(5))
    assert json.loads(json.dumps(made.as_dict(), allow_nan=False))["format"] == 1
