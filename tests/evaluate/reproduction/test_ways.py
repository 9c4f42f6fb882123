from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, choices
from superneurons.activations.site import Site
from superneurons.evaluate.reproduction.candidates import Candidate, SingleNeuron
from superneurons.evaluate.reproduction.passes import Given
from superneurons.evaluate.reproduction.questions import Questions, questions_of
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.evaluate.reproduction.ways import Scorer
from superneurons.vlm.model import VLM

SETTINGS = Settings("pope", row="llava-7b")


@pytest.fixture(scope="module")
def asked() -> Questions:
    return questions_of(bright_records(16), bright_records(9, seed=1), SETTINGS)


@pytest.fixture
def scorer(asked: Questions, llava: VLM) -> Scorer:
    return Scorer(asked, llava, SETTINGS)


def single(column: int, site: Site) -> Candidate:
    return Candidate(
        "neuron-f1", "best neuron", site, SingleNeuron(column, ("no", "yes")), "neuron", "f1"
    )


def given(asked: Questions, scored_on: str = "validation") -> Given:
    """The right answers."""
    questions = asked.test if scored_on == "validation" else asked.probe
    truth = [str(record.label) for record in questions]
    return Given(truth, np.array([1.0 if label == "yes" else -1.0 for label in truth]))


@pytest.mark.parametrize(("column", "layer"), [(0, 1), (31, 1), (32, 2), (127, 4)])
def test_a_neuron_is_in_the_layer_of_its_column(
    scorer: Scorer, asked: Questions, column: int, layer: int
) -> None:
    way = scorer.of_candidate(single(column, Site()), given(asked), "validation")
    assert (way.last_layer, way.exit_layer, way.neurons) == (layer, layer, 1)
    assert way.figures is not None
    assert way.figures.accuracy.value == 1
    later = Site(position="first_generated")
    way = scorer.of_candidate(single(column, later), given(asked), "validation")
    assert (way.last_layer, way.exit_layer) == (layer, 4)


def test_each_set_is_scored_on_its_own_questions(scorer: Scorer, asked: Questions) -> None:
    ways = [
        scorer.of_candidate(single(0, Site()), given(asked, where), where)  # type: ignore[arg-type]
        for where in ("validation", "probing")
    ]
    assert [way.figures.n for way in ways if way.figures] == [9, 16]
    assert [way.note for way in ways] == ["", "chosen and scored on the same questions"]
    # Table 1 has the best neuron by F1 on the probing set; no table has it on validation.
    assert ways[0].printed is None
    assert ways[1].printed is not None
    assert (ways[1].printed.f1, ways[1].printed.accuracy) == (92.3, None)


@pytest.mark.parametrize(("n", "note"), [(16, True), (40, False)])
def test_a_row_of_another_number_of_records_says_so(llava: VLM, n: int, note: bool) -> None:
    settings = replace(SETTINGS, task="vizwiz")
    asked = questions_of(bright_records(n), bright_records(9, seed=1), settings)
    savs = replace(single(0, Site()), method="savs", metric=None)
    way = Scorer(asked, llava, settings).of_candidate(savs, given(asked), "validation")
    assert way.printed is not None
    assert way.printed.table == "3"
    assert way.note == ("the printed row is of 40 probing questions" if note else "")


def test_without_a_model_of_the_papers_nothing_is_printed(asked: Questions, llava: VLM) -> None:
    for settings in (replace(SETTINGS, row=None), replace(SETTINGS, task="dark")):
        scorer = Scorer(asked, llava, settings)
        assert scorer.paper == ""
        assert scorer.generated(["yes"] * 9).printed is None


def test_the_most_frequent_answer_is_the_test_sets(scorer: Scorer) -> None:
    way = scorer.majority()
    assert way.name == 'always "no"'
    assert way.figures is not None
    assert way.figures.accuracy.value == 5 / 9


def test_the_same_words_everywhere_give_nothing_away(scorer: Scorer) -> None:
    way = scorer.text_only()
    assert way.figures is not None
    assert way.figures.balanced_accuracy.value == 0.5


def test_words_that_give_the_answer_away_are_found(llava: VLM) -> None:
    told = [
        [replace(r, question=f"Is it {'bright' if r.label == 'yes' else 'dark'}?") for r in records]
        for records in (bright_records(16), bright_records(8, seed=1))
    ]
    scorer = Scorer(questions_of(told[0], told[1], SETTINGS), llava, SETTINGS)
    way = scorer.text_only()
    assert way.figures is not None
    assert way.figures.accuracy.value == 1


def test_answers_that_name_nothing_are_counted(scorer: Scorer) -> None:
    way = scorer.generated(["yes", "no", "", *["no"] * 6])
    assert way.note == "1 of 9 answers name no label"
    assert way.exit_layer == 4
    assert scorer.generated(["no"] * 9).note == ""


def test_what_says_nothing_says_why(scorer: Scorer) -> None:
    way = scorer.missing("they start alike")
    assert way.figures is None
    assert way.note == "they start alike"


def test_whole_questions_are_answered_by_the_strongest_yes(llava: VLM) -> None:
    asked = questions_of(choices(16), choices(6, seed=1), SETTINGS)
    scorer = Scorer(asked, llava, SETTINGS)
    # All "no", but the right option less so than the others: wrong one by one, right as a whole.
    truth = np.array([record.label == "yes" for record in asked.test])
    decisions = np.where(truth, -1.0, -2.0)
    way = scorer.of_candidate(
        single(0, Site()), Given(["no"] * len(truth), decisions), "validation"
    )
    assert way.figures is not None
    assert way.whole is not None
    assert way.figures.recall.value == 0
    assert (way.whole.n, way.whole.accuracy.value) == (6, 1)
    assert scorer.majority().whole is None
