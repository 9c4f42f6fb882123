from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.activations.capture import capture, capture_batch, to_float16
from superneurons.errors import ResourceError
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM


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
