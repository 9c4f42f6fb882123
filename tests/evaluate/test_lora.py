from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError, MissingExtraError, ModelError
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.entrants import CALIBRATED
from superneurons.evaluate.lora import LORA, LoraRival, check_sizes, compare_lora
from superneurons.evaluate.lora_adapters import adapter_weights
from superneurons.evaluate.lora_training import LoraSettings
from superneurons.vlm.model import VLM
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
def test_tasks_with_more_answers_have_all_rows(llava: VLM, made: Any, better_than: float) -> None:
    found = compare_lora(llava, made(48), made(24, seed=1), settings=QUICK, repeats=0)[0]
    assert list(rows(found)) == [FIRST_TOKEN, CALIBRATED, OURS, PAPER, *LORA.values()]
    assert rows(found)[OURS].scores.balanced_accuracy > better_than
    # The paper's rule asks per option, which takes passes of its own.
    assert found.spent[PAPER].seconds > found.spent[CALIBRATED].seconds
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
