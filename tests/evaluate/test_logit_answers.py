from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices, shades
from superneurons.errors import ModelError
from superneurons.evaluate import logit_answers as module
from superneurons.evaluate.logit_answers import best_lens_layer, logit_answers
from superneurons.evaluate.rivals import BaseTask, base_task
from superneurons.probes.logits import CalibratedLogits
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

LABELS = ("no", "yes")


@pytest.fixture(scope="module")
def yes_no(llava: VLM) -> BaseTask:
    return base_task(llava, bright_records(4), LABELS)


def knowing(records: list[Record], *, bias: float, strength: float = 2.0) -> np.ndarray:
    """Logits that know the answer, but lean towards "yes"."""
    return np.array([[0.0, bias + strength * (r.label == "yes")] for r in records], np.float32)


def test_raw_answers_are_the_largest_logit(yes_no: BaseTask) -> None:
    records = bright_records(6)
    logits = knowing(records, bias=-1)
    found = logit_answers(yes_no, (records, logits), (records, logits), calibrated=False)
    assert found.labels == [r.label for r in records]
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities[1], [1 / (1 + np.e), np.e / (1 + np.e)])


def test_calibration_takes_a_bias_out_and_learns_from_others_only(yes_no: BaseTask) -> None:
    train, test = bright_records(40), bright_records(10, seed=1)
    pair = [(rows, knowing(rows, bias=5)) for rows in (train, test)]
    raw, found = (logit_answers(yes_no, *pair, calibrated=which) for which in (False, True))
    assert set(raw.labels) == {"yes"}
    assert found.labels == [r.label for r in test]
    swapped = [replace(r, label="yes" if r.label == "no" else "no") for r in test]
    again = logit_answers(yes_no, pair[0], (swapped, pair[1][1]), calibrated=True)
    assert again.labels == found.labels


def test_one_label_only_leaves_the_logits_raw(yes_no: BaseTask) -> None:
    only = [r for r in bright_records(8) if r.label == "no"]
    test = bright_records(4)
    logits = knowing(test, bias=-1)
    found = logit_answers(yes_no, (only, knowing(only, bias=0)), (test, logits), calibrated=True)
    assert found.labels == [r.label for r in test]


def test_a_letter_that_a_record_has_not_is_never_answered(llava: VLM) -> None:
    records = choices(6)
    task = base_task(llava, records, ())
    logits = np.tile(np.array([[0.0, 1.0, 9.0]], np.float32), (6, 1))
    found = logit_answers(task, (records, logits), (records, logits), calibrated=False)
    for record, label, row in zip(records, found.labels, found.probabilities, strict=True):  # type: ignore[arg-type]
        own = record.options or ()
        assert label == own[-1]
        assert row.sum() == pytest.approx(1)
        assert (row[len(own) :] == 0).all()


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_best_layer_is_found_and_the_last_one_is_not_a_lens(
    yes_no: BaseTask, calibrated: bool
) -> None:
    records = bright_records(40)
    rng = np.random.default_rng(0)
    lens = rng.normal(size=(40, 5, 2)).astype(np.float32)
    lens[:, 2] = knowing(records, bias=-1)
    lens[:, 4] = knowing(records, bias=-1, strength=20)
    assert best_lens_layer(yes_no, records, lens, calibrated=calibrated, seed=0) == 3


def test_a_biased_layer_is_of_use_to_the_calibrated_lens_only(yes_no: BaseTask) -> None:
    records = bright_records(40)
    lens = np.zeros((40, 3, 2), np.float32)
    lens[:, 0] = knowing(records, bias=-1)
    lens[:8, 0] = lens[7::-1, 0]  # a fifth of its answers are wrong
    lens[:, 1] = knowing(records, bias=50)
    assert best_lens_layer(yes_no, records, lens, calibrated=True, seed=0) == 2
    assert best_lens_layer(yes_no, records, lens, calibrated=False, seed=0) == 1


def test_of_equal_layers_the_first_is_taken(yes_no: BaseTask) -> None:
    records = bright_records(20)
    lens = np.repeat(knowing(records, bias=-1)[:, None], 4, axis=1)
    assert best_lens_layer(yes_no, records, lens, calibrated=True, seed=0) == 1


def test_without_label_words_there_is_no_lens(yes_no: BaseTask) -> None:
    lens = np.zeros((4, 3, 2), np.float32)
    with pytest.raises(ModelError, match="told apart"):
        best_lens_layer(
            replace(yes_no, words=None), bright_records(4), lens, calibrated=False, seed=0
        )


def test_calibration_of_the_lens_never_sees_what_it_answers(
    yes_no: BaseTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold is answered by what was fitted on the others; groups are on one side only."""
    seen: list[tuple[set[float], set[float]]] = []

    class Listening(CalibratedLogits):
        def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
            self.known = set(np.asarray(X)[:, 0].tolist())
            return super().fit(X, y, groups)

        def decision_function(self, X: Any) -> Any:
            seen.append((self.known, set(np.asarray(X)[:, 0].tolist())))
            return super().decision_function(X)

    monkeypatch.setattr(module, "CalibratedLogits", Listening)
    records = [replace(r, group=f"g{i // 2}") for i, r in enumerate(bright_records(40))]
    lens = np.random.default_rng(0).normal(size=(40, 3, 2)).astype(np.float32)
    lens[:, :, 0] = np.arange(40)[:, None]  # which record it is
    best_lens_layer(yes_no, records, lens, calibrated=True, seed=0)
    assert len(seen) == 2 * 5  # two layers before the last, five folds
    for known, asked in seen:
        assert not known & asked
        assert len(known | asked) == 40
        assert not {k // 2 for k in known} & {k // 2 for k in asked}
    for layer in (seen[:5], seen[5:]):
        assert sorted(k for _, asked in layer for k in asked) == list(range(40))


def test_three_labels_are_calibrated_and_an_unseen_one_is_never_answered(llava: VLM) -> None:
    names = ("dark", "grey", "pale")
    task = base_task(llava, shades(3), names)
    train, test = shades(30), shades(9, seed=1)
    rng = np.random.default_rng(0)

    def leaning(records: list[Record]) -> np.ndarray:
        logits = np.array([[3.0 * (r.label == name) for name in names] for r in records])
        return (logits + [0, 0, 20] + rng.normal(size=logits.shape) / 10).astype(np.float32)

    pair = (train, leaning(train)), (test, leaning(test))
    assert set(logit_answers(task, *pair, calibrated=False).labels) == {"pale"}
    found = logit_answers(task, *pair, calibrated=True)
    assert found.labels == [r.label for r in test]
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    keep = [i for i, r in enumerate(train) if r.label != "pale"]
    two = ([train[i] for i in keep], pair[0][1][keep])
    without = logit_answers(task, two, pair[1], calibrated=True)
    assert without.probabilities is not None
    assert without.probabilities[:, 2].max() == 0
    assert set(without.labels) == {"dark", "grey"}


def test_letters_are_weighed_as_places_for_the_lens(llava: VLM) -> None:
    """Judged by mean recall of places: always "A" is at chance, however frequent "A" is."""
    records = choices(30)
    task = base_task(llava, records, ())
    lens = np.zeros((30, 3, 3), np.float32)
    lens[:, 0, 0] = 5.0
    for row, record in enumerate(records):
        lens[row, 1, (record.options or ()).index(str(record.label))] = 5.0
    lens[:10, 1] = 0
    for calibrated in (False, True):
        assert best_lens_layer(task, records, lens, calibrated=calibrated, seed=0) == 2


def test_a_model_of_one_layer_has_that_one_for_a_lens(yes_no: BaseTask) -> None:
    records = bright_records(10)
    lens = knowing(records, bias=-1)[:, None]
    for calibrated in (False, True):
        assert best_lens_layer(yes_no, records, lens, calibrated=calibrated, seed=0) == 1
