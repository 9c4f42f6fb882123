from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.activations.capture import capture
from superneurons.errors import DataError, MissingExtraError, ModelError
from superneurons.evaluate import lora, lora_frozen
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.entrants import CALIBRATED
from superneurons.evaluate.lora import LORA, LoraRival, check_sizes, compare_lora
from superneurons.evaluate.lora_adapters import adapter_weights
from superneurons.evaluate.lora_training import LoraSettings, Tuned, train_lora
from superneurons.evaluate.rivals import base_task
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt
from weights import hashed

OURS, PAPER = "Super Neurons, improved", "Super Neurons, paper's rule"
QUICK = LoraSettings(rank=4, rates=(1e-2,), steps=12, looks=3)


def rows(rival: LoraRival) -> dict[str, Any]:
    return {row.name: row for row in rival.comparison.rows}


@pytest.fixture(scope="module")
def curve(llava: VLM) -> list[LoraRival]:
    probe, test = bright_records(40), bright_records(24, seed=1)
    before, heard = hashed(llava), []
    found = compare_lora(
        llava, probe, test, settings=QUICK, sizes=(40, 16), repeats=2, told=heard.append
    )
    assert heard == found
    assert hashed(llava) == before
    assert not adapter_weights(llava)
    return found


def test_both_learn_an_easy_question_from_the_same_records(curve: list[LoraRival]) -> None:
    assert [rival.n_probe for rival in curve] == [16, 40]
    found = rows(curve[-1])
    assert list(found) == [FIRST_TOKEN, CALIBRATED, OURS, PAPER, *LORA.values()]
    for name in (OURS, LORA[False]):
        assert found[name].scores.balanced_accuracy > 0.9
        assert found[name].scores.n == 24
    tuned = curve[-1].tuned
    assert tuned["trained_on"] + tuned["held_out"] == 40
    assert tuned["chosen"] in tuned["looks"]


def test_rows_that_need_no_training_are_those_of_a_comparison(
    llava: VLM, curve: list[LoraRival]
) -> None:
    probe, test = bright_records(40), bright_records(24, seed=1)
    known = {
        row.name: row
        for row in compare(
            llava, probe, test, read_outs=["super-neurons", "paper"], generate=False, repeats=0,
            shuffles=20,
        ).rows
    }  # fmt: skip
    # All 40 in another order: what a read-out chooses doesn't depend on that.
    for name in (FIRST_TOKEN, CALIBRATED, OURS, PAPER):
        assert rows(curve[-1])[name].answers.labels == known[name].answers.labels


def test_what_learning_took_is_told_of_each_side(curve: list[LoraRival]) -> None:
    for rival in curve:
        assert set(rival.spent) == {CALIBRATED, OURS, PAPER, *LORA.values()}
        assert all(spent.seconds > 0 for spent in rival.spent.values())
        assert rival.spent[LORA[False]] == rival.spent[LORA[True]]
        assert rival.spent[OURS].seconds > rival.spent[CALIBRATED].seconds
    small, large = (rival.spent[CALIBRATED] for rival in curve)
    assert small.seconds < large.seconds  # the larger set holds the smaller one


def test_answers_are_timed_and_the_first_is_compared_with_all(curve: list[LoraRival]) -> None:
    found = rows(curve[0])
    assert found[OURS].lead is None
    for name in (FIRST_TOKEN, CALIBRATED, PAPER, *LORA.values()):
        assert found[name].lead is not None
        assert found[name].timing.repeats == 2
    assert found[LORA[True]].timing == found[LORA[False]].timing
    assert found[OURS].exit_layer < found[LORA[False]].exit_layer == 4
    assert curve[0].comparison.recommendation is None


def test_it_can_be_kept_as_json(curve: list[LoraRival]) -> None:
    kept = json.loads(json.dumps(curve[0].as_dict()))
    assert kept["n_probe"] == 16
    assert kept["learning"][OURS]["seconds"] == curve[0].spent[OURS].seconds
    assert kept["lora"]["settings"]["rates"] == [1e-2]
    assert kept["setting"]["weight_bytes"] > 10_000


def test_the_same_seed_gives_the_same_answers(llava: VLM) -> None:
    probe, test = murky(30), murky(20, seed=1)
    one, same = (compare_lora(llava, probe, test, settings=QUICK, repeats=0)[0] for _ in range(2))
    assert one.tuned == same.tuned
    for name, row in rows(one).items():
        assert row.answers.labels == rows(same)[name].answers.labels
        if row.answers.probabilities is not None:
            np.testing.assert_array_equal(
                row.answers.probabilities, rows(same)[name].answers.probabilities
            )


@pytest.mark.parametrize(("made", "better_than"), [(shades, 0.6), (choices, 0.4)])
def test_tasks_with_more_answers_have_all_rows(
    llava: VLM, made: Any, better_than: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    per_option: list[int] = []

    def listening(vlm: VLM, records: Any, **options: Any) -> Any:
        if options["words"] is None:
            per_option.append(len(records))
        return capture(vlm, records, **options)

    monkeypatch.setattr(lora_frozen, "capture", listening)
    found = compare_lora(llava, made(48), made(24, seed=1), settings=QUICK, repeats=0)[0]
    assert list(rows(found)) == [FIRST_TOKEN, CALIBRATED, OURS, PAPER, *LORA.values()]
    assert rows(found)[OURS].scores.balanced_accuracy > better_than
    assert sum(per_option) > 2 * 48, "the paper's rule asks per option, in passes of its own"
    assert found.spent[PAPER].seconds > 0
    assert found.as_dict()["setting"]["probing_records"] == 48


def test_small_sets_have_every_label_as_evenly_as_can_be(llava: VLM) -> None:
    many, few = bright_records(40)[::2], bright_records(12)[1::2]
    probe = [*many, *few]  # 20 dark pictures, then 6 bright ones
    found = compare_lora(
        llava, probe, bright_records(16, seed=1), settings=QUICK, sizes=[12], repeats=0
    )[0]
    tuned = found.tuned
    assert tuned["trained_on"] + tuned["held_out"] == 12  # balanced: none was dropped


def test_bad_input_is_refused_before_the_model_runs(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "encode", None)
    probe, test = bright_records(12), bright_records(8, seed=1)
    with pytest.raises(DataError, match="size 3: is not from 4 to the 12") as caught:
        compare_lora(llava, probe, test, sizes=[3, 6, 50])
    assert "size 50" in str(caught.value)
    with pytest.raises(DataError, match="share a picture"):
        compare_lora(llava, probe, probe)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"superneurons\[lora\]"):
        compare_lora(llava, probe, test)


def test_labels_that_start_alike_cant_be_trained(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    probe, test = (
        [replace(r, label={"yes": "cat", "no": "cow"}[str(r.label)]) for r in records]
        for records in (bright_records(12), bright_records(8, seed=1))
    )
    monkeypatch.setattr(VLM, "encode", None)
    with pytest.raises(ModelError, match="can't be told apart") as caught:
        compare_lora(llava, probe, test)
    assert "label 'cat'" in str(caught.value)


def test_sizes_come_in_order_and_once() -> None:
    assert check_sizes([8, 4, 8], 8) == [4, 8]
    assert check_sizes([], 9) == [9]


@dataclass
class Heard:
    """What adapters were trained on, and what came of it."""

    records: list[list[Record]] = field(default_factory=list)
    tuned: list[Tuned] = field(default_factory=list)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found = Heard()

    def listening(vlm: VLM, base: Any, records: Sequence[Record], *own: Any, **more: Any) -> Tuned:
        found.records.append(list(records))
        found.tuned.append(train_lora(vlm, base, records, *own, **more))
        return found.tuned[-1]

    monkeypatch.setattr(lora, "train_lora", listening)
    return found


BRIEF = LoraSettings(rank=1, rates=(1e-2,), steps=2, looks=1)


def test_each_set_is_within_the_next_larger_one_and_none_is_scored_on(
    llava: VLM, heard: Heard, told_steps: Any
) -> None:
    probe, test = murky(24), murky(8, seed=1)
    found = compare_lora(
        llava, probe, test, settings=BRIEF, sizes=(16, 8), repeats=0, seed=4, steps=told_steps
    )
    small, large = ({id(record) for record in records} for records in heard.records)
    assert (len(small), len(large)) == (8, 16)
    assert small < large <= {id(record) for record in probe}
    for rival in found:
        assert list(rival.comparison.test) == test
        assert rival.comparison.setting["probing_records"] == rival.n_probe
        assert "early_exits" not in rival.comparison.setting
        assert all(row.timing is None for row in rival.comparison.rows)
    assert told_steps.of("training LoRA on 8") == [(1, 2), (2, 2)]
    assert told_steps.of("training LoRA on 16") == [(1, 2), (2, 2)]
    assert told_steps.of("timing") == []


def test_rows_of_lora_are_what_its_twin_says_calibrated_on_what_was_held_out(
    llava: VLM, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, prompt = prompts_asked(monkeypatch), Prompt("question-first")
    probe, test = murky(24), murky(12, seed=1)
    found = compare_lora(llava, probe, test, settings=QUICK, repeats=0, prompt=prompt)[0]
    assert set(asked) == {prompt}
    (tuned,) = heard.tuned
    base = base_task(llava, probe, ("no", "yes"))
    held, scored = (base.logits(tuned.vlm, own, prompt=prompt) for own in (tuned.held, test))
    words = np.array(["no", "yes"])
    assert rows(found)[LORA[False]].answers.labels == words[scored.argmax(axis=1)].tolist()
    expected = base.calibrated(tuned.held, held, test, scored)
    assert rows(found)[LORA[True]].answers.labels == expected
    assert found.tuned["weights"] == tuned.weights
    assert found.tuned["held_out"] == len(tuned.held)
    assert {id(r) for r in tuned.held} <= {id(r) for r in probe}


def test_both_sides_learn_from_the_same_balanced_records(llava: VLM, heard: Heard) -> None:
    probe = [r for i, r in enumerate(bright_records(24)) if i % 2 == 0 or i % 6 == 1]
    test = bright_records(6, seed=1)
    compare_lora(llava, probe, test, settings=BRIEF, repeats=0, seed=2)
    (records,) = heard.records
    assert sorted(str(record.label) for record in records) == ["no"] * 4 + ["yes"] * 4
    drawn = probing_set(probe, balanced=True, seed=2)
    assert {r.id for r in records} == {r.id for r in drawn.records}


def test_the_setting_says_how_rows_were_timed(curve: list[LoraRival]) -> None:
    for rival in curve:
        setting = rival.comparison.setting
        assert setting["timing"]["rounds"] == 2
        assert "early_exits" in setting
        assert setting["test_records"] == 24
        assert rival.comparison.null == {}
        assert rival.tuned["settings"]["steps"] == 12
        assert [look["step"] for look in rival.tuned["looks"]] == [0, 4, 8, 12]
        whole = {row.exit_layer for name, row in rows(rival).items() if name not in (OURS, PAPER)}
        assert whole == {4}
        assert rows(rival)[OURS].neurons > 0
        assert rows(rival)[LORA[True]].neurons is None


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_the_first_records_have_every_label_as_often_as_there_are(
    labels: list[str], seed: int
) -> None:
    records = [Record((), "Which?", label=label) for label in labels]
    order = lora._evenly(records, seed)
    assert sorted(order) == list(range(len(labels)))
    assert order == lora._evenly(records, seed)
    for n in range(1, len(labels) + 1):
        taken = [labels[i] for i in order[:n]]
        most = max(map(taken.count, taken))
        for name in set(labels):
            # One less only where the next turn has not come round, or there are no more of it.
            assert taken.count(name) >= min(most - 1, labels.count(name))


def test_of_own_options_the_places_are_even() -> None:
    records = choices(48)
    order = lora._evenly(records, 0)
    places = [(records[i].options or ()).index(str(records[i].label)) for i in order[:12]]
    assert sorted(map(places.count, range(3))) == [4, 4, 4]
    assert order != lora._evenly(records, 1)
