from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError, ModelError
from superneurons.evaluate import rivals
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.robustness.crossing import Crossing, Domain, cross
from superneurons.evaluate.robustness.gathered import BASE, MAJORITY, NEURONS
from superneurons.evaluate.robustness.seed_scores import seed_scores
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

Turned = Callable[[Sequence[Record]], list[Record]]
NAMES = ("plain", "again", "turned")


@pytest.fixture(scope="module")
def domains(turned: Turned) -> list[Domain]:
    """Two alike, and one where every answer is the other one."""
    return [
        Domain("plain", bright_records(32), bright_records(16, seed=1)),
        Domain("again", bright_records(32, seed=2), bright_records(16, seed=3)),
        Domain("turned", turned(bright_records(32, seed=4)), turned(bright_records(16, seed=5))),
    ]


@pytest.fixture(scope="module")
def found(llava: VLM, domains: list[Domain]) -> Crossing:
    named = [(domain, f"{domain.name} records") for domain in domains]
    return cross(llava, "kind", named, seeds=(0, 1))


def test_what_is_planted_alike_is_taken_over(found: Crossing) -> None:
    for way in NEURONS:
        for pair in (("plain", "again"), ("again", "plain")):
            cell = found.cell(way, *pair)
            assert cell.scores.balanced_accuracy > 0.9
            assert cell.loss is not None
            assert abs(cell.loss.difference) < 0.1


def test_what_is_turned_is_lost_wholly_unless_it_is_found_anew(found: Crossing) -> None:
    for way in NEURONS:
        assert found.cell(way, "turned", "turned").scores.balanced_accuracy > 0.7
        cell = found.cell(way, "plain", "turned")
        assert cell.scores.balanced_accuracy < 0.1
        assert cell.loss is not None
        assert cell.loss.interval[1] < -0.5


def test_on_the_diagonal_nothing_is_lost(found: Crossing) -> None:
    for cell in found.cells:
        assert (cell.loss is None) == (cell.fitted_on == cell.tested_on)


def test_all_pairs_of_all_ways_are_there(found: Crossing) -> None:
    assert found.ways == (MAJORITY, *BASE, *NEURONS)
    assert {(c.way, c.fitted_on, c.tested_on) for c in found.cells} == {
        (way, a, b) for way in found.ways for a in NAMES for b in NAMES
    }
    assert all(len(cell.scores.by_seed) == 2 for cell in found.cells)


def test_raw_logits_are_fitted_on_nothing(found: Crossing) -> None:
    for tested in NAMES:
        scores = {found.cell(BASE[0], fitted, tested).scores for fitted in NAMES}
        assert len(scores) == 1


def test_a_cell_is_what_a_classifier_gives(
    found: Crossing, llava: VLM, domains: list[Domain]
) -> None:
    given = [
        SuperNeuronClassifier(llava, read_out="paper", random_state=seed)
        .fit(domains[1].probe)
        .predict(domains[0].test)
        .tolist()
        for seed in (0, 1)
    ]
    expected = seed_scores(domains[0].test, given, labels=("no", "yes"))
    assert found.cell(NEURONS[0], "again", "plain").scores == expected


def test_tables_show_what_the_cells_say(found: Crossing) -> None:
    sheets = found.tables()
    assert len(sheets) == len(found.ways)  # a matrix each but for the majority, and the summary
    assert all(len(line) <= 100 for sheet in sheets for line in sheet.text().splitlines())
    improved = next(sheet for sheet in sheets if sheet.title.startswith(NEURONS[1]))
    shown = [[float(cell.split()[0]) for cell in row[1:]] for row in improved.rows]
    held = [
        [100 * found.cell(NEURONS[1], a, b).scores.balanced_accuracy for b in NAMES] for a in NAMES
    ]
    np.testing.assert_allclose(shown, held, atol=0.05)
    assert any("plain: plain records" in note for note in sheets[-1].notes)


def test_the_summary_parts_found_anew_from_taken_over(found: Crossing) -> None:
    summary = found.tables()[-1]
    row = next(row for row in summary.rows if row[0] == "improved")
    own = np.mean([found.cell(NEURONS[1], n, n).scores.balanced_accuracy for n in NAMES])
    others = np.mean([
        found.cell(NEURONS[1], a, b).scores.balanced_accuracy
        for a in NAMES for b in NAMES if a != b
    ])  # fmt: skip
    shown = [float(cell.split()[0]) for cell in row[1:4]]
    assert shown == pytest.approx([100 * own, 100 * others, 100 * (others - own)], abs=0.051)
    assert "turned" in row[4]
    worst = min(c.loss.difference for c in found.cells if c.loss and c.way == NEURONS[1])
    assert float(row[4].split(",")[0]) == pytest.approx(100 * worst, abs=0.051)


def test_it_is_json(found: Crossing) -> None:
    made = json.loads(json.dumps(found.as_dict()))
    assert made["study"] == "kind"
    assert made["seeds"] == [0, 1]
    assert len(made["cells"]) == len(found.cells)
    assert [mean["way"] for mean in made["transfers"]] == list(found.ways)
    assert made["setting"]["probing_records"] == [32, 32, 32]
    assert made["setting"]["test_records"] == 48


def test_each_record_is_run_once(llava: VLM, questions_run: list[Record]) -> None:
    parts = [(Domain(n, murky(16, s), murky(8, s + 1)), n) for n, s in (("a", 0), ("b", 2))]
    cross(llava, "kind", parts, seeds=(0, 1, 2))
    extra = 1  # its tokens are counted for the setting
    assert len(questions_run) == 2 * (16 + 8) + extra


def test_one_domain_is_nothing_to_cross(llava: VLM, domains: list[Domain]) -> None:
    with pytest.raises(DataError, match="1 domains"):
        cross(llava, "kind", [(domains[0], "")])
    with pytest.raises(DataError, match="0 seeds"):
        cross(llava, "kind", [(domain, "") for domain in domains], seeds=())


def test_unknown_cells_are_refused(found: Crossing) -> None:
    with pytest.raises(DataError, match="no cell"):
        found.cell("nobody", "plain", "again")


@pytest.mark.parametrize("make", [shades, choices])
def test_any_number_of_answers_is_crossed(llava: VLM, make: Callable[..., list[Record]]) -> None:
    parts = [(Domain(n, make(24, s), make(12, s + 1)), n) for n, s in (("a", 0), ("b", 2))]
    found = cross(llava, "kind", parts)
    assert found.ways == (MAJORITY, *BASE, *NEURONS)
    assert found.setting["probing_records"] == [24, 24]
    cell = found.cell(NEURONS[1], "a", "b")
    clf = SuperNeuronClassifier(llava).fit(parts[0][0].probe)
    test = parts[1][0].test
    labels = () if test[0].options else ("dark", "grey", "pale")
    expected = seed_scores(test, [clf.predict(test).tolist()], labels=labels)
    assert cell.scores == expected


def test_logits_are_calibrated_on_the_domain_that_is_fitted_on(
    found: Crossing, llava: VLM, domains: list[Domain]
) -> None:
    task = base_task(llava, domains[0].probe, ("no", "yes"))
    probe, test = domains[2].probe, domains[0].test
    given = task.calibrated(probe, task.logits(llava, probe), test, task.logits(llava, test))
    expected = seed_scores(test, [given, given], labels=("no", "yes"))
    assert found.cell(BASE[1], "turned", "plain").scores == expected


def test_why_there_are_no_logits_is_said(
    llava: VLM, domains: list[Domain], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise ModelError("Alike.", mend="Other words.")

    monkeypatch.setattr(rivals, "label_words", none)
    found = cross(llava, "kind", [(domain, domain.name) for domain in domains[:2]])
    assert found.ways == (MAJORITY, *NEURONS)
    assert "Alike" in found.note
    assert any("Alike" in note for note in found.tables()[-1].notes)
    assert found.as_dict()["note"] == found.note


def test_raw_logits_have_one_line_of_every_domain(found: Crossing) -> None:
    titles = {sheet.title.split(": balanced")[0]: sheet for sheet in found.tables()[:-1]}
    assert list(titles) == list(found.ways[1:])  # the majority has no matrix
    (line,) = titles[BASE[0]].rows
    assert line[0] == "any"
    for cell, name in zip(line[1:], NAMES, strict=True):
        held = found.cell(BASE[0], name, name).scores.balanced_accuracy
        assert float(cell.split()[0]) == pytest.approx(100 * held, abs=0.051)
    for way in found.ways[2:]:
        assert [row[0] for row in titles[way].rows] == list(NAMES)
        assert titles[way].header == ("fitted on", *(f"tested on {name}" for name in NAMES))


def test_a_domain_that_stands_for_its_name_is_not_explained(found: Crossing) -> None:
    told = replace(found, domains={"plain": "plain", "again": "others", "turned": "turned"})
    notes = told.tables()[-1].notes
    assert notes[0] == "again: others"
    assert notes[1].startswith("Majority class: accuracy on plain 50.0%, again 50.0%, turned 50")
    assert len(notes) == 2


def test_it_is_asked_in_the_prompt_given_and_told_fit_by_fit(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, batch_sizes: list[int], told_steps: Any
) -> None:
    asked = prompts_asked(monkeypatch)
    prompt = Prompt("question-first")
    parts = [(Domain(n, murky(16, s), murky(8, s + 1)), n) for n, s in (("a", 0), ("b", 2))]
    found = cross(
        llava, "kind", parts, prompt=prompt, batch_size=20, seeds=(4, 5), steps=told_steps
    )
    assert set(asked) == {prompt}
    assert batch_sizes == [20, 20, 8, 1]
    assert told_steps.of("fitting read-outs") == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (found.setting["seed"], found.setting["timing"]["rounds"]) == (4, 0)
    assert found.seeds == (4, 5)


def test_a_loss_is_what_is_missing_to_the_own_fit_on_the_same_records(
    found: Crossing, domains: list[Domain]
) -> None:
    for cell in found.cells:
        if cell.loss is None:
            continue
        own = found.cell(cell.way, cell.tested_on, cell.tested_on).scores
        expected = cell.scores.balanced_accuracy - own.balanced_accuracy
        assert cell.loss.difference == pytest.approx(expected)
        assert cell.loss.interval[0] <= cell.loss.difference <= cell.loss.interval[1]
        assert cell.as_dict()["loss"]["difference"] == cell.loss.difference
    tested = {cell.tested_on: cell.scores.n for cell in found.cells}
    assert tested == {domain.name: len(domain.test) for domain in domains}


def test_the_order_of_domains_changes_no_cell(llava: VLM) -> None:
    parts = [(Domain(n, murky(16, s), murky(8, s + 1)), n) for n, s in (("a", 0), ("b", 2))]
    straight, turned = cross(llava, "kind", parts), cross(llava, "kind", parts[::-1])
    assert list(turned.domains) == ["b", "a"]
    assert {(c.way, c.fitted_on, c.tested_on): c for c in straight.cells} == {
        (c.way, c.fitted_on, c.tested_on): c for c in turned.cells
    }
