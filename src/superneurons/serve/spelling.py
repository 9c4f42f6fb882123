"""The words that the base model's own answers are read from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.errors import ModelError
from superneurons.vlm.answer import LabelWords, label_words
from superneurons.vlm.model import VLM

__all__ = ["Columns", "Speller"]

_MOST_KEPT = 1024


class Speller:
    """Finds label words, once for each set of labels.

    Parameters
    ----------
    vlm
        The base model.
    """

    def __init__(self, vlm: VLM) -> None:
        self._vlm = vlm
        self._known: OrderedDict[tuple[str, ...], LabelWords | None] = OrderedDict()

    def words(self, labels: Sequence[str]) -> LabelWords | None:
        """Return the words of these labels; ``None`` where the first token can't tell them apart.

        Warns
        -----
        DataWarning
            As in :func:`~superneurons.vlm.answer.label_words`.
        """
        wanted = tuple(labels)
        with self._vlm._encoding:  # a tokenizer can be asked by one thread at a time
            if wanted not in self._known:
                try:
                    self._known[wanted] = label_words(self._vlm.processor, wanted)
                except ModelError:
                    self._known[wanted] = None
                if len(self._known) > _MOST_KEPT:
                    self._known.popitem(last=False)
            return self._known[wanted]


class Columns(LabelWords):
    """Some tokens' logits and the log of the sum over all, for questions with different answers.

    Takes the place of label words where a pass pools its logits, so that no more than this leaves
    the device.

    Parameters
    ----------
    words
        All that will be read.
    """

    __slots__ = ()

    def __init__(self, words: Sequence[LabelWords]) -> None:
        ids = sorted({token for each in words for own in each.tokens for token in own})
        super().__init__((), (tuple(ids),))

    def pool(self, logits: torch.Tensor) -> torch.Tensor:
        """Return (B, T + 1) of logits (B, V): the T tokens in order, then the log of the sum."""
        some = logits[:, list(self.tokens[0])]
        return torch.cat([some, logits.logsumexp(dim=1, keepdim=True)], dim=1)

    def of(self, words: LabelWords, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the label logits (B, C) out of what :meth:`pool` gave."""
        place = {token: column for column, token in enumerate(self.tokens[0])}
        columns = [[place[token] for token in own] for own in words.tokens]
        each = [np.logaddexp.reduce(pooled[:, own], axis=1) for own in columns]
        return np.stack(each, axis=1).astype(np.float32)
