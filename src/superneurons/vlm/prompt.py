"""The exact text a model is asked with, and its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from superneurons.errors import ModelError

__all__ = ["ORDERS", "Prompt", "PromptOrder", "adds_special_tokens"]

PromptOrder: TypeAlias = Literal["picture-first", "question-first"]
ORDERS: tuple[PromptOrder, ...] = ("picture-first", "question-first")

_QUESTION = "{question}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a question is put to a model: its own chat template, in one user turn.

    Parameters
    ----------
    order
        Whether the pictures or the question come first.

    Examples
    --------
    >>> Prompt().order
    'picture-first'
    """

    order: PromptOrder = "picture-first"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ModelError(
                f"Unknown prompt order {self.order!r}.",
                where="prompt.order",
                mend=f"Use one of: {', '.join(ORDERS)}.",
            )

    def render(self, processor: Any, question: str, pictures: int = 1) -> str:
        """Return the text of the whole prompt, image placeholders included."""
        shown: list[dict[str, str]] = [{"type": "image"}] * pictures
        asked: list[dict[str, str]] = [{"type": "text", "text": question}]
        content = shown + asked if self.order == "picture-first" else asked + shown
        return str(
            processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        )

    def frame(self, processor: Any) -> str:
        """Return the prompt for one picture with ``{question}`` where the question goes."""
        return self.render(processor, _QUESTION)

    def digest(self, processor: Any) -> str:
        """Return a SHA-256 over the frame and the token ids it becomes.

        It changes with the chat template, the order or the tokenizer: with anything that changes
        what the model is asked.
        """
        frame = self.frame(processor)
        ids = processor.tokenizer(frame, add_special_tokens=adds_special_tokens(processor, frame))
        return hashlib.sha256(f"{frame}\0{list(ids['input_ids'])}".encode()).hexdigest()


def adds_special_tokens(processor: Any, text: str) -> bool:
    """Whether the tokenizer should add its special tokens: not when the template already did."""
    bos = processor.tokenizer.bos_token
    return not (bos and text.startswith(bos))
