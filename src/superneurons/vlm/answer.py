"""What the base model itself says: logits over the label words, and generated text, parsed."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from superneurons.errors import ModelError, Problem
from superneurons.task.labels import DataWarning
from superneurons.vlm.model import VLM, Inputs

__all__ = ["LabelWords", "Spelling", "generate_answers", "label_words", "parse_answer"]

# What an answer may follow: words are cut into tokens in the middle of a text as they are nowhere
# else. The first that stays a token of its own before the word is taken.
_BEFORE = ("\n", ":", ".")


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write a label.

    Parameters
    ----------
    text
        With the space before it, if any.
    token
        The first of its tokens.
    whole
        Whether that is the only one: else other words may begin with it, too.
    """

    text: str
    token: int
    whole: bool


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
    spellings
        For each label, those that begin with one of its tokens; none where they aren't known.
    """

    labels: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    spellings: tuple[tuple[Spelling, ...], ...] = ()

    @property
    def whole(self) -> tuple[bool, ...]:
        """For each label, whether a spelling of it is a single token."""
        return tuple(any(spelling.whole for spelling in own) for own in self.spellings)

    def as_dict(self) -> dict[str, dict[str, list[str]]]:
        """Return, for each label, which spellings are single tokens and which begin with theirs."""
        return {
            label: {
                "whole": [spelling.text for spelling in own if spelling.whole],
                "first_token_only": [spelling.text for spelling in own if not spelling.whole],
            }
            for label, own in zip(self.labels, self.spellings, strict=False)
        }

    def pool(self, logits: torch.Tensor) -> torch.Tensor:
        """Pool first-token logits (B, V) into label logits (B, C) by logsumexp."""
        return torch.stack([logits[:, list(ids)].logsumexp(dim=1) for ids in self.tokens], dim=1)


def label_words(processor: Any, labels: Sequence[str]) -> LabelWords:
    """Find the first tokens of each label's spellings that no other label can start with.

    Parameters
    ----------
    processor
        The model's.
    labels
        C of them.

    Raises
    ------
    ModelError
        When a label has no such token, so that the first token cannot tell it from another.

    Warns
    -----
    DataWarning
        When a label has no spelling that is a single token: the logit of its first token stands
        for all words that begin with it.
    """
    known = [_spellings(processor.tokenizer, label) for label in labels]
    times = Counter(token for own in known for token in {spelling.token for spelling in own})
    found = [tuple(spelling for spelling in own if times[spelling.token] == 1) for own in known]
    problems = [
        Problem(
            f"label {label!r}",
            "starts with a token that another label can start with too" if before else
            "starts with no token that the tokenizer knows",
        )
        for label, before, own in zip(labels, known, found, strict=True)
        if not own
    ]  # fmt: skip
    if problems:
        raise ModelError(
            "The base model's first token cannot tell these labels apart.",
            problems=problems,
            mend="Use labels that start differently, such as yes/no or letters.",
        )
    tokens = tuple(tuple(dict.fromkeys(spelling.token for spelling in own)) for own in found)
    words = LabelWords(tuple(labels), tokens, tuple(found))
    _warn(words)
    return words


def _warn(words: LabelWords) -> None:
    longer = [label for label, whole in zip(words.labels, words.whole, strict=True) if not whole]
    if longer:
        warnings.warn(
            f"The base model's logits stand for more words than the labels: no spelling of "
            f"{', '.join(map(repr, longer))} is a single token, and the first is what counts.",
            DataWarning,
            stacklevel=3,
        )


def _spellings(tokenizer: Any, label: str) -> list[Spelling]:
    """All spellings, but for those whose first token tells nothing."""
    found = []
    for word in dict.fromkeys((label, label.capitalize(), label.lower(), label.upper())):
        for text in (word, " " + word):
            tokens = _within(tokenizer, text)
            if tokens and _tells(tokenizer, tokens[0]):
                found.append(Spelling(text, tokens[0], len(tokens) == 1))
    return found


def _within(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text in the middle of another, where no space is added before it."""
    for before in _BEFORE:
        start, both = _ids(tokenizer, before), _ids(tokenizer, before + text)
        if start and both[: len(start)] == start:
            return both[len(start) :]
    return _ids(tokenizer, text)


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tells(tokenizer: Any, token: int) -> bool:
    """Whether a token says more than that there is a space, or something unknown."""
    return token != tokenizer.unk_token_id and tokenizer.decode([token]).strip() != ""


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
