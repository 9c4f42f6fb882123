from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices, murky, shades
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.depths import compare_depths
from superneurons.evaluate.entrants import Entrants
from superneurons.evaluate.evaluation import evaluate_classifier
from superneurons.evaluate.search import CHOSEN, search_with_base, verify
from superneurons.report.consistency import contradictions
from superneurons.report.gather import (
    Origin,
    gather_compare,
    gather_demo,
    gather_eval,
    gather_fit,
    gather_search,
)  # fmt: skip
from superneurons.report.html import report_html
from superneurons.report.run import Run
from superneurons.report.store import read_run, write_run
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

ORIGIN = Origin("some task", "superneurons …")
OURS, PAPER = "Super Neurons, improved", "Super Neurons, paper's rule"
SPACE = SearchSpace(kinds=("residual",), positions=("last_prompt",), orders=("picture-first",))


def compared(vlm: VLM, *records: list[Record], origin: Origin = ORIGIN, **options: Any) -> Run:
    seen: list[Entrants] = []
    options = {"repeats": 1, "shuffles": 20, "generate": False} | options
    found = compare(vlm, *records, witness=seen.append, **options)
    return gather_compare(found, seen[0], origin)


def fitted(vlm: VLM) -> Run:
    seen: list[Any] = []
    classifier = SuperNeuronClassifier(vlm)
    records = bright_records(24)
    classifier.fit(records, witness=lambda *what: seen.append(what))
    return gather_fit(classifier, *seen[0], records, ORIGIN)


def demonstrated(vlm: VLM) -> Run:
    seen: list[Any] = []
    found, classifier = compare_depths(
        vlm, murky(36), murky(16, seed=1), read_outs=("paper", "super-neurons"), depths=(1,),
        generate=False, repeats=1, witness=lambda *what: seen.append(what),
    )  # fmt: skip
    return gather_demo(found, classifier, *seen[0], ORIGIN)


def searched(vlm: VLM) -> Run:
    seen: list[Any] = []
    search = search_with_base(vlm, murky(32), SPACE, repeats=1)
    chosen = search.choose()
    found, _ = verify(
        vlm, search, chosen, murky(32), murky(12, seed=1), repeats=1,
        witness=lambda *what: seen.append(what),
    )  # fmt: skip
    return gather_search(search, chosen, found, seen[0], ORIGIN)


def evaluated(vlm: VLM) -> Run:
    classifier = SuperNeuronClassifier(vlm).fit(bright_records(24))
    found = evaluate_classifier(classifier, murky(16, seed=1), repeats=1)
    return gather_eval(found, classifier, ORIGIN)


def compared_shortly(vlm: VLM) -> Run:
    return compared(vlm, murky(36), murky(20, seed=1), read_outs=["super-neurons", "paper"])


@pytest.mark.parametrize(
    ("make", "kind", "parts"),
    [
        (fitted, "fit", {"selection", "curves", "notes"}),
        (compared_shortly, "compare", {"selection", "curves", "tradeoffs", "answers"}),
        (demonstrated, "demo", {"selection", "curves", "tradeoffs", "answers"}),
        (searched, "search", {"selection", "curves", "tradeoffs", "answers", "notes"}),
        (evaluated, "eval", {"tradeoffs", "answers"}),
    ],
)
def test_each_command_leaves_what_it_measured_and_it_survives_the_file(
    make: Callable[[VLM], Run], kind: str, parts: set[str], llava: VLM, tmp_path: Path
) -> None:
    run = make(llava)
    assert (run.kind, run.title, run.command) == (kind, ORIGIN.title, ORIGIN.command)
    assert run.questions == ("Is it bright?",)
    assert run.labels == ("no", "yes")
    assert contradictions(run) == []
    there = {
        "selection": run.selection is not None,
        "curves": bool(run.curves),
        "tradeoffs": bool(run.tradeoffs),
        "answers": bool(run.bins),
        "notes": bool(run.notes),
    }
    assert {name for name, known in there.items() if known} == parts
    assert (run.comparison is None) == (kind == "fit")
    for name in ("confusion", "agreement", "ece"):
        assert (getattr(run, name) is not None) == ("answers" in parts)
    assert run.setting["layers"] == 4
    assert len(run.setting["fingerprint"]) == 64
    assert run.setting["versions"].keys() >= {"superneurons", "torch", "transformers"}
    write_run(tmp_path, run)
    assert report_html(read_run(tmp_path)).startswith("<!DOCTYPE html>")


def rows_of(run: Run) -> dict[str, Any]:
    assert run.comparison is not None
    return {row["name"]: row for row in run.comparison["rows"]}


def check_subject(run: Run, name: str) -> None:
    """Whoever's answers are shown: their figures are those of its row."""
    assert run.subject == name
    scores = rows_of(run)[name]["scores"]
    confusion, agreement = run.confusion, run.agreement
    assert confusion is not None
    assert agreement is not None
    counts = np.array(confusion.counts)
    assert counts.sum() == scores["n"]
    assert np.trace(counts) / counts.sum() == pytest.approx(scores["accuracy"])
    assert sum(part.n for part in run.bins) == scores["n"]
    assert run.ece == pytest.approx(scores["ece"])
    n = scores["n"]
    assert (agreement.both_right + agreement.only_ours) / n == pytest.approx(scores["accuracy"])
    base = rows_of(run)[FIRST_TOKEN]["scores"]["accuracy"]
    assert (agreement.both_right + agreement.only_base) / n == pytest.approx(base)
    assert len(confusion.unsure) == min(12, n)
    assert all(example.thumbnail for example in confusion.unsure)


def test_a_comparison_shows_its_recommendation(llava: VLM) -> None:
    run = compared_shortly(llava)
    choice = run.comparison["recommendation"]["choice"]  # type: ignore[index]
    neurons = bool(choice) and rows_of(run)[choice]["neurons"]
    check_subject(run, choice if neurons else OURS)
    assert [point.name for point in run.tradeoffs if point.chosen] == [choice] * bool(choice)
    for point in run.tradeoffs:
        row = rows_of(run)[point.name]
        assert point.balanced_accuracy == row["scores"]["balanced_accuracy"]
        assert list(point.interval) == row["scores"]["balanced_accuracy_interval"]
        assert (point.ms, *point.ms_range) == tuple(row["ms"][k] for k in ("median", "low", "high"))
        assert point.exit_layer == row["exit_layer"]
        assert point.held_out
    assert {row["name"] for row in rows_of(run).values() if row["ms"]} == {
        point.name for point in run.tradeoffs
    }


def test_its_neurons_are_those_of_the_first_read_out(llava: VLM) -> None:
    run = compared_shortly(llava)
    alone = SuperNeuronClassifier(llava).fit(murky(36))
    assert run.selection is not None
    assert run.selection.read_out == OURS
    assert {(one.layer, one.column) for one in run.selection.chosen} == {
        (neuron.layer, neuron.index) for neuron in alone.neurons_
    }
    assert run.selection.n == alone.probing_["questions"]


def test_of_crossed_parts_it_is_said_that_users_get_another_fit(llava: VLM) -> None:
    run = compared(llava, bright_records(24), folds=3, read_outs=["paper"], repeats=0)
    assert "in 3 parts" in run.notes[0]
    assert run.tradeoffs == ()
    assert run.selection is not None
    assert run.selection.n == 24


def test_of_a_demo_the_classifier_that_it_saves_is_shown(llava: VLM) -> None:
    run = demonstrated(llava)
    check_subject(run, PAPER)
    assert run.selection is not None
    assert run.selection.read_out == PAPER
    assert {one.weight for one in run.selection.chosen} == {1.0}
    assert [curve.read_out for curve in run.curves] == [PAPER, OURS]
    assert not any(point.chosen for point in run.tradeoffs)


def test_of_a_search_the_front_is_drawn_and_the_choice_verified(llava: VLM) -> None:
    run = searched(llava)
    check_subject(run, CHOSEN)
    assert sum(point.chosen for point in run.tradeoffs) == 1
    assert not any(point.held_out for point in run.tradeoffs)
    assert run.selection is not None
    assert run.selection.read_out == CHOSEN
    assert "costs" not in run.setting["search"]
    assert run.setting["search"]["records"] == 32


def test_of_an_evaluation_one_classifier_is_shown(llava: VLM) -> None:
    run = evaluated(llava)
    check_subject(run, "Super Neurons")
    assert run.setting["test_records"] == 16
    assert run.setting["probing_records"] == 24


def test_without_the_base_model_nothing_is_said_of_it(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava).fit(bright_records(24))
    found = evaluate_classifier(classifier, bright_records(8, seed=1), rivals=False, repeats=1)
    run = gather_eval(found, classifier, ORIGIN)
    assert run.agreement is None
    assert run.confusion is not None


def test_no_picture_is_kept_where_none_is_wanted(llava: VLM) -> None:
    origin = Origin("t", "c", thumbnails=False)
    run = compared(
        llava, murky(24), murky(8, seed=1), read_outs=["paper"], repeats=0, origin=origin
    )
    assert run.confusion is not None
    shown = (*run.confusion.right, *run.confusion.wrong, *run.confusion.unsure)
    assert shown
    assert not any(example.thumbnail for example in shown)


@pytest.mark.parametrize("make", [shades, choices])
def test_more_answers_than_two(make: Callable[..., list[Record]], llava: VLM) -> None:
    run = compared(
        llava, make(36), make(18, seed=1), read_outs=["super-neurons", "paper"], repeats=0
    )
    assert contradictions(run) == []
    assert run.labels == (("dark", "grey", "pale") if make is shades else ())
    assert run.confusion is not None
    own = ("dark", "grey", "pale") if make is shades else ("A", "B", "C")
    assert run.confusion.labels == own
    assert np.sum(run.confusion.counts) == 18
    assert run.selection is not None
    assert run.selection.scores.max() > 0.7
    report_html(run)
