"""easy-VQA's own pictures and questions (MIT): the part of its training split we train on."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.demo.easyvqa import balanced_questions, picture

__all__ = ["EasyVQA"]


class EasyVQA:
    """Its training pictures 0…2999, with questions that leave every yes/no string in balance.

    Parameters
    ----------
    where
        The device the pictures are kept on.
    seed
        Which questions are kept.
    """

    def __init__(self, where: torch.device, seed: int) -> None:
        self._pairs: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for number, question, answer in balanced_questions("train", np.random.default_rng(seed)):
            self._pairs[number].append((question, answer))
        self._numbers = sorted(self._pairs)
        pictures = np.stack([np.asarray(picture("train", number)) for number in self._numbers])
        self._pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(where)

    def __len__(self) -> int:
        return len(self._numbers)

    def questions(self, place: int, rng: np.random.Generator, most: int) -> list[tuple[str, str]]:
        """Return some of one picture's questions with their answers, in random order."""
        pairs = self._pairs[self._numbers[place]]
        return [pairs[i] for i in rng.permutation(len(pairs))[:most]]

    def pictures(self, places: NDArray[np.int64]) -> torch.Tensor:
        """Return pictures by place, ``(n, 3, 128, 128)`` uint8."""
        return self._pictures[torch.from_numpy(places).to(self._pictures.device)]
