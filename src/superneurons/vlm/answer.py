"""What the base model itself says: logits over the label words, and generated text, parsed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from superneurons.errors import ModelError, Problem
from superneurons.vlm.model import VLM, Inputs

__all__ = ["LabelWords", "generate_answers", "label_words", "parse_answer"]


@dataclass(frozen=True, slots=True)
class LabelWords:
    """The first tokens that an answer with each label can start with.

    Parameters
    ----------
    labels
        The labels, in order.
    tokens
        For each label, the token ids of its spellings: as given, capitalised, in lower and upper
        case, each with and without a space before it.
    """

    labels: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]

    def pool(self, logits: torch.Tensor) -> torch.Tensor:
        """Pool first-token logits (B, V) into label logits (B, C) by logsumexp."""
        return torch.stack([logits[:, list(ids)].logsumexp(dim=1) for ids in self.tokens], dim=1)


def label_words(processor: Any, labels: Sequence[str]) -> LabelWords:
    """Find the first tokens of each label's spellings that no other label can start with.

    Raises
    ------
    ModelError
        When a label has no such token, so that the first token cannot tell it from another.
    """
    starts = [_first_tokens(processor.tokenizer, label) for label in labels]
    times = Counter(token for tokens in starts for token in tokens)
    found = [tuple(token for token in tokens if times[token] == 1) for tokens in starts]
    problems = [
        Problem(f"label {label!r}", "starts with a token that another label can start with too")
        for label, tokens in zip(labels, found, strict=True)
        if not tokens
    ]
    if problems:
        raise ModelError(
            "The base model's first token cannot tell these labels apart.",
            problems=problems,
            mend="Use labels that start differently, such as yes/no or letters.",
        )
    return LabelWords(tuple(labels), tuple(found))


def _first_tokens(tokenizer: Any, label: str) -> tuple[int, ...]:
    spellings = dict.fromkeys((label, label.capitalize(), label.lower(), label.upper()))
    starts = dict.fromkeys(
        tokenizer(space + word, add_special_tokens=False)["input_ids"][0]
        for word in spellings
        for space in ("", " ")
    )
    # A lone space token would belong to every label.
    blank = {tokenizer(" ", add_special_tokens=False)["input_ids"][0]}
    return tuple(token for token in starts if token not in blank)


@torch.inference_mode()
def generate_answers(vlm: VLM, inputs: Inputs, *, max_new_tokens: int = 16) -> list[str]:
    """Let the whole model answer in words, greedily.

    Parameters
    ----------
    vlm
        The whole model.
    inputs
        From :meth:`VLM.encode` with ``padding_side="left"``.
    max_new_tokens
        Longest answer.

    Raises
    ------
    ModelError
        When the model was cut off.
    """
    vlm.require_whole("text")
    tokens = cast(Any, vlm.model).generate(
        **inputs.tensors,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        pad_token_id=vlm.processor.tokenizer.pad_token_id,
    )
    new = tokens[:, inputs.tensors["input_ids"].shape[1] :]
    return list(vlm.processor.tokenizer.batch_decode(new, skip_special_tokens=True))


def parse_answer(text: str, labels: Sequence[str]) -> str | None:
    """Return the label that an answer names first, as a whole word; ``None`` if it names none.

    Examples
    --------
    >>> parse_answer("Yes, there is.", ["no", "yes"])
    'yes'
    >>> parse_answer("I notice nothing.", ["no", "yes"]) is None
    True
    """
    hits = {
        label: match.start()
        for label in labels
        if (match := re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE))
    }
    # Of two labels at the same place the longer one is meant: "dark red" is not "dark".
    return min(hits, key=lambda label: (hits[label], -len(label)), default=None)
