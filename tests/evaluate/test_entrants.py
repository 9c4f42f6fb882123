from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pictures import bright_records
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.evaluate import entrants as module
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.controls import (
    BestNeuron,
    best_neuron,
    random_control,
    shuffled_control,
)
from superneurons.evaluate.entrants import CALIBRATED, LENS, Entrants
from superneurons.evaluate.entries import chosen_entries
from superneurons.evaluate.metrics import score
from superneurons.evaluate.paired import paired_difference
from superneurons.evaluate.pool import Pool, two_parts
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.shortcut.probing import probing_set
from superneurons.shortcut.timing import Timing
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

TRUTH = [record.label for record in bright_records(10, seed=1)]
SETTING = {"test_records": 10}


@pytest.fixture(scope="module")
def contest(llava: VLM) -> Contest:
    probe, test = bright_records(24), bright_records(10, seed=1)
    records = [*probe, *test]
    probing = probing_set(records, balanced=False, seed=0, multiclass="native")
    base = base_task(llava, records, probing.labels)
    captured = capture(llava, records, words=base.words)
    pools = {probing.form: Pool(probing, np.arange(len(records)), captured)}
    return Contest(
        llava, records, two_parts(probe, test), probing.labels, pools, base, logits_of(captured), 0
    )


@pytest.fixture(scope="module")
def found(contest: Contest) -> Comparison:
    entrants = Entrants(contest, shuffles=20)
    entrants.rivals()
    entrants.fitted(contest.fit(chosen_entries(["super-neurons"], many=False)[0]))
    entrants.add("always right", "probe", Answers([str(label) for label in TRUTH]), neurons=3)
    entrants.add("silent", None, None, note="says nothing")
    times = {name: Timing(10.0, 9, 11, 3) for name in (FIRST_TOKEN, *LENS.values())}
    return entrants.comparison(times, dict(SETTING), {"chance": 0.5})


def row(found: Comparison, name: str) -> Row:
    return next(row for row in found.rows if row.name == name)


def test_what_was_added_is_scored_in_order(found: Comparison) -> None:
    names = [row.name for row in found.rows]
    assert names[-3:] == ["Super Neurons, improved", "always right", "silent"]
    right = row(found, "always right")
    assert right.scores is not None
    assert right.scores.accuracy == 1
    assert right.scores.ece is None
    assert right.neurons == 3
    silent = row(found, "silent")
    assert silent.scores is None
    assert silent.note == "says nothing"
    assert found.null == {"chance": 0.5}


def test_the_lead_is_that_of_the_first_read_out(found: Comparison) -> None:
    ours, right = row(found, "Super Neurons, improved"), row(found, "always right")
    assert ours.lead is None
    assert ours.scores is not None
    assert right.lead is not None
    difference = right.lead.balanced_accuracy.difference
    assert difference == pytest.approx(ours.scores.balanced_accuracy - 1)


def test_agreement_is_with_the_models_own_first_token(found: Comparison, contest: Contest) -> None:
    said = contest.by_logits(calibrated=False).labels
    expected = np.mean([a == b for a, b in zip(said, TRUTH, strict=True)])
    assert row(found, "always right").agreement == pytest.approx(expected)
    assert row(found, FIRST_TOKEN).agreement is None


def test_calibrated_logits_take_as_long_as_raw_ones(found: Comparison) -> None:
    assert row(found, CALIBRATED).timing == row(found, FIRST_TOKEN).timing
    assert row(found, "majority class").timing is None


def test_only_what_answers_can_be_recommended(found: Comparison) -> None:
    assert found.recommendation is not None
    assert set(found.recommendation.behind_best) == {
        "text only", FIRST_TOKEN, CALIBRATED, *LENS.values(), "Super Neurons, improved",
        "always right",
    }  # fmt: skip


def entrants_of(contest: Contest, keys: Sequence[str]) -> Entrants:
    found = Entrants(contest, shuffles=20)
    for entry in chosen_entries(keys, many=False):
        found.fitted(contest.fit(entry))
    return found


def paired(records: list[Record], questions: int) -> list[Record]:
    """Each picture asked about several times: its records belong together."""
    asked = ("Is it bright?", "Is it light?", "Is it pale?")
    return [replace(r, question=q, id=f"{r.id}:{q}") for r in records for q in asked[:questions]]


@pytest.fixture(scope="module")
def grouped(llava: VLM, planted: Any) -> Contest:
    """Three questions about each of 20 pictures; the neurons know a little."""
    records = paired(bright_records(40), 3)
    truth = np.array([record.label == "yes" for record in records])
    states = np.random.default_rng(0).normal(size=(120, 4, 32))
    states[:, :, :6] += np.where(truth, 0.5, -0.5)[:, None, None]
    return planted(llava, records, two_parts(records[:60], records[60:]), states)


def test_scores_and_leads_are_those_of_whole_pictures_and_of_this_seed(grouped: Contest) -> None:
    entrants = entrants_of(grouped, ["super-neurons", "savs"])
    found = entrants.comparison({}, {}, {})
    ours, other = (fit.answers for fit in entrants.fits)
    truth = [str(record.label) for record in grouped.test]
    classes, groups = ["no", "yes"], [i // 3 for i in range(60)]
    first, second = found.rows
    assert first.scores == score(
        truth, ours.labels, classes=classes, probabilities=ours.probabilities, groups=groups, seed=3
    )
    assert second.lead is not None
    assert second.lead.balanced_accuracy == paired_difference(
        truth, ours.labels, other.labels, classes=classes, groups=groups, seed=3
    )
    apart = score(truth, ours.labels, classes=classes, seed=3)
    assert first.scores.accuracy_interval != apart.accuracy_interval


def test_mcnemar_counts_records_that_one_alone_has_right(grouped: Contest) -> None:
    entrants = entrants_of(grouped, ["super-neurons"])
    truth = np.array([str(record.label) for record in grouped.test])
    ours = np.array(entrants.fits[0].answers.labels)
    turned = {"yes": "no", "no": "yes"}
    theirs = [turned[label] if i % 4 == 0 else label for i, label in enumerate(ours.tolist())]
    entrants.add("now and then otherwise", "probe", Answers(theirs))
    lead = entrants.comparison({}, {}, {}).rows[1].lead
    assert lead is not None
    only_ours = int(np.sum((ours == truth) & (np.array(theirs) != truth)))
    only_theirs = int(np.sum((ours != truth) & (np.array(theirs) == truth)))
    assert only_ours + only_theirs == 15
    assert lead.mcnemar_p == pytest.approx(binomtest(only_ours, 15).pvalue)


@settings(max_examples=3, deadline=None)
@given(order=st.permutations(["a", "b", "c", FIRST_TOKEN]))
def test_the_order_of_the_entrants_changes_no_row(grouped: Contest, order: list[str]) -> None:
    rng = np.random.default_rng(5)
    truth = np.array([str(record.label) for record in grouped.test])
    turned = np.where(truth == "yes", "no", "yes")
    kinds: dict[str, Any] = {"a": "probe", "b": "neurons", "c": "vision", FIRST_TOKEN: "base"}
    answers = {
        name: Answers(np.where(rng.random(60) < wrong, turned, truth).tolist())
        for name, wrong in zip(kinds, (0.1, 0.2, 0.3, 0.4), strict=True)
    }
    fit = grouped.fit(chosen_entries(["super-neurons"], many=False)[0])

    def compared(names: Sequence[str]) -> Comparison:
        entrants = Entrants(grouped, shuffles=20)
        for name in names[:2]:
            entrants.add(name, kinds[name], answers[name])
        entrants.fitted(fit)
        for name in names[2:]:
            entrants.add(name, kinds[name], answers[name])
        return entrants.comparison({}, {}, {})

    straight, mixed = compared(list(kinds)), compared(order)
    assert {row.name: row for row in straight.rows} == {row.name: row for row in mixed.rows}
    assert straight.recommendation is not None
    assert mixed.recommendation is not None
    assert straight.recommendation.choice == mixed.recommendation.choice
    assert straight.recommendation.behind_best == mixed.recommendation.behind_best


def test_the_best_neuron_is_that_of_the_site_and_is_looked_for_once(
    noisy: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[Any, ...]] = []

    def listening(pool: Pool, site: Site, train: Any, **options: Any) -> BestNeuron | None:
        looked.append((site, len(train), options))
        return best_neuron(pool, site, train, **options)

    monkeypatch.setattr(module, "best_neuron", listening)
    entrants = entrants_of(noisy, ["super-neurons", "paper", "savs"])
    options = {"shuffles": 20, "seed": 3}
    n = len(noisy.parts[0].train)
    assert looked == [(Site(), n, options), (Site("heads"), n, options)]
    rows = entrants.comparison({}, {}, {}).rows
    pool, train = noisy.pools["direct"], noisy.parts[0].train
    expected = best_neuron(pool, Site(), train, **options)  # type: ignore[arg-type]
    assert expected is not None
    assert {(row.best_neuron, row.null_maximum) for row in rows[:2]} == {
        (expected.accuracy, expected.null_maximum)
    }


def test_rivals_are_the_contests_own_answers(noisy: Contest) -> None:
    entrants = Entrants(noisy, shuffles=20)
    entrants.rivals()
    found = {entrant.name: entrant for entrant in entrants.entrants}
    assert list(found) == [
        "majority class", "text only", FIRST_TOKEN, CALIBRATED, LENS[False], LENS[True]
    ]  # fmt: skip
    kinds = [entrant.kind for entrant in entrants.entrants]
    assert kinds == [None, "text", "base", "calibrated", "lens", "lens"]
    depths = [entrant.exit_layer for entrant in entrants.entrants]
    assert depths[:4] == [None, None, 4, 4]
    for calibrated, name in LENS.items():
        answers, layer = noisy.by_lens(calibrated=calibrated)
        assert (found[name].exit_layer, entrants.lens_layers[calibrated]) == (layer, layer)
        assert found[name].answers is not None
        assert found[name].answers.labels == answers.labels
    for calibrated, name in ((False, FIRST_TOKEN), (True, CALIBRATED)):
        given = found[name].answers
        assert given is not None
        assert given.labels == noisy.by_logits(calibrated=calibrated).labels
    assert found[FIRST_TOKEN].answers != found[CALIBRATED].answers
    assert found["majority class"].answers == noisy.majority()
    assert found["text only"].answers == noisy.text_only()


def test_where_the_first_token_says_too_little_there_is_a_row_that_says_so(noisy: Contest) -> None:
    mute = replace(noisy, logits=None, base=replace(noisy.base, words=None, why_not="alike"))
    entrants = Entrants(mute, shuffles=20)
    entrants.rivals()
    assert [e.name for e in entrants.entrants] == ["majority class", "text only", FIRST_TOKEN]
    last = entrants.entrants[-1]
    assert (last.kind, last.answers, last.exit_layer, last.note) == (None, None, 4, "alike")
    entrants.fitted(mute.fit(chosen_entries(["super-neurons"], many=False)[0]))
    found = entrants.comparison({FIRST_TOKEN: Timing(3.0, 2, 4, 5)}, {}, {})
    assert [row.agreement for row in found.rows] == [None] * 4
    assert [row.scores is None for row in found.rows] == [False, False, True, False]
    assert found.recommendation is not None
    assert set(found.recommendation.behind_best) == {"text only", found.rows[-1].name}


def test_the_time_of_calibrated_logits_is_measured_with_the_first_token_or_not_at_all(
    noisy: Contest,
) -> None:
    entrants = entrants_of(noisy, ["super-neurons"])
    entrants.add(CALIBRATED, "calibrated", noisy.by_logits(calibrated=True))
    time = Timing(3.0, 2, 4, 5)
    assert entrants.comparison({FIRST_TOKEN: time}, {}, {}).rows[1].timing == time
    assert entrants.comparison({}, {}, {}).rows[1].timing is None
    entrants.contest = replace(noisy, base=replace(noisy.base, words=None))
    assert entrants.comparison({FIRST_TOKEN: time}, {}, {}).rows[1].timing is None


def test_times_count_in_the_advice(noisy: Contest) -> None:
    """Two that answer alike: what reads less is recommended, or what is clearly faster."""
    entrants = entrants_of(noisy, ["super-neurons"])
    truth = [str(record.label) for record in noisy.test]
    entrants.add("slow and simple", "vision", Answers(truth))
    entrants.add("fast", "probe", Answers(truth))
    for median, choice in ((9.0, "slow and simple"), (2.0, "fast")):
        times = {"slow and simple": Timing(10.0, 9, 11, 3), "fast": Timing(median, 1, 11, 3)}
        advice = entrants.comparison(times, {}, {}).recommendation
        assert advice is not None
        assert advice.choice == choice


def test_controls_are_those_of_the_first_read_out_on_the_first_part(noisy: Contest) -> None:
    pool = noisy.pools["direct"]
    mine = entrants_of(noisy, ["super-neurons", "paper"])
    classifier = mine.fits[0].classifier
    assert mine.controls() == {
        "balanced accuracy with shuffled labels": shuffled_control(
            pool, noisy.parts, site=Site(), seed=3
        ),
        "balanced accuracy of as many random neurons": random_control(
            classifier, pool, noisy.parts[0], site=Site(), seed=3
        ),
    }
    heads = entrants_of(noisy, ["savs"])
    assert heads.controls() == {
        "balanced accuracy with shuffled labels": shuffled_control(
            pool, noisy.parts, site=Site("heads"), seed=3
        )
    }


def test_a_row_says_what_its_classifier_reads(noisy: Contest) -> None:
    entrants = entrants_of(noisy, ["super-neurons", "savs"])
    rows = entrants.comparison({}, {"a": 1}, {}).rows
    for row, fit in zip(rows, entrants.fits, strict=True):
        assert row.name == fit.entry.name
        assert row.exit_layer == fit.classifier.exit_layer_
        assert row.neurons == len(fit.classifier.neurons_)
        assert row.answers is fit.answers
    assert rows[0].lead is None
    assert rows[1].lead is not None
