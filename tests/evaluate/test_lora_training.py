from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError, ModelError
from superneurons.evaluate import lora_training
from superneurons.evaluate.lora_adapters import adapter_weights
from superneurons.evaluate.lora_training import Look, LoraSettings, Tuned, train_lora
from superneurons.evaluate.rivals import BaseTask, base_task
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
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
