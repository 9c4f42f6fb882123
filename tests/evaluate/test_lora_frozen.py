from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.evaluate import lora_frozen as module
from superneurons.evaluate.lora_frozen import Frozen
from superneurons.evaluate.passes import silent
from superneurons.evaluate.spent import Spent
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def test_running_size_by_size_gives_what_one_run_gives(llava: VLM) -> None:
    records = bright_records(14)
    found = Frozen(llava, records, [4, 10], Prompt(), 3, 0, silent)
    whole = capture(llava, records, words=found.base.words)
    pool = found.contest.pools["direct"]
    np.testing.assert_allclose(
        pool.captured.at(Site()).activations.astype(float),
        whole.activations.astype(float), rtol=0.02, atol=0.02,
    )  # fmt: skip
    assert whole.label_logits is not None
    assert found.contest.logits is not None
    np.testing.assert_allclose(found.contest.logits, whole.label_logits, atol=1e-3)
    assert pool.parents.tolist() == list(range(14))
    assert list(found.spent) == [("direct", 4), ("direct", 10), ("direct", 14)]
    seconds = [spent.seconds for spent in found.spent.values()]
    assert seconds == sorted(seconds)


def test_what_asks_per_option_runs_apart(llava: VLM) -> None:
    records = shades(12)
    found = Frozen(llava, records, [6], Prompt(), 8, 0, silent)
    assert set(found.contest.pools) == {"direct", "unrolled"}
    assert len(found.contest.pools["unrolled"].captured) == 36
    assert found.contest.pools["unrolled"].parents.tolist() == np.repeat(range(12), 3).tolist()
    assert set(found.spent) == {(form, n) for form in ("direct", "unrolled") for n in (6, 12)}
    assert [entry.key for entry in found.entries] == ["super-neurons", "paper"]


def test_a_model_that_was_cut_off_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="gives no logits"):
        Frozen(llava.truncated(1), bright_records(8), [4], Prompt(), 8, 0, silent)


def test_records_are_run_once_in_batches_and_told_size_by_size(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, batch_sizes: list[int], told_steps: Any
) -> None:
    """But for one batch at the start of each form: nobody's learning pays for the first pass."""
    prompts = prompts_asked(monkeypatch)
    prompt = Prompt("question-first")
    found = Frozen(llava, shades(9), [3, 6], prompt, 4, 7, told_steps)
    assert told_steps.of("running the model") == [(3, 9), (6, 9), (9, 9)]
    assert told_steps.of("asking per option") == [(9, 27), (18, 27), (27, 27)]
    assert batch_sizes == [4, *[3] * 3, 4, *[4, 4, 1] * 3]
    assert set(prompts) == {prompt}
    contest = found.contest
    assert (contest.seed, contest.prompt, contest.labels) == (7, prompt, ("dark", "grey", "pale"))
    assert (list(contest.parts), contest.test) == ([], [])
    # Only what asks as the base model is asked has its logits along.
    assert contest.pools["unrolled"].captured.label_logits is None
    assert contest.logits is contest.pools["direct"].captured.label_logits


def test_rows_of_each_form_belong_to_their_records(llava: VLM) -> None:
    """Options of their own: two or three questions a record."""
    records = choices(24)
    found = Frozen(llava, records, [4], Prompt(), 4, 0, silent)
    pool = found.contest.pools["unrolled"]
    each = [len(record.options or ()) for record in records]
    assert pool.parents.tolist() == np.repeat(range(24), each).tolist()
    assert len(pool.probing.records) == len(pool.captured) == sum(each)
    for row, parent in enumerate(pool.parents.tolist()):
        assert pool.probing.records[row].images == records[parent].images
    alone = capture(llava, pool.probing.records[-2:])
    np.testing.assert_allclose(
        pool.captured.activations[-2:].astype(float), alone.activations.astype(float),
        rtol=0.02, atol=0.02,
    )  # fmt: skip


def test_what_a_larger_set_took_holds_what_the_smaller_one_took(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece takes a second more than the last, and the memory peak falls."""
    pieces = iter([Spent(1.0, 50), Spent(2.0, 40), Spent(3.0, 30)])

    @contextmanager
    def counted(_: object) -> Iterator[Spent]:
        yield next(pieces)

    monkeypatch.setattr(module, "spending", counted)
    found = Frozen(llava, bright_records(12), [4, 8], Prompt(), 4, 0, silent)
    assert found.spent == {
        ("direct", 4): Spent(1.0, 50), ("direct", 8): Spent(3.0, 50), ("direct", 12): Spent(6.0, 50)
    }  # fmt: skip


def test_labels_that_the_first_token_cannot_tell_are_refused_before_the_model_runs(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "encode", None)
    names = {"no": "cat", "yes": "cow"}
    records = [replace(record, label=names[str(record.label)]) for record in bright_records(8)]
    with pytest.raises(ModelError, match="can't be trained and scored"):
        Frozen(llava, records, [4], Prompt(), 8, 0, silent)
