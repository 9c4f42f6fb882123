from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from superneurons.activations.capture import capture, capture_batch, captures, joined, to_float16
from superneurons.activations.site import Site
from superneurons.errors import DataError, ModelError, ResourceError
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt
from superneurons.vlm.taps import KINDS, Kind


def test_shapes_and_order(vlm: VLM, records: list[Record]) -> None:
    found = capture(vlm, records[:5], batch_size=2)
    assert found.activations.shape == (5, 4, 32)
    assert found.activations.dtype == np.float16
    assert found.flat.shape == (5, 128)
    np.testing.assert_array_equal(found.up_to(2), found.flat[:, :64])
    backwards = capture(vlm, records[4::-1], batch_size=2).activations[::-1]
    np.testing.assert_allclose(found.activations, backwards, atol=5e-3)


def test_signs_do_not_depend_on_the_batch_size(vlm: VLM, records: list[Record]) -> None:
    one, many = (capture(vlm, records, batch_size=size).activations for size in (1, 8))
    np.testing.assert_allclose(one, many, atol=5e-3)
    clear = np.abs(one) > 1e-2
    assert clear.mean() > 0.9
    np.testing.assert_array_equal((one > 0)[clear], (many > 0)[clear])


def test_logits_come_along_when_asked(vlm: VLM, records: list[Record]) -> None:
    words = label_words(vlm.processor, ["no", "yes"])
    found = capture(vlm, records[:3], words=words)
    full = vlm.last_states(vlm.encode(records[:3]), logits=True).logits
    assert full is not None
    assert found.label_logits is not None
    np.testing.assert_allclose(found.label_logits, words.pool(full).numpy(), rtol=1e-5)
    assert capture(vlm, records[:3]).label_logits is None


def test_progress_ends_at_the_end(vlm: VLM, records: list[Record]) -> None:
    told: list[tuple[int, int]] = []
    capture(vlm, records[:5], batch_size=2, progress=lambda done, all_: told.append((done, all_)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_batches_of_any_size_are_prepared_ahead_and_come_in_order(
    vlm: VLM, records: list[Record]
) -> None:
    batches = [records[:1], records[1:4], records[4:6], records[6:]]
    found = list(captures(vlm, batches))
    assert [len(part) for part in found] == [1, 3, 2, 6]
    for part, batch in zip(found, batches, strict=True):
        np.testing.assert_array_equal(part.flat, capture_batch(vlm, batch).flat)


def test_what_was_captured_before_a_bad_picture_is_told(
    vlm: VLM, records: list[Record], tmp_path: Path
) -> None:
    broken = [*records[:5], replace(records[5], images=(tmp_path / "missing.png",)), *records[6:]]
    told: list[int] = []
    with pytest.raises(DataError, match="no such picture"):
        capture(vlm, broken, batch_size=2, progress=lambda done, _: told.append(done))
    assert told == [2, 4]
    assert not [t for t in threading.enumerate() if t.name.startswith("superneurons-ahead")]


def test_too_little_memory_for_a_later_batch_names_it(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = VLM.encode

    def full(self: VLM, batch: list[Record], *rest: Any) -> Inputs:
        if batch[0] is records[4]:
            raise MemoryError
        return encode(self, batch, *rest)

    monkeypatch.setattr(VLM, "encode", full)
    with pytest.raises(ResourceError, match="batch of 2 records") as caught:
        capture(vlm, records[:8], batch_size=2)
    assert f"{records[4].id} … {records[5].id}" in str(caught.value)


def test_a_huge_activation_keeps_its_sign_and_stays_finite() -> None:
    halves = to_float16(torch.tensor([[1e6, -1e30, 3.0]]))
    assert halves.tolist() == [[65504.0, -65504.0, 3.0]]


def test_too_large_a_batch_says_so(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(VLM, "last_states", full)
    with pytest.raises(ResourceError, match="batch of 3 records") as caught:
        capture_batch(vlm, records[:3])
    assert "smaller batch size" in str(caught.value)


def test_a_cut_model_gives_the_first_layers(vlm: VLM, records: list[Record]) -> None:
    whole = capture(vlm, records[:6], batch_size=3)
    for depth in (1, 3):
        cut = capture(vlm.truncated(depth), records[:6], batch_size=3)
        assert cut.activations.shape == (6, depth, 32)
        np.testing.assert_array_equal(cut.flat, whole.up_to(depth))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_says_much_the_same(vlm: VLM, records: list[Record], dtype: str) -> None:
    half = capture(open_vlm(vlm.name, device="cpu", dtype=dtype), records[:6]).flat
    full = capture(vlm, records[:6]).flat
    assert half.dtype == np.float16
    assert np.isfinite(half).all()
    assert np.corrcoef(half.ravel(), full.ravel())[0, 1] > 0.99


def test_the_prompt_order_and_each_picture_reach_the_activations(
    vlm: VLM, records: list[Record]
) -> None:
    double = replace(records[0], images=records[0].images + records[1].images)
    plain = capture(vlm, [records[0]]).activations
    for other in (
        capture(vlm, [records[0]], prompt=Prompt("question-first")),
        capture(vlm, [double]),
        capture(vlm, [replace(records[0], question="Est-ce clair ?")]),
    ):
        assert not np.allclose(other.activations, plain, atol=1e-3)


def test_what_a_record_is_called_or_labelled_does_not_reach_the_model(
    vlm: VLM, records: list[Record]
) -> None:
    renamed = [replace(r, label=None, id="x", group="g", options=("a", "b")) for r in records[:4]]
    one, other = capture(vlm, records[:4]), capture(vlm, renamed)
    np.testing.assert_array_equal(one.activations, other.activations)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-9, -1e-9, 65504.0, 7e4, -7e4])
def test_signs_outlive_float16(value: float) -> None:
    half = float(to_float16(torch.tensor([[value]]))[0, 0])
    assert np.isfinite(half)
    assert half == 0 or np.sign(half) == np.sign(value)
    assert abs(half) <= 65504


EVERYWHERE = [
    *(Site(kind) for kind in KINDS),
    Site(position="first_generated"),
    Site("heads", "image_mean"),
    Site("residual", "image_max"),
]


def test_all_sites_come_together_and_each_alone_is_the_same(
    vlm: VLM, records: list[Record]
) -> None:
    together = capture(vlm, records[:5], sites=EVERYWHERE, batch_size=2)
    assert list(together.states) == EVERYWHERE
    assert len(together) == 5
    for site in EVERYWHERE:
        alone = capture(vlm, records[:5], sites=[site], batch_size=2)
        assert alone.activations.shape == (5, *vlm.shape(site.kind))
        np.testing.assert_allclose(together.at(site).activations, alone.activations, atol=5e-3)


def test_the_first_generated_token_is_read_as_if_it_had_been_in_the_prompt(
    vlm: VLM, records: list[Record]
) -> None:
    """Greedy answers of different prompts' lengths, one at a time and by hand."""
    site = Site(position="first_generated")
    mixed = [replace(records[0], question="Is it bright, or is it not so?"), *records[1:3]]
    found = capture(vlm, mixed, sites=[site], batch_size=3)
    assert found.first_tokens is not None
    for row, record in enumerate(mixed):
        inputs = vlm.encode([record])
        logits = vlm.last_states(inputs, logits=True).logits
        assert logits is not None
        assert int(logits[0].argmax()) == found.first_tokens[row]
        longer = dict(inputs.tensors)
        longer["input_ids"] = torch.cat([longer["input_ids"], logits.argmax(1)[None]], dim=1)
        for name in set(longer) & {"attention_mask", "mm_token_type_ids"}:
            filler = torch.full((1, 1), int(name == "attention_mask"))
            longer[name] = torch.cat([longer[name], filler], dim=1)
        by_hand = replace(inputs, tensors=longer, last=inputs.last + 1)
        expected = vlm.last_states(by_hand).residual.numpy()
        np.testing.assert_allclose(found.activations[row], expected[0], atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("kind", ["residual", "mlp", "heads"])
def test_a_cut_model_gives_the_same_over_the_pictures(
    vlm: VLM, records: list[Record], kind: Kind
) -> None:
    sites = [Site(kind, "image_mean"), Site(kind, "image_max")]
    whole = capture(vlm, records[:5], sites=sites, batch_size=2)
    cut = capture(vlm.truncated(2), records[:5], sites=sites, batch_size=2)
    for site in sites:
        assert whole.at(site).activations.shape == (5, *vlm.shape(kind))
        np.testing.assert_array_equal(cut.at(site).flat, whole.at(site).up_to(2))


def test_with_the_question_first_the_pictures_tokens_know_it(
    vlm: VLM, records: list[Record]
) -> None:
    """Told after the pictures, it can't reach them: a decoder only looks back."""
    site = Site(position="image_mean")
    # Of the same length, so that the pictures keep their places.
    asked = [replace(records[0], question=question) for question in ("Is it red?", "Is it big?")]
    for order, same in (("picture-first", True), ("question-first", False)):
        one, two = capture(vlm, asked, sites=[site], prompt=Prompt(order)).flat  # type: ignore[arg-type]
        assert np.allclose(one, two, atol=5e-3) is same


def test_it_differs_from_the_last_prompt_token(vlm: VLM, records: list[Record]) -> None:
    both = [Site(), Site(position="first_generated")]
    found = capture(vlm, records[:3], sites=both)
    assert not np.allclose(found.at(both[0]).flat, found.at(both[1]).flat, atol=0.1)


def test_the_first_token_needs_the_whole_model(vlm: VLM, records: list[Record]) -> None:
    with pytest.raises(ModelError, match="cut off after layer 2"):
        capture(vlm.truncated(2), records[:2], sites=[Site(position="first_generated")])


def test_a_site_that_was_not_captured_is_refused(vlm: VLM, records: list[Record]) -> None:
    with pytest.raises(DataError, match="heads was not captured") as caught:
        capture(vlm, records[:2]).at(Site("heads"))
    assert "Captured: residual" in str(caught.value)


def test_rows_keep_everything_of_a_record_together(vlm: VLM, records: list[Record]) -> None:
    words = label_words(vlm.processor, ["no", "yes"])
    found = capture(vlm, records[:5], sites=EVERYWHERE, words=words)
    kept = found.rows(np.array([3, 1]))
    assert len(kept) == 2
    for site in EVERYWHERE:
        np.testing.assert_array_equal(kept.states[site], found.states[site][[3, 1]])
    assert kept.label_logits is not None
    assert found.label_logits is not None
    assert kept.first_tokens is not None
    assert found.first_tokens is not None
    np.testing.assert_array_equal(kept.label_logits, found.label_logits[[3, 1]])
    np.testing.assert_array_equal(kept.first_tokens, found.first_tokens[[3, 1]])
    again = joined([found.rows(np.array([0, 1])), found.rows(np.array([2, 3, 4]))])
    np.testing.assert_array_equal(again.flat, found.flat)
