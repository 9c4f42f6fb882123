"""The exact text a model is asked with, and its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from superneurons.errors import ModelError, Problem

if TYPE_CHECKING:
    from superneurons.vlm.family import Family

__all__ = [
    "ORDERS",
    "Prompt",
    "PromptOrder",
    "adds_special_tokens",
    "has_chat_template",
    "workable_prompt",
]

PromptOrder: TypeAlias = Literal["picture-first", "question-first"]
ORDERS: tuple[PromptOrder, ...] = ("picture-first", "question-first")

_QUESTION, _PICTURES = "{question}", "{pictures}"
_GIVE_ONE = (
    'Give a template: Prompt(template="USER: {pictures}\\n{question} ASSISTANT:") or '
    "--prompt-template, in the words that the model was trained with."
)


@dataclass(frozen=True, slots=True)
class Prompt:
    r"""How a question is put to a model: by its own chat template, in one user turn, or by another.

    Models that come without a chat template are asked with the template of their family, where it
    has one.

    Parameters
    ----------
    order
        Whether the pictures or the question come first in the chat template.
    template
        What to ask with instead of the chat template: a text with ``{pictures}`` and
        ``{question}``, each once. The marks of a record's pictures take the place of the first, one
        after the other. Nothing is added but the tokenizer's own special tokens, and all other
        braces are kept as they are.

    Raises
    ------
    ModelError
        For an unknown order, a template that lacks a field or repeats it, or both an order and a
        template; lists every problem.

    Examples
    --------
    >>> Prompt().order
    'picture-first'
    >>> Prompt(template="USER: {pictures}\n{question} ASSISTANT:").pictures_first
    True
    """

    order: PromptOrder = "picture-first"
    template: str | None = None

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ModelError(
                "No model can be asked like this.",
                problems=problems,
                mend=f"Orders are {' and '.join(ORDERS)}. A template holds {_PICTURES} and "
                f"{_QUESTION}, each once, and stands without an order: it says what comes first.",
            )

    def _problems(self) -> Iterator[Problem]:
        if self.order not in ORDERS:
            yield Problem("prompt.order", f"{self.order!r} is unknown")
        template: object = self.template  # artefacts may hold anything
        if template is None:
            return
        if self.order != ORDERS[0]:
            yield Problem("prompt.order", f"{self.order!r} beside a template")
        if not isinstance(template, str):
            yield Problem("prompt.template", f"{template!r} is no text")
            return
        for field in (_PICTURES, _QUESTION):
            if (times := template.count(field)) != 1:
                yield Problem("prompt.template", f"{field} is there {times} times, not once")

    @property
    def pictures_first(self) -> bool:
        """Whether the pictures come before the question."""
        if self.template is None:
            return self.order == "picture-first"
        return self.template.index(_PICTURES) < self.template.index(_QUESTION)

    def template_for(self, processor: Any, family: Family | None = None) -> str | None:
        """Return the template that a model is asked with; ``None`` for its chat template.

        Parameters
        ----------
        processor, family
            The model's.

        Raises
        ------
        ModelError
            When it has neither a chat template nor one of its family; or has only the latter, and
            the question is to come first.
        """
        if self.template is not None or has_chat_template(processor):
            return self.template
        if family is None or family.template is None:
            raise ModelError(
                "This model has no chat template.", where="chat_template.jinja", mend=_GIVE_ONE
            )
        if self.order != ORDERS[0]:
            raise ModelError(
                "This model has no chat template, and its family's own says what comes first.",
                where=f"prompt.order: {self.order}",
                mend=f"Leave the order at {ORDERS[0]}. Or g{_GIVE_ONE[1:]}",
            )
        return family.template

    def render(
        self, processor: Any, question: str, pictures: int = 1, *, family: Family | None = None
    ) -> str:
        """Return the text of the whole prompt, image placeholders included.

        Parameters
        ----------
        processor, family
            The model's. Without a family, a picture's mark is the processor's ``image_token``.
        question
            Put in as it is.
        pictures
            How many.

        Raises
        ------
        ModelError
            When the model has no template, its chat template fails or leaves something out, or the
            mark of a picture isn't known or stands in the template.
        """
        template = self.template_for(processor, family)
        mark = _picture_mark(processor, family)
        if template is None:
            rendered = self._chat(processor, question, pictures)
            _check_chat(rendered, question, pictures, mark)
            return rendered
        shown = _marks(template, mark, processor) * pictures
        before, after = template.split(_QUESTION)
        return before.replace(_PICTURES, shown) + question + after.replace(_PICTURES, shown)

    def _chat(self, processor: Any, question: str, pictures: int) -> str:
        from jinja2 import TemplateError

        shown: list[dict[str, str]] = [{"type": "image"}] * pictures
        asked: list[dict[str, str]] = [{"type": "text", "text": question}]
        content = shown + asked if self.order == "picture-first" else asked + shown
        try:
            return str(
                processor.apply_chat_template(
                    [{"role": "user", "content": content}],
                    chat_template=_chat_template(processor),
                    add_generation_prompt=True,
                    tokenize=False,
                )
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise ModelError(
                f"This model's chat template takes no pictures and text: {error}",
                where="chat_template.jinja",
                mend=_GIVE_ONE,
            ) from error

    def frame(self, processor: Any, family: Family | None = None) -> str:
        """Return the prompt for one picture with ``{question}`` where the question goes."""
        return self.render(processor, _QUESTION, family=family)

    def digest(self, processor: Any, family: Family | None = None) -> str:
        """Return a SHA-256 over the frame and the token ids it becomes.

        It changes with the template, the order or the tokenizer: with anything that changes what
        the model is asked.
        """
        frame = self.frame(processor, family)
        ids = processor.tokenizer(frame, add_special_tokens=adds_special_tokens(processor, frame))
        hashed = f"{frame}\0{list(ids['input_ids'])}"
        template = self.template_for(processor, family)
        if template is not None:  # may ask as a chat template does, but not of several pictures
            hashed += f"\0{template}"
        return hashlib.sha256(hashed.encode()).hexdigest()


def workable_prompt(processor: Any, family: Family | None = None) -> Prompt:
    """Return a prompt to run a model with where the answer doesn't matter.

    It is the default one, or a made-up template where a model has none.
    """
    try:
        Prompt().frame(processor, family)
    except ModelError:
        return Prompt(template=f"{_PICTURES}\n{_QUESTION}")
    return Prompt()


def has_chat_template(processor: Any) -> bool:
    """Whether a model comes with a chat template that can be used without being named."""
    return _chat_template(processor) is not None


def adds_special_tokens(processor: Any, text: str) -> bool:
    """Whether the tokenizer should add its special tokens: not when the template already did."""
    bos = processor.tokenizer.bos_token
    return not (bos and text.startswith(bos))


def _chat_template(processor: Any) -> str | None:
    """The processor's, or else the tokenizer's, where older checkpoints keep it."""
    for holder in (processor, processor.tokenizer):
        found = getattr(holder, "chat_template", None)
        if isinstance(found, Mapping):
            found = found.get("default")
        if found:
            return str(found)
    return None


def _picture_mark(processor: Any, family: Family | None) -> str | None:
    if family is not None and family.picture_mark is not None:
        return family.picture_mark
    return getattr(processor, "image_token", None)


def _marks(template: str, mark: str | None, processor: Any) -> str:
    """The mark that a template gets; refused where it isn't known, or is in there already."""
    if mark is None:
        raise ModelError(
            "What stands for a picture in this model's prompts isn't known.",
            where="picture_mark",
            mend="Say so in the description of its family (superneurons/vlm/families/).",
        )
    known = dict.fromkeys((mark, getattr(processor, "image_token", None) or mark))
    problems = [Problem("prompt.template", f"holds {one!r}") for one in known if one in template]
    if problems:
        raise ModelError(
            "The template holds the model's own mark for a picture.",
            problems=problems,
            mend=f"Leave it out: it is put where {_PICTURES} is, once for each picture.",
        )
    return mark


def _check_chat(rendered: str, question: str, pictures: int, mark: str | None) -> None:
    """Refuse a chat template for text only: it drops pictures, or prints parts as Python does."""
    problems = []
    if question.strip() not in rendered:
        problems.append("leaves out the question")
    if mark is not None and (shown := rendered.count(mark) - question.count(mark)) != pictures:
        problems.append(f"shows {mark!r} {shown} times for {pictures} pictures")
    if problems:
        raise ModelError(
            "This model's chat template takes no pictures and text.",
            problems=[Problem("chat_template.jinja", problem) for problem in problems],
            mend=_GIVE_ONE,
        )
