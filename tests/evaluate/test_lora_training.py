from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError, ModelError
from superneurons.evaluate import lora_training
from superneurons.evaluate.lora_adapters import adapter_weights
from superneurons.evaluate.lora_training import Look, LoraSettings, Tuned, train_lora
from superneurons.evaluate.rivals import BaseTask, base_task
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt
from weights import hashed

QUICK = LoraSettings(rank=4, rates=(1e-2,), steps=16, looks=4)


def asked(vlm: VLM, records: Sequence[Record]) -> BaseTask:
    labels = () if records[0].options else sorted({str(record.label) for record in records})
    return base_task(vlm, records, labels)


def right(vlm: VLM, base: BaseTask, records: Sequence[Record]) -> float:
    given = base.raw(records, base.logits(vlm, records))
    return float(np.mean([a == record.label for a, record in zip(given, records, strict=True)]))


def test_an_easy_question_is_learnt_and_the_model_stays_as_it_was(vlm: VLM) -> None:
    records, others, told = bright_records(40), bright_records(30, seed=1), []
    base, before = asked(vlm, records), hashed(vlm)
    tuned = train_lora(vlm, base, records, QUICK, progress=lambda *n: told.append(n))
    assert right(tuned.vlm, base, others) > 0.9
    assert hashed(vlm) == before
    assert not adapter_weights(vlm)
    assert told == [(n, 16) for n in range(1, 17)]
    assert (tuned.n_trained, len(tuned.held)) == (32, 8)
    assert tuned.weights == sum(w.numel() for w in adapter_weights(tuned.vlm).values())


def test_what_is_kept_is_the_best_that_was_seen(llava: VLM) -> None:
    records = bright_records(40)
    base = asked(llava, records)
    tuned = train_lora(llava, base, records, QUICK)
    assert [look.step for look in tuned.looks] == [0, 4, 8, 12, 16]
    assert tuned.chosen == max(tuned.looks, key=lambda look: look.rank)
    logits = torch.from_numpy(base.logits(tuned.vlm, tuned.held))
    words = base.words.labels if base.words else ()
    truth = torch.tensor([words.index(str(record.label)) for record in tuned.held])
    loss = torch.nn.functional.cross_entropy(logits, truth)
    assert math.isclose(float(loss), tuned.chosen.loss, rel_tol=1e-4, abs_tol=1e-6)


def test_training_that_only_spoils_is_undone(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lora_training, "grouped_split", lambda *_, **__: (np.arange(8, 40), np.arange(8))
    )
    records = bright_records(40)
    base = asked(llava, records)
    # Taught the opposite of what it is judged by, it did best before it learnt anything.
    wrong = {"yes": "no", "no": "yes"}
    lied = [replace(record, label=wrong[str(record.label)]) for record in records[8:]]
    spoilt = train_lora(llava, base, [*records[:8], *lied], QUICK)
    assert spoilt.looks[-1].balanced_accuracy < spoilt.chosen.balanced_accuracy
    assert spoilt.chosen.step == 0
    assert np.array_equal(base.logits(spoilt.vlm, records), base.logits(llava, records))


@pytest.mark.parametrize("made", [shades, choices])
def test_more_answers_and_options_by_letter_are_learnt(llava: VLM, made: object) -> None:
    records: list[Record] = made(48)  # type: ignore[operator]
    base = asked(llava, records)
    settings = LoraSettings(rank=4, rates=(1e-2,), steps=24, looks=4)
    tuned = train_lora(llava, base, records, settings)
    first, best = tuned.looks[0], tuned.chosen
    assert best.balanced_accuracy > first.balanced_accuracy + 0.2
    assert best.loss < first.loss


def test_the_same_seed_gives_the_same_weights(llava: VLM) -> None:
    records = murky(30)
    base = asked(llava, records)
    settings = LoraSettings(rank=2, dropout=0.3, rates=(1e-3,), steps=5, looks=1)

    def trained(seed: int) -> Tuned:
        torch.manual_seed(np.random.default_rng().integers(2**31))  # whatever others draw
        return train_lora(llava, base, records, settings, seed=seed)

    one, same, other = trained(0), trained(0), trained(1)
    assert one.looks == same.looks != other.looks
    for a, b in zip(*(adapter_weights(t.vlm).values() for t in (one, same)), strict=True):
        assert torch.equal(a, b)


def test_of_several_rates_the_best_is_kept_and_all_are_told(llava: VLM) -> None:
    records, told = bright_records(40), []
    base = asked(llava, records)
    settings = LoraSettings(rank=4, rates=(1e-6, 1e-2), steps=8, looks=2)
    tuned = train_lora(llava, base, records, settings, progress=lambda *n: told.append(n))
    assert tuned.chosen.rate == 1e-2
    assert [look.rate for look in tuned.looks] == [1e-6] * 3 + [1e-2] * 3
    assert told == [(n, 16) for n in range(1, 17)]


def test_epochs_are_passes_over_what_is_trained_on(llava: VLM) -> None:
    records, told = bright_records(20), []
    settings = LoraSettings(rank=1, epochs=2, batch_size=5, looks=1)
    tuned = train_lora(
        llava, asked(llava, records), records, settings, progress=lambda *n: told.append(n)
    )
    assert (tuned.n_trained, told[-1]) == (16, (8, 8))  # 4 batches: 5, 5, 5 and 1 record


def test_labels_that_start_alike_and_lonely_labels_are_refused(llava: VLM) -> None:
    records = bright_records(8)
    with pytest.raises(ModelError, match="can't be told apart"):
        train_lora(llava, base_task(llava, records, ["cat", "cow"]), records, QUICK)
    with pytest.raises(DataError, match="each label needs two groups"):
        train_lora(llava, asked(llava, records), records[:3], QUICK)
    with pytest.raises(ModelError, match="gives no logits"):
        train_lora(llava.truncated(2), asked(llava, records), records, QUICK)


def test_all_that_is_wrong_with_settings_is_said_at_once() -> None:
    with pytest.raises(DataError) as caught:
        LoraSettings(
            rank=0, alpha=0, dropout=1.0, rates=(2.0,), epochs=0, steps=0, batch_size=0, held_out=1
        )
    said = str(caught.value)
    for name in ["rank", "alpha", "dropout", "rates", "epochs", "steps", "batch_size", "held_out"]:
        assert f"\n  {name}: " in said
    with pytest.raises(DataError, match=r"rates: are \[\]"):
        LoraSettings(rates=())


def test_looks_are_ranked_by_accuracy_and_then_by_certainty() -> None:
    sure, unsure = Look(1e-3, 5, 0.8, 0.1), Look(1e-3, 2, 0.8, 0.6)
    assert max(Look(1e-3, 9, 0.7, 0.0), unsure, sure, key=lambda look: look.rank) is sure


def run_of(vlm: VLM, n: int, **settings: int) -> lora_training._Run:
    records = bright_records(n)
    base = asked(vlm, records)
    assert base.words is not None
    own = LoraSettings(**settings)  # type: ignore[arg-type]
    return lora_training._Run(base, base.words, records, records[:2], own, None, 0, None)


def test_each_pass_gives_every_record_once_in_an_order_of_its_own(llava: VLM) -> None:
    run = run_of(llava, 14, epochs=3, batch_size=4)
    batches = list(run._batches())
    assert [len(batch) for batch in batches] == [4, 4, 4, 2] * 3
    passes = [
        [record.id for batch in batches[start : start + 4] for record in batch]
        for start in (0, 4, 8)
    ]
    everyone = sorted(record.id for record in run.trained)
    assert all(sorted(one) == everyone for one in passes)
    assert len({tuple(one) for one in passes}) == 3


def test_steps_that_are_given_end_within_a_pass(llava: VLM) -> None:
    run = run_of(llava, 14, epochs=3, batch_size=4, steps=5)
    assert run.steps == len(list(run._batches())) == 5


@pytest.mark.parametrize("steps", [1, 2, 7, 40, 300])
def test_the_rate_rises_for_a_tenth_and_falls_to_nothing(llava: VLM, steps: int) -> None:
    run = run_of(llava, 4, steps=steps)
    shares = np.array([run._share(step) for step in range(steps + 1)])
    warm = max(1, round(steps / 10))
    assert shares.max() == pytest.approx(1, abs=1 / warm)
    np.testing.assert_allclose(shares[:warm], np.arange(1, warm + 1) / warm)
    left = steps - np.arange(warm, steps + 1)
    np.testing.assert_allclose(shares[warm:], left / max(1, steps - warm))
    assert (shares[:steps] > 0).all()
    assert shares[steps] == 0


def test_the_loss_is_the_cross_entropy_over_what_a_record_allows(llava: VLM) -> None:
    """A third option that a record does not have takes nothing from the two it has."""
    records = choices(12)
    base = asked(llava, records)
    assert base.words is not None
    run = lora_training._Run(base, base.words, records, records, LoraSettings(), None, 0, None)
    logits = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    expected = []
    for row, record in zip(logits, records, strict=True):
        options = record.options or ()
        odds = np.exp(row[: len(options)])
        expected.append(-np.log(odds[options.index(str(record.label))] / odds.sum()))
    found = run._loss(torch.from_numpy(logits), records)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_what_is_held_out_is_never_trained_on(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Record] = []
    encoded = lora_training._Run._encoded

    def listening(run: lora_training._Run, vlm: VLM, batch: Sequence[Record]) -> object:
        seen.extend(batch)
        return encoded(run, vlm, batch)

    monkeypatch.setattr(lora_training._Run, "_encoded", listening)
    pairs = [replace(r, group=f"g{i // 4}") for i, r in enumerate(bright_records(40))]
    settings = LoraSettings(rank=1, epochs=1, looks=1)
    tuned = train_lora(llava, asked(llava, pairs), pairs, settings)
    held = {record.group for record in tuned.held}
    assert held
    assert not held & {record.group for record in seen}
    assert len(seen) == tuned.n_trained == 40 - len(tuned.held)


@pytest.mark.parametrize("looks", [1, 3, 16])
def test_the_model_as_it_was_and_the_last_step_are_always_looked_at(llava: VLM, looks: int) -> None:
    records = bright_records(20)
    settings = LoraSettings(rank=1, rates=(1e-4,), steps=5, looks=looks)
    found = [
        look.step for look in train_lora(llava, asked(llava, records), records, settings).looks
    ]
    assert (found[0], found[-1]) == (0, 5)
    assert found == sorted(set(found))
    assert len(found) == {1: 2, 3: 4, 16: 6}[looks]


def test_the_first_step_moves_what_starts_at_nothing_by_the_rate_and_nothing_else(
    llava: VLM,
) -> None:
    """Adam's first step is the sign of the gradient; A has none while B is 0, and no decay."""
    run = run_of(llava, 8, steps=1, rank=2)
    adapted = run._adapted(llava)
    before = {name: w.detach().clone() for name, w in adapter_weights(adapted).items()}
    assert list(run._trained(adapted, 0.01)) == [1]
    moved = 0
    for name, weight in adapter_weights(adapted).items():
        step = (weight.detach() - before[name]).abs()
        if "lora_A" in name:
            assert not step.any(), "A changed"
        else:
            assert not before[name].any()
            assert step.max() <= 0.01 * 1.0001
            moved += int((step > 0.0099).sum())
    assert moved > 20


def test_everything_is_asked_in_the_prompt_given_and_looked_at_in_batches(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, batch_sizes: list[int]
) -> None:
    heard, prompt = prompts_asked(monkeypatch), Prompt("question-first")
    records = bright_records(20)
    own = LoraSettings(rank=1, rates=(1e-3,), steps=2, looks=1, batch_size=3)
    tuned = train_lora(llava, asked(llava, records), records, own, prompt=prompt)
    assert set(heard) == {prompt}
    assert set(batch_sizes) <= {1, 3}
    assert (len(tuned.held), tuned.n_trained) == (4, 16)
    assert sum(batch_sizes) >= 4 + 3 + 3 + 4


def test_a_look_is_the_mean_recall_and_the_mean_loss_of_what_is_held_out(llava: VLM) -> None:
    records = [*murky(24), *[r for r in murky(12, seed=1) if r.label == "no"]]
    base = asked(llava, records)
    own = LoraSettings(rank=1, rates=(1e-3,), steps=1, looks=1, held_out=0.4)
    tuned = train_lora(llava, base, records, own, seed=3)
    first = tuned.looks[0]
    logits = base.logits(llava, tuned.held).astype(np.float64)
    truth = np.array([record.label == "yes" for record in tuned.held])
    said = logits[:, 1] > logits[:, 0]
    recalls = [np.mean(said[truth == value] == value) for value in (False, True)]
    assert first.balanced_accuracy == pytest.approx(np.mean(recalls))
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = -np.log(odds[np.arange(len(truth)), truth.astype(int)])
    assert first.loss == pytest.approx(losses.mean(), rel=1e-4)
    assert (first.rate, first.step) == (1e-3, 0)
    assert len(tuned.held) > 10


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("rank", 1, 0),
        ("looks", 1, 0),
        ("steps", 1, 0),
        ("alpha", 1e-9, 0.0),
        ("alpha", 1e9, float("inf")),
        ("dropout", 0.0, -0.1),
        ("dropout", 0.99, 1.0),
        ("rates", (0.999,), (1.0,)),
        ("rates", (1e-9,), (1e-3, 0.0)),
        ("held_out", 0.01, 0.0),
        ("held_out", 0.99, 1.0),
    ],
)
def test_a_setting_ends_where_it_says(name: str, good: object, bad: object) -> None:
    assert getattr(LoraSettings(**{name: good}), name) == good  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        LoraSettings(**{name: bad})  # type: ignore[arg-type]
    assert [problem.where for problem in caught.value.problems] == [name]
