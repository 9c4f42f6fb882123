from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, shades
from superneurons.activations.capture import capture
from superneurons.activations.lens import logit_lens
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.evaluate.answers import Answers, answers_of
from superneurons.evaluate.contest import Contest, joined_answers
from superneurons.evaluate.entries import chosen_entries, entry_sites
from superneurons.evaluate.logit_answers import best_lens_layer
from superneurons.evaluate.pool import Part, Pool, crossed_parts, two_parts
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

ENTRIES = chosen_entries(["super-neurons", "savs", "vision"], many=False)


def contest_of(vlm: VLM, records: list[Record], parts: list[Part]) -> Contest:
    probing = probing_set(records, balanced=False, seed=0, multiclass="native")
    base = base_task(vlm, records, probing.labels)
    captured = capture(vlm, probing.records, sites=entry_sites(ENTRIES), words=base.words)
    pools = {probing.form: Pool(probing, np.arange(len(records)), captured)}
    return Contest(vlm, records, parts, probing.labels, pools, base, logits_of(captured), seed=0)


@pytest.fixture(scope="module")
def crossed(llava: VLM) -> Contest:
    records = bright_records(30)
    return contest_of(llava, records, crossed_parts(records, folds=3, seed=0))


def test_test_records_come_part_by_part(crossed: Contest) -> None:
    order = np.concatenate([part.test for part in crossed.parts])
    assert [r.id for r in crossed.test] == [crossed.records[i].id for i in order]
    assert not crossed.many


def test_the_majority_is_that_of_the_training_part(llava: VLM) -> None:
    records = bright_records(20)
    probe = [r for r in records if r.label == "no"][:3] + [r for r in records if r.label == "yes"]
    rest = bright_records(6, seed=1)
    contest = contest_of(llava, [*probe, *rest], two_parts(probe, rest))
    assert contest.majority().labels == ["yes"] * 6
    assert set(contest.text_only().labels) == {"yes"}


def test_the_majority_of_own_options_is_a_place(llava: VLM) -> None:
    records = choices(24)
    contest = contest_of(llava, records, two_parts(records[:16], records[16:]))
    places = Counter((r.options or ()).index(str(r.label)) for r in records[:16])
    place = max(sorted(places), key=lambda key: places[key])
    expected = [(r.options or ())[place : place + 1] for r in records[16:]]
    for label, option in zip(contest.majority().labels, expected, strict=True):
        assert (label,) == option or not option


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_each_part_is_answered_by_a_classifier_of_the_others(
    crossed: Contest, entry: object, llava: VLM
) -> None:
    fitted = crossed.fit(entry)  # type: ignore[arg-type]
    assert fitted.answers.probabilities is not None
    assert fitted.answers.probabilities.shape == (30, 2)
    part = crossed.parts[1]
    alone = SuperNeuronClassifier(
        llava, read_out=fitted.entry.read_out, site=fitted.entry.site.kind, random_state=0
    ).fit([crossed.records[i] for i in part.train])
    expected = alone.predict([crossed.records[i] for i in part.test]).tolist()
    start = len(crossed.parts[0].test)
    assert fitted.answers.labels[start : start + len(expected)] == expected
    # What a user would get has seen all of them.
    assert fitted.classifier.probing_["records"] == 30


def test_up_to_a_layer_all_of_them_are_read_and_none_after(crossed: Contest, llava: VLM) -> None:
    for entry in ENTRIES[:2]:
        found = crossed.up_to(entry, 2)
        part = crossed.parts[0]
        params = {"tolerance": None} if entry.read_out == "super-neurons" else None
        alone = SuperNeuronClassifier(
            llava, read_out=entry.read_out, read_out_params=params, site=entry.site.kind,
            max_layer=2,
        ).fit([crossed.records[i] for i in part.train])  # fmt: skip
        expected = alone.predict([crossed.records[i] for i in part.test]).tolist()
        assert found.labels[: len(expected)] == expected
        assert len(found.labels) == 30
        assert alone.exit_layer_ <= 2
    # With all layers nothing is restricted where the read-out chooses no depth by itself.
    assert crossed.up_to(ENTRIES[1], 4).labels == crossed.fit(ENTRIES[1]).answers.labels


def test_users_get_what_was_fitted_on_all_that_is_not_for_scoring(
    crossed: Contest, llava: VLM
) -> None:
    assert crossed.probed.tolist() == list(range(30))
    probe, test = bright_records(20), bright_records(6, seed=1)
    apart = contest_of(llava, [*probe, *test], two_parts(probe, test))
    assert apart.probed.tolist() == list(range(20))


def test_the_lens_is_the_heads_view_of_an_earlier_layer(crossed: Contest) -> None:
    answers, layer = crossed.by_lens(calibrated=False)
    assert 1 <= layer < crossed.vlm.n_layers
    assert len(answers.labels) == 30
    raw = crossed.by_logits(calibrated=False)
    assert crossed.logits is not None
    order = np.concatenate([part.test for part in crossed.parts])
    expected = [crossed.labels[k] for k in crossed.logits[order].argmax(axis=1)]
    assert raw.labels == expected


def test_without_label_words_there_is_neither(crossed: Contest) -> None:
    mute = replace(crossed, logits=None, base=replace(crossed.base, words=None, why_not="alike"))
    for ask in (mute.by_logits, mute.by_lens):
        with pytest.raises(ModelError, match="told apart"):
            ask(calibrated=True)


def test_answers_join_with_probabilities_only_if_all_have_some() -> None:
    row = np.array([[0.5, 0.5]])
    assert joined_answers([Answers(["a"], row), Answers(["b"])]).probabilities is None
    both = joined_answers([Answers(["a"], row), Answers(["b"], row)])
    assert both.labels == ["a", "b"]
    assert both.probabilities is not None
    assert both.probabilities.shape == (2, 2)


def test_sites_that_entries_read_are_captured_once() -> None:
    assert entry_sites(ENTRIES) == (Site(), Site("heads"), Site("vision"))


def test_doubtful_records_are_said_of_all_records_and_not_of_each_part(llava: VLM) -> None:
    once = bright_records(24)
    records = [*once, replace(once[0], label="yes"), replace(once[1], label="no")]
    with pytest.warns(DataWarning, match="contradicting labels"):
        contest = contest_of(llava, records, crossed_parts(records, folds=3, seed=0))
    with pytest.warns(DataWarning, match="same activations") as said:
        contest.fit(ENTRIES[0])
    assert len(said) == 1


def alone(contest: Contest, part: Part, **params: Any) -> Answers:
    """One classifier, made and fitted by hand on one part, on the other."""
    (pool,) = contest.pools.values()
    site = Site(params.get("site", "residual"), params.get("position", "last_prompt"))
    rows = pool.balanced_rows(part.train, contest.seed)
    classifier = SuperNeuronClassifier(contest.vlm, random_state=contest.seed, **params)
    classifier.fit_captured(pool.probing_set(rows), pool.at(site, rows))
    test = [contest.records[i] for i in part.test]
    return answers_of(
        test, classifier.answer_captured(test, pool.at(site, part.test)), contest.labels
    )


@pytest.mark.parametrize(
    ("key", "params"),
    [
        ("super-neurons", {}),
        ("super-neurons-all-layers", {"read_out_params": {"tolerance": None}}),
        ("paper-mean", {"read_out": "paper", "read_out_params": {"aggregation": "mean"}}),
        ("savs", {"read_out": "savs", "site": "heads"}),
        ("paper-generated", {"read_out": "paper", "position": "first_generated"}),
    ],
)
def test_an_entry_is_fitted_as_it_is_written_down(
    noisy: Contest, key: str, params: dict[str, Any]
) -> None:
    (entry,) = chosen_entries([key], many=False)
    found = noisy.fit(entry)
    expected = joined_answers([alone(noisy, part, **params) for part in noisy.parts])
    assert found.answers.labels == expected.labels
    np.testing.assert_allclose(
        np.asarray(found.answers.probabilities), np.asarray(expected.probabilities)
    )
    mine = found.classifier.get_params()
    assert (mine["read_out"], mine["read_out_params"]) == (
        params.get("read_out", "super-neurons"), params.get("read_out_params"),
    )  # fmt: skip
    assert found.classifier.site_ == entry.site
    assert mine["random_state"] == 3
    assert mine["max_layer"] is None


def test_read_outs_are_told_apart_by_what_they_answer(noisy: Contest) -> None:
    """Else the test before this one could not fail."""
    keys = ["super-neurons", "super-neurons-all-layers", "paper", "paper-mean", "savs"]
    rows = [noisy.fit(e).answers.probabilities for e in chosen_entries(keys, many=False)]
    assert len({np.asarray(row).tobytes() for row in rows}) == len(keys)


@pytest.mark.parametrize("layer", [1, 3])
def test_up_to_a_layer_a_read_out_has_no_depth_to_choose(noisy: Contest, layer: int) -> None:
    entry = chosen_entries(["super-neurons"], many=False)[0]
    params = {"read_out_params": {"tolerance": None}, "max_layer": layer}
    expected = joined_answers([alone(noisy, part, **params) for part in noisy.parts])
    found = noisy.up_to(entry, layer)
    assert found.labels == expected.labels
    np.testing.assert_allclose(np.asarray(found.probabilities), np.asarray(expected.probabilities))
    choosing = [alone(noisy, part, max_layer=layer) for part in noisy.parts]
    chosen = np.asarray(joined_answers(choosing).probabilities)
    # One layer leaves nothing to choose; of three it would have taken fewer.
    assert np.array_equal(chosen, np.asarray(found.probabilities)) == (layer == 1)


def test_parameters_of_an_entry_hold_up_to_a_layer_too(noisy: Contest) -> None:
    (entry,) = chosen_entries(["paper-mean"], many=False)
    params = {"read_out": "paper", "read_out_params": dict(entry.params), "max_layer": 2}
    expected = joined_answers([alone(noisy, part, **params) for part in noisy.parts])
    found = noisy.up_to(entry, 2)
    np.testing.assert_allclose(np.asarray(found.probabilities), np.asarray(expected.probabilities))


def test_what_only_a_later_layer_knows_is_not_known_before(llava: VLM, planted: Any) -> None:
    records = bright_records(40)
    truth = np.array([record.label == "yes" for record in records])
    states = np.random.default_rng(0).normal(size=(40, 4, 32))
    states[:, 2, :8] += np.where(truth, 4.0, -4.0)[:, None]
    late = planted(llava, records, two_parts(records[:24], records[24:]), states)
    entry = chosen_entries(["super-neurons"], many=False)[0]
    right = [
        np.mean([a == r.label for a, r in zip(late.up_to(entry, k).labels, late.test, strict=True)])
        for k in (1, 2, 3, 4)
    ]
    assert max(right[:2]) < 0.85
    assert right[2] == right[3] == 1
    assert late.fit(entry).classifier.exit_layer_ == 3


def test_no_record_is_answered_by_what_was_fitted_on_it(noisy: Contest, planted: Any) -> None:
    """Turning the label of a record changes the answers to other folds, never to its own."""
    entry = chosen_entries(["logistic"], many=False)[0]
    before = noisy.fit(entry).answers
    own = set(noisy.parts[0].test.tolist())
    turned = [
        replace(r, label={"yes": "no", "no": "yes"}[str(r.label)]) if i in own else r
        for i, r in enumerate(noisy.records)
    ]
    states = noisy.pools["direct"].captured.activations.astype(np.float64)
    after = planted(noisy.vlm, turned, list(noisy.parts), states).fit(entry).answers
    n = len(own)
    assert after.labels[:n] == before.labels[:n]
    np.testing.assert_array_equal(
        np.asarray(after.probabilities)[:n], np.asarray(before.probabilities)[:n]
    )
    assert after.labels[n:] != before.labels[n:]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_test_records_changes_no_answer(noisy: Contest, seed: int) -> None:
    entry = chosen_entries(["paper"], many=False)[0]
    part = noisy.parts[0]
    order = np.random.default_rng(seed).permutation(len(part.test))
    straight = replace(noisy, parts=[part])
    mixed = replace(noisy, parts=[Part(part.train, part.test[order])])
    for ask in (
        lambda c: c.fit(entry).answers,
        lambda c: c.by_logits(calibrated=True),
        lambda c: c.by_logits(calibrated=False),
        lambda c: c.majority(),
        lambda c: c.text_only(),
    ):
        labels = ask(straight).labels
        assert [labels[i] for i in order] == ask(mixed).labels


def test_a_lens_answers_by_the_layer_that_did_best_on_the_records_fitted_on(
    noisy: Contest,
) -> None:
    assert noisy.base.words is not None
    lens = logit_lens(noisy.vlm, noisy.pools["direct"].captured.activations, noisy.base.words)
    for calibrated in (False, True):
        answers, layer = noisy.by_lens(calibrated=calibrated)
        best, expected = [], []
        for part in noisy.parts:
            train, test = ([noisy.records[i] for i in rows] for rows in (part.train, part.test))
            k = best_lens_layer(
                noisy.base, train, lens[part.train], calibrated=calibrated, seed=noisy.seed
            )
            known, asked = lens[part.train, k - 1], lens[part.test, k - 1]
            raw = noisy.base.raw(test, asked)
            learnt = noisy.base.calibrated(train, known, test, asked)
            expected += learnt if calibrated else raw
            best.append(k)
        assert layer == best[0]
        assert answers.labels == expected


def test_where_nothing_is_crossed_a_doubtful_record_is_said_at_once(llava: VLM) -> None:
    once = bright_records(24)
    records = [*once, replace(once[0], label="yes"), *bright_records(6, seed=1)]
    with pytest.warns(DataWarning, match="contradicting labels"):
        contest = contest_of(llava, records, two_parts(records[:25], records[25:]))
    with pytest.warns(DataWarning, match="same activations"):
        contest.fit(ENTRIES[0])


def test_records_with_options_of_their_own_are_asked_by_letter(llava: VLM, planted: Any) -> None:
    records = choices(36)
    states = np.random.default_rng(0).normal(size=(36, 4, 32))
    own = planted(llava, records, two_parts(records[:24], records[24:]), states)
    (pool,) = own.pools.values()
    assert (own.native, own.many) == ("lettered", True)
    assert own.pool(chosen_entries(["super-neurons"], many=True)[0]) is pool
    raw = own.by_logits(calibrated=False)
    for record, label, row in zip(own.test, raw.labels, own.logits[24:], strict=True):
        options = record.options or ()
        assert label == options[int(np.argmax(row[: len(options)]))]
    found = own.fit(chosen_entries(["super-neurons"], many=True)[0]).answers
    assert found.probabilities is not None
    assert found.probabilities.shape == (12, 3)
    for record, label, row in zip(own.test, found.labels, found.probabilities, strict=True):
        options = record.options or ()
        assert label == options[int(np.argmax(row[: len(options)]))]
        assert row[len(options) :].tolist() == [0.0] * (3 - len(options))
        assert row.sum() == pytest.approx(1)


def test_each_is_asked_in_the_form_that_its_read_out_can_answer(noisy: Contest) -> None:
    direct, unrolled = noisy.pools["direct"], replace(noisy.pools["direct"])
    three = replace(noisy, labels=("a", "b", "c"), pools={"direct": direct, "unrolled": unrolled})
    assert (three.native, three.many) == ("direct", True)
    keys = ["super-neurons", "super-neurons-by-option", "paper"]
    pools = [three.pool(entry) for entry in chosen_entries(keys, many=True)]
    assert [pool is unrolled for pool in pools] == [False, True, True]


@pytest.mark.parametrize(
    "prompt", [Prompt("question-first"), Prompt(template="{pictures}Q: {question} A:")]
)
def test_classifiers_are_asked_as_the_contest_was(noisy: Contest, prompt: Prompt) -> None:
    entry = chosen_entries(["paper"], many=False)[0]
    assert replace(noisy, prompt=prompt).fit(entry).classifier.prompt == prompt
    assert noisy.fit(entry).classifier.prompt == Prompt()


def test_a_label_that_was_never_fitted_on_has_no_share(llava: VLM, planted: Any) -> None:
    records = [replace(r, question="How bright?") for r in (*bright_records(24), *shades(12))]
    states = np.random.default_rng(0).normal(size=(36, 4, 32))
    contest = planted(llava, records, [Part(np.arange(24), np.arange(24, 36))], states)
    assert contest.labels == ("dark", "grey", "no", "pale", "yes")
    found = contest.fit(chosen_entries(["super-neurons"], many=True)[0]).answers
    assert found.probabilities is not None
    assert found.probabilities[:, [0, 1, 3]].max() == 0
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert set(found.labels) <= {"no", "yes"}
