from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from superneurons.activations.capture import capture
from superneurons.activations.lens import logit_lens
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords, label_words
from superneurons.vlm.model import VLM


def test_the_last_layer_gives_the_models_own_logits(vlm: VLM, records: list[Record]) -> None:
    words = label_words(vlm.processor, ["no", "yes"])
    found = capture(vlm, records, words=words)
    assert found.label_logits is not None
    lens = logit_lens(vlm, found.activations, words)
    assert lens.shape == (len(records), vlm.n_layers, 2)
    assert lens.dtype == np.float32
    np.testing.assert_allclose(lens[:, -1], found.label_logits, rtol=0.02, atol=0.02)


def test_each_layer_is_normed_and_projected(llava: VLM, records: list[Record]) -> None:
    """Re-derived in NumPy: RMS norm, head, logsumexp over the tokens of a label."""
    words = LabelWords(("a", "b", "c"), ((5,), (7, 9), (11,)))
    residual = capture(llava, records[:3]).activations
    model = cast(Any, llava.model)
    gain = model.model.language_model.norm.weight.numpy()
    eps = model.config.text_config.rms_norm_eps
    head = model.get_output_embeddings().weight.numpy()
    x = residual.astype(np.float64)
    normed = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * gain
    logits = normed @ head.T
    expected = np.stack(
        [logits[..., 5], np.logaddexp(logits[..., 7], logits[..., 9]), logits[..., 11]], axis=-1
    )
    np.testing.assert_allclose(logit_lens(llava, residual, words), expected, rtol=1e-4, atol=1e-4)


def test_blocks_do_not_change_the_result(
    llava: VLM, records: list[Record], monkeypatch: Any
) -> None:
    words = label_words(llava.processor, ["no", "yes"])
    residual = capture(llava, records[:5]).activations
    whole = logit_lens(llava, residual, words)
    monkeypatch.setattr("superneurons.activations.lens._ROWS_AT_ONCE", 3)
    np.testing.assert_allclose(logit_lens(llava, residual, words), whole, rtol=1e-5, atol=1e-6)
    assert not torch.is_inference_mode_enabled()
