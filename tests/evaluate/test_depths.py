from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, coloured, murky
from superneurons.errors import DataError
from superneurons.evaluate import depths as module
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison
from superneurons.evaluate.depths import compare_depths
from superneurons.evaluate.null import chance_maximum
from superneurons.evaluate.passes import Passes
from superneurons.evaluate.scoring import score_records
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.timing import Timing
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def compared(vlm: VLM) -> tuple[Comparison, SuperNeuronClassifier]:
    probe, test = bright_records(24), bright_records(16, seed=1)
    return compare_depths(vlm, probe, test, depths=(2, 1, 99), repeats=2)


def test_everything_to_beat_is_there(compared: tuple[Comparison, SuperNeuronClassifier]) -> None:
    names = [row.name for row in compared[0].rows]
    assert names == [
        "majority class",
        "text only",
        GENERATE,
        FIRST_TOKEN,
        "calibrated logits",
        "Super Neurons, paper's rule",
        "Super Neurons, paper's rule, layers ≤ 1",
        "Super Neurons, paper's rule, layers ≤ 2",
        "Super Neurons, shuffled labels",
    ]


def test_a_row_scores_what_its_classifier_would_answer(
    vlm: VLM, compared: tuple[Comparison, SuperNeuronClassifier]
) -> None:
    found, classifier = compared
    test = bright_records(16, seed=1)
    rows = {row.name: row for row in found.rows}
    direct = classifier.score(test)
    assert rows["Super Neurons, paper's rule"].scores.accuracy == direct  # type: ignore[union-attr]
    shallow = SuperNeuronClassifier(vlm, read_out="paper", max_layer=1).fit(bright_records(24))
    row = rows["Super Neurons, paper's rule, layers ≤ 1"]
    assert row.scores.accuracy == shallow.score(test)  # type: ignore[union-attr]
    assert row.exit_layer == 1
    assert row.neurons == len(shallow.neurons_)


def test_the_pictureless_rows_are_at_chance(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    for row in compared[0].rows[:2]:
        assert row.scores is not None
        assert row.scores.balanced_accuracy == 0.5
        assert row.timing is None


def test_each_row_keeps_what_it_answered(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    found, classifier = compared
    truth = [record.label for record in found.test]
    assert len(truth) == 16
    for row in found.rows:
        assert row.answers is not None
        assert row.scores is not None
        assert row.scores.accuracy == np.mean(np.array(row.answers.labels) == truth)
    rows = {row.name: row for row in found.rows}
    ours = rows["Super Neurons, paper's rule"].answers
    assert ours is not None
    assert ours.labels == classifier.predict(bright_records(16, seed=1)).tolist()
    assert ours.probabilities is not None
    assert ours.probabilities.shape == (16, 2)


def test_the_classifiers_can_be_seen_with_what_they_were_fitted_on(llava: VLM) -> None:
    seen: list[Any] = []
    found, first = compare_depths(
        llava, bright_records(24), bright_records(8, seed=1), depths=(1,), repeats=1,
        generate=False, witness=lambda *what: seen.append(what),
    )  # fmt: skip
    ((passes, fitted),) = seen
    assert list(fitted) == [row.name for row in found.rows if row.name in fitted]
    assert next(iter(fitted.values())) is first
    assert len(passes.captured) == 24
    assert len(passes.captured_test) == 8


def test_labels_need_not_be_equally_frequent(llava: VLM) -> None:
    rare = [record for i, record in enumerate(bright_records(30)) if i % 2 or i % 3 == 0]
    found, classifier = compare_depths(
        llava, rare, bright_records(8, seed=1), depths=(1,), generate=False, repeats=1
    )
    assert classifier.probing_["questions"] == 10
    scores = {row.name: row.scores for row in found.rows}
    assert scores["calibrated logits"] is not None


def test_it_is_json_with_its_setting(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    value = json.loads(json.dumps(compared[0].as_dict()))
    assert value["setting"]["probing_records"] == 24
    assert value["setting"]["neurons_searched"] == 128
    assert 0.5 < value["null"]["chance_maximum"] < 1
    assert value["null"]["best_neuron_on_probing_set"] <= 1


def test_read_outs_stand_side_by_side(llava: VLM) -> None:
    found, classifier = compare_depths(
        llava,
        bright_records(24),
        bright_records(8, seed=1),
        read_outs=("super-neurons", "paper"),
        depths=(1,),
        generate=False,
        repeats=1,
    )
    names = [row.name for row in found.rows]
    assert names.index("Super Neurons, improved, layers ≤ 1") < names.index(
        "Super Neurons, paper's rule"
    )
    assert classifier.read_out == "super-neurons"
    assert found.rows[2].scores is None  # it was not asked to generate
    assert found.rows[2].timing is not None


@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers(llava: VLM, options: bool) -> None:
    records = coloured(33, options)
    found, classifier = compare_depths(llava, records[:24], records[24:], depths=(1,), repeats=1)
    assert classifier.form_ == "unrolled"
    scores = {row.name: row.scores for row in found.rows}
    assert all(value is not None and np.isfinite(value.accuracy) for value in scores.values())
    majority = scores["majority class"]
    assert majority is not None
    # with options of their own the right one is always the first, which a majority finds
    assert majority.accuracy == pytest.approx(1 if options else 1 / 3)


def test_the_same_seed_gives_the_same_scores(
    vlm: VLM, compared: tuple[Comparison, SuperNeuronClassifier]
) -> None:
    again, _ = compare_depths(
        vlm, bright_records(24), bright_records(16, seed=1), depths=(2, 1, 99), repeats=1
    )
    assert [row.scores for row in again.rows] == [row.scores for row in compared[0].rows]


def test_restricted_rows_show_what_all_their_layers_give(llava: VLM) -> None:
    probe, test = bright_records(24), bright_records(16, seed=1)
    found, chosen = compare_depths(
        llava, probe, test, read_outs=["super-neurons"], depths=(3,), generate=False, repeats=1
    )
    rows = {row.name: row for row in found.rows}
    every = SuperNeuronClassifier(llava, max_layer=3, read_out_params={"tolerance": None}).fit(
        probe
    )
    restricted = rows["Super Neurons, improved, layers ≤ 3"]
    assert restricted.exit_layer == every.exit_layer_
    assert restricted.neurons == len(every.neurons_)
    by_itself = rows["Super Neurons, improved"]
    assert by_itself.exit_layer == chosen.exit_layer_ < every.exit_layer_


def test_a_picture_on_both_sides_is_refused_before_the_model_runs(
    llava: VLM, batch_sizes: list[int]
) -> None:
    """Neurons would be scored on what chose them."""
    probe = bright_records(12)
    other = [replace(probe[3], question="Is it light?"), *bright_records(6, seed=1)]
    with pytest.raises(DataError, match="1 of 7 test records share a picture"):
        compare_depths(llava, probe, other)
    grouped = [replace(record, group="one place") for record in bright_records(2, seed=1)]
    with pytest.raises(DataError, match="share a picture or a group"):
        compare_depths(llava, [*probe, grouped[0]], grouped[1:])
    assert not batch_sizes


@pytest.fixture(scope="module")
def noisy_rows(llava: VLM) -> tuple[Comparison, Passes, dict[str, SuperNeuronClassifier]]:
    seen: list[Any] = []
    found, _ = compare_depths(
        llava, murky(30), murky(20, seed=1), depths=(1, 1, 4, 9), repeats=2, seed=6,
        witness=lambda *what: seen.extend(what),
    )  # fmt: skip
    return found, seen[0], seen[1]


def test_every_row_is_derived_from_one_pass(
    noisy_rows: tuple[Comparison, Passes, dict[str, SuperNeuronClassifier]],
) -> None:
    found, passes, fitted = noisy_rows
    rows = {row.name: row for row in found.rows}
    labels, test = ("no", "yes"), list(found.test)
    assert list(fitted) == [
        "Super Neurons, paper's rule",
        "Super Neurons, paper's rule, layers ≤ 1",
    ]
    base = passes.base
    assert passes.test_logits is not None
    assert passes.probe_logits is not None
    calibrated = base.calibrated(passes.calibrating, passes.probe_logits, test, passes.test_logits)
    expected = {
        GENERATE: passes.generated,
        FIRST_TOKEN: base.raw(test, passes.test_logits),
        "calibrated logits": calibrated,
    }
    for name, given in expected.items():
        row = rows[name]
        assert row.answers is not None
        assert row.answers.labels == given
        assert row.scores == score_records(test, given or [], labels=labels, seed=6)
        assert row.exit_layer == 4
        assert row.timing is not None
        assert row.timing.repeats == 2
    assert rows["calibrated logits"].timing == rows[FIRST_TOKEN].timing
    for name in ("majority class", "text only", "Super Neurons, shuffled labels"):
        assert rows[name].timing is None
    assert rows["majority class"].exit_layer is None
    for name, classifier in fitted.items():
        given = [one.label for one in classifier.answer_captured(test, passes.captured_test)]
        answers = rows[name].answers
        assert answers is not None
        assert answers.labels == given
        assert classifier.random_state == 6


def test_the_null_row_was_fitted_on_shuffled_labels(
    noisy_rows: tuple[Comparison, Passes, dict[str, SuperNeuronClassifier]], llava: VLM
) -> None:
    found, passes, _ = noisy_rows
    null = SuperNeuronClassifier(llava, read_out="paper", multiclass="unrolled", random_state=6)
    null.fit_captured(passes.probing.shuffled(6), passes.captured)
    row = found.rows[-1]
    given = [one.label for one in null.answer_captured(list(found.test), passes.captured_test)]
    assert row.answers is not None
    assert (row.name, row.answers.labels) == ("Super Neurons, shuffled labels", given)
    assert row.neurons == len(null.neurons_)
    questions = len(passes.probing.records)
    assert found.null["chance_maximum"] == chance_maximum(questions, 4 * 32)
    setting = found.setting
    assert (setting["seed"], setting["timing"]["rounds"]) == (6, 2)
    assert (setting["probing_records"], setting["probing_questions"]) == (30, questions)
    assert "early_exits" in setting


def test_each_round_times_another_record(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds beyond the last record begin with the first again."""
    kept: dict[str, Callable[[int], object]] = {}

    def listening(calls: dict[str, Callable[[int], object]], **_: Any) -> dict[str, Timing]:
        kept.update(calls)
        return {name: Timing(1.0, 1, 1, 1) for name in calls}

    monkeypatch.setattr(module, "time_together", listening)
    test = bright_records(3, seed=1)
    compare_depths(llava, bright_records(12), test, depths=(1,), generate=False)
    asked: list[str] = []
    encode = VLM.encode

    def encoding(vlm: VLM, records: Any, *words: Any, **options: Any) -> Any:
        asked.extend(record.id for record in records)
        return encode(vlm, records, *words, **options)

    monkeypatch.setattr(VLM, "encode", encoding)
    for name in (GENERATE, FIRST_TOKEN):
        asked.clear()
        for number in (0, 2, 3):
            kept[name](number)
        assert asked == ["bright:0", "bright:2", "bright:0"]
