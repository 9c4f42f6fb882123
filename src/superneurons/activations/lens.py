"""The logit lens: what the model would answer if it stopped after a layer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.vlm.answer import LabelWords
from superneurons.vlm.family import part
from superneurons.vlm.head import Head
from superneurons.vlm.model import VLM

__all__ = ["logit_lens"]

_ROWS_AT_ONCE = 1024


@torch.inference_mode()
def logit_lens(vlm: VLM, residual: NDArray[np.float16], words: LabelWords) -> NDArray[np.float32]:
    """Put the model's own final norm and head on the residual stream of every layer.

    Only the rows of the head that belong to label words are computed. After the last layer these
    are the logits that the model answers by, but for the rounding of the activations to float16.

    Parameters
    ----------
    vlm
        The model.
    residual
        Residual stream of N records, shape (N, L, D).
    words
        The label words; tokens of one label are pooled.

    Returns
    -------
    ndarray of shape (N, L, C), float32

    Notes
    -----
    nostalgebraist 2020, "interpreting GPT: the logit lens". Small: it is not trained for any layer
    but the last, which is why it stands in comparisons both raw and calibrated.
    """
    norm = part(vlm.model, vlm.family.norm, family=vlm.family.name)
    tokens = sorted({token for ids in words.tokens for token in ids})
    places = [torch.tensor([tokens.index(token) for token in ids]) for ids in words.tokens]
    head = Head(vlm.model, vlm.family, tokens)
    n, n_layers, width = residual.shape
    rows = torch.from_numpy(np.ascontiguousarray(residual)).reshape(-1, width)
    found = []
    for block in torch.split(rows, _ROWS_AT_ONCE):
        normed = norm(block.to(vlm.device, vlm.dtype)).float()
        logits = head(normed).cpu()
        found.append(torch.stack([logits[:, ids].logsumexp(dim=1) for ids in places], dim=1))
    return np.asarray(torch.cat(found).reshape(n, n_layers, -1).numpy())
