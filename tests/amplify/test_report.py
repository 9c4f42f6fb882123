from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from superneurons.amplify.effects import SideEffects
from superneurons.amplify.outcome import best_of_reported, gated, held_out
from superneurons.amplify.readings import Readings
from superneurons.amplify.report import REPORT_FILE, SweepReport, sweep_report
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.table import Table
from superneurons.errors import ArtefactError, DataError
from tiny_sweeps import made_up

BASES = (-4.0, -2.5, -2.0, -1.0, 0.0)
READ = ("log_odds", "rank", "confidence")


@cache
def many() -> list[TaskSweep]:
    return [made_up(f"task {i}", base, seed=i) for i, base in enumerate(BASES)]


def effects(n: int) -> SideEffects:
    rng = np.random.default_rng(0)
    return SideEffects(rng.random((n, 2)), rng.random((n, 2)), rng.normal(size=(n, n)))


@cache
def reported() -> SweepReport:
    return sweep_report(many(), effects(5), model="tiny")


def table(report: SweepReport, title: str) -> Table:
    return next(one for one in report.tables if one.title == title)


def test_few_tasks_have_no_correlation_and_without_a_model_nothing_is_said_of_elsewhere() -> None:
    titles = [one.title for one in sweep_report(many()[:3]).tables]
    assert "Base probability against gain" not in titles
    assert "Side effects" not in titles
    four = [one.title for one in sweep_report(many()[:4]).tables]
    assert four == [*titles, "Base probability against gain"]
    whole = [one.title for one in reported().tables]
    assert whole[: len(titles)] == titles
    assert whole[len(titles) :] == ["Base probability against gain", "Side effects", "Interference"]


def test_held_out_rows_are_the_outcomes() -> None:
    rows = table(reported(), "Held-out gain of the neurons found").rows
    for row, one in zip(rows, many(), strict=True):
        found = held_out(one)
        mean, ends = found.log_odds_gain
        assert row[:4] == (one.task.name, 5, 9, 3.0)
        assert row[4] == pytest.approx(found.base.probability.mean())
        assert row[5] == (mean, *ends)
        assert row[6:8] == (found.relative_gain, best_of_reported(one).relative_gain)
        assert row[8:] == (*found.accuracies, *found.ranks)


def test_controls_stand_beside_the_neurons_found() -> None:
    rows = table(reported(), "The same choice with control neurons").rows
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
    rows = table(reported(), "With a gate").rows
    for row, one in zip(rows, many(), strict=False):
        found = gated(one)
        assert row[1:3] == (found.threshold, found.opened.mean())
        assert row[3:5] == (held_out(one).log_odds_gain[0], found.log_odds_gain[0])
    assert rows[-1][4] == pytest.approx(np.mean([row[4] for row in rows[:-1]]))


def test_zones_hold_every_reported_prompt_once_per_kind_of_neurons() -> None:
    rows = table(reported(), "The publication's zones").rows
    for kind in ("found", "loud", "random 1"):
        mine = [row for row in rows if row[0] == kind]
        assert sum(row[2] for row in mine) == sum(len(one.reporting) for one in many())  # type: ignore[misc]
        assert len({row[1] for row in mine}) == len(mine)
    found = {row[1]: row for row in rows if row[0] == "found"}
    # The same log-odds gain everywhere: only the relative one falls.
    assert found["< 0.07"][3] > 2 * found["> 0.10"][3]  # type: ignore[operator]
    assert found["< 0.07"][5][0] == pytest.approx(found["> 0.10"][5][0], abs=0.1)  # type: ignore[index]


def test_the_layer_that_matters_stands_out() -> None:
    rows = table(reported(), "By layer").rows
    assert [row[0] for row in rows] == [2, 5, 7]
    assert rows[1][1] == pytest.approx(1.0, abs=0.05)
    assert all(abs(rows[i][1]) < 0.1 for i in (0, 2))  # type: ignore[arg-type]
    assert [row[-1] for row in rows] == [0, 5, 0]


def test_side_effects_are_those_given() -> None:
    given, made = effects(5), reported()
    assert table(made, "Side effects").rows[2][1:] == (*given.divergence[2], *given.changed[2])
    assert table(made, "Interference").rows[1][1:] == tuple(given.interference[1])


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    made = reported()
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
    made = reported()
    assert json.loads(json.dumps(made.as_dict(), allow_nan=False))["format"] == 1


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds.astype(float)))


def best_place(one: TaskSweep, kind: int) -> tuple[int, ...]:
    """Layer, count and multiplier of the largest gain on the choosing half, by a loop."""
    odds, rows = one.found.log_odds.astype(float), one.choosing
    gain = {
        place: (odds[place[0], kind, place[1], place[2], rows] - one.base.log_odds[rows]).mean()
        for place in np.ndindex(3, 2, 2)
    }
    return max(gain, key=lambda place: gain[place])


def test_each_kind_is_ahead_by_what_its_own_choice_brings_less() -> None:
    rows = table(reported(), "The same choice with control neurons").rows
    kinds = ("found", "shuffled", "loud", "random 1", "random 2")
    wanted = np.zeros((len(BASES), len(kinds)))
    right = np.zeros_like(wanted)
    for i, one in enumerate(many()):
        for k in range(len(kinds)):
            layer, count, times = best_place(one, k)
            own = (layer, k, count, times, one.reporting)
            wanted[i, k] = (one.found.log_odds[own] - one.base.log_odds[one.reporting]).mean()
            after, before = one.found.rank[own] == 1, one.base.rank[one.reporting] == 1
            right[i, k] = after.mean() - before.mean()
    for row, numbers in zip(rows, wanted, strict=False):
        assert row[1:] == pytest.approx(tuple(numbers), abs=1e-5)
    mean, ahead, accuracy = rows[-3:]
    assert [row[0] for row in rows[-3:]] == [
        "mean of tasks (95 %)", "found ahead by", "accuracy, mean of tasks",
    ]  # fmt: skip
    assert ahead[1] is None
    for k in range(len(kinds)):
        for cell, values in (
            (mean[k + 1], wanted[:, k]),
            (ahead[k + 1], wanted[:, 0] - wanted[:, k]),
            (accuracy[k + 1], right[:, k]),
        ):
            if cell is not None:
                value, low, high = cell  # type: ignore[misc]
                assert value == pytest.approx(values.mean(), abs=1e-5)
                assert values.min() - 1e-5 <= low <= high <= values.max() + 1e-5


def test_a_gates_row_tells_what_it_changes_for_the_right_token() -> None:
    rows = table(reported(), "With a gate").rows
    for row, one in zip(rows, many(), strict=False):
        always, found = held_out(one), gated(one)
        assert row[0] == one.task.name
        for cell, outcome in ((row[5], always), (row[6], found)):
            before, after = outcome.accuracies
            assert cell == pytest.approx(after - before)
    last = rows[-1]
    assert last[0] == "mean of tasks"
    for column in range(1, 7):
        assert last[column] == pytest.approx(np.mean([row[column] for row in rows[:-1]]))


def test_zone_rows_are_those_of_a_loop() -> None:
    rows = table(reported(), "The publication's zones").rows
    for number, kind in ((0, "found"), (2, "loud"), (3, "random 1")):
        prompts = []
        for one in many():
            layer, count, times = best_place(one, number)
            for row in one.reporting:
                own = (layer, number, count, times, row)
                p, q = (sigmoid(v) for v in (one.base.log_odds[row], one.found.log_odds[own]))
                odds = one.found.log_odds[own] - one.base.log_odds[row]
                right = int(one.found.rank[own] == 1) - int(one.base.rank[row] == 1)
                zone = "< 0.07" if p < 0.07 else "0.07 to 0.10" if p <= 0.10 else "> 0.10"
                prompts.append((zone, p, q, odds, right))
        mine = {row[1]: row for row in rows if row[0] == kind}
        assert set(mine) == {prompt[0] for prompt in prompts}
        for zone, row in mine.items():
            p, q, odds, right = np.array([prompt[1:] for prompt in prompts if prompt[0] == zone]).T
            assert row[2] == len(p)
            assert row[3] == pytest.approx(100 * (q.mean() - p.mean()) / p.mean(), rel=1e-4)
            assert row[4] == pytest.approx(np.mean(100 * (q - p) / p), rel=1e-4)
            assert row[5][0] == pytest.approx(odds.mean(), abs=1e-5)  # type: ignore[index]
            assert row[6] == pytest.approx(right.mean())


def test_a_layer_reports_the_setting_that_its_choosing_half_likes_best() -> None:
    """Not the best of the reported half, and not one layer's choice for all."""
    rows = table(reported(), "By layer").rows
    swept = many()
    for place, row in enumerate(rows):
        for kind, cell in enumerate(row[1:-1]):
            found = []
            for one in swept:
                odds = one.found.log_odds[place, kind].reshape(4, -1).astype(float)
                gain = odds - one.base.log_odds
                best = int(np.argmax(gain[:, one.choosing].mean(axis=1)))
                found.append(gain[best, one.reporting].mean())
            assert cell == pytest.approx(np.mean(found), abs=1e-5)


def test_every_table_has_the_columns_that_its_cells_are_of() -> None:
    made = reported()
    names = [one.task.name for one in many()]
    interference = table(made, "Interference")
    assert [row[0] for row in interference.rows] == names
    assert [name for name, _ in interference.columns][1:] == names
    assert [row[0] for row in table(made, "Side effects").rows] == names
    kinds = list(many()[0].grid.kinds)
    for title in ("The same choice with control neurons", "By layer"):
        shown = [name for name, _ in table(made, title).columns]
        assert shown[1 : 1 + len(kinds)] == kinds
    for one in made.tables:
        assert one.note
        assert {len(row) for row in one.rows} == {len(one.columns)}


def test_its_setting_is_that_of_the_sweep() -> None:
    assert reported().setting == {
        "model": "tiny",
        "tasks": [f"task {i}" for i in range(5)],
        "prompts": 60,
        "layers": [2, 5, 7],
        "counts": [3, 9],
        "multipliers": [1.5, 3.0],
        "draws": 2,
        "scoring": "difference",
        "seed": 0,
    }


def test_without_random_neurons_the_zones_have_none() -> None:
    swept = []
    for one in many()[:3]:
        found = Readings(*(getattr(one.found, name)[:, :3] for name in READ))
        swept.append(replace(one, grid=replace(one.grid, draws=0), found=found))
    rows = table(sweep_report(swept), "The publication's zones").rows
    assert {row[0] for row in rows} == {"found", "loud"}


def test_the_order_of_tasks_is_that_of_the_rows_and_nothing_else() -> None:
    one, other = sweep_report(many()[:3]), sweep_report(many()[2::-1])
    for title in ("Held-out gain of the neurons found", "With a gate"):
        assert table(one, title).rows[:3] == table(other, title).rows[2::-1]
    for a, b in zip(table(one, "By layer").rows, table(other, "By layer").rows, strict=True):
        assert a == pytest.approx(b)


def test_a_report_is_written_as_it_is_read_by_people(tmp_path: Path) -> None:
    made = sweep_report([made_up("Größe")])
    made.save(tmp_path)
    text = (tmp_path / REPORT_FILE).read_text(encoding="utf-8")
    assert "Größe" in text
    assert text.startswith('{\n "format": 1,')
    assert text.endswith("}\n")
    assert [path.name for path in tmp_path.iterdir()] == [REPORT_FILE]
    with pytest.raises(ArtefactError) as caught:
        SweepReport.load(tmp_path / "elsewhere")
    assert caught.value.where == str(tmp_path / "elsewhere" / REPORT_FILE)
