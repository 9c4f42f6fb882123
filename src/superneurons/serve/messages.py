"""A question put as chat messages."""

from __future__ import annotations

from collections.abc import Mapping

from superneurons.errors import DataError, Problem
from superneurons.serve.asked import Asked, asked_base, asked_fitted
from superneurons.serve.jobs import Fitted
from superneurons.serve.messages_schemas import ChatRequest, ClassifyRequest, ImagePart, Message
from superneurons.serve.routing import Routing

__all__ = ["MOST_PICTURES", "message_asked", "message_pictures"]

MOST_PICTURES = 4
"""Pictures of one request, as ``/v1/systemone`` has it."""


def message_pictures(messages: list[Message]) -> dict[str, str]:
    """Return the pictures of the messages, in order, by their place.

    Raises
    ------
    DataError
        When there are none, or more than four.
    """
    found = {
        f"messages.{i}.content.{j}": part.image_url.url
        for i, message in enumerate(messages)
        if not isinstance(message.content, str)
        for j, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    }
    if not 1 <= len(found) <= MOST_PICTURES:
        raise DataError(
            f"The messages have {len(found)} pictures.",
            where="messages",
            mend=f"Send 1 to {MOST_PICTURES}, as image_url with a data URL.",
        )
    return found


def message_asked(request: ClassifyRequest | ChatRequest, routing: Routing) -> Asked:
    """Find who answers, and what exactly is asked.

    Raises
    ------
    DataError
        When nobody here can answer it.
    HTTPException
        404 when ``model`` names nothing that is served.
    """
    fitted = routing.named(request.model)
    pictures = tuple(message_pictures(request.messages))
    try:
        return _asked(request, routing, fitted, pictures)
    except DataError as error:
        raise DataError(
            "This cannot be asked.",
            problems=[Problem("messages", error.what)],
            mend="GET /v1/models lists each classifier's question and answers.",
        ) from error


def _asked(
    request: ClassifyRequest | ChatRequest,
    routing: Routing,
    named: Fitted | None,
    pictures: tuple[str, ...],
) -> Asked:
    options = request.options
    if options is not None and len(set(options)) < len(options):
        raise DataError("an option occurs twice")
    system = _text(request.messages, ("system", "developer"))
    asked = _text(request.messages, ("user",))
    fitted = named or routing.matching(asked, lambda one: _keys(options, one) is not None)
    if fitted is not None:
        if system.strip():
            raise DataError(f"{fitted.name} is asked without a system message: leave it out")
        return asked_fitted("messages", fitted, asked, _keys(options, fitted), pictures)
    if options is None:
        raise DataError("no classifier was fitted on this question, and there are no options")
    text = "\n\n".join(part for part in (system, asked) if part.strip())
    shown = {option: option for option in options}
    return asked_base("messages", routing, text, shown, pictures)


def _keys(options: list[str] | None, fitted: Fitted) -> Mapping[str, str] | None:
    if fitted.labels and (options is None or set(options) == set(fitted.labels)):
        return {label: label for label in fitted.labels}
    return None if fitted.labels or options is None else {option: option for option in options}


def _text(messages: list[Message], roles: tuple[str, ...]) -> str:
    texts: list[str] = []
    for message in messages:
        if message.role in roles:
            parts = message.content
            if isinstance(parts, str):
                texts.append(parts)
            else:
                texts += [part.text for part in parts if not isinstance(part, ImagePart)]
    return "\n".join(texts).strip()
