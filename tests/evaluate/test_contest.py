from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, choices
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.contest import Contest, joined_answers
from superneurons.evaluate.entries import chosen_entries, entry_sites
from superneurons.evaluate.pool import Part, Pool, crossed_parts, two_parts
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

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
