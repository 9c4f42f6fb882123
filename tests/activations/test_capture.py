from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from superneurons.activations.capture import capture, capture_batch, to_float16
from superneurons.errors import ResourceError
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt


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
