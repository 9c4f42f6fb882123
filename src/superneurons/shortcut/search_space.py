"""Where to look for shortcuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

from superneurons.activations.site import POSITIONS, Position, Site
from superneurons.errors import DataError, ModelError, Problem
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import ORDERS, Prompt, PromptOrder, has_chat_template
from superneurons.vlm.taps import KINDS, Kind

__all__ = ["SearchSpace"]

_LATE = "first_generated"
_EARLY = tuple(position for position in POSITIONS if position != _LATE)


@dataclass(frozen=True)
class SearchSpace:
    """Where to look for shortcuts.

    Parameters
    ----------
    resolutions
        Pixels, per side, at which pictures are seen; the model's own way is always tried too.
    kinds, positions
        Sites: each kind of the decoder at each position; kinds that see pictures only have one.
    orders
        What prompts begin with. The base model is asked in the first. A template, and a model
        without a chat template, has one order only: the others are left out.
    template
        What to ask with instead of the chat template (:class:`~superneurons.vlm.prompt.Prompt`).
    max_layer
        Deepest layer that is tried, of any site.

    Raises
    ------
    DataError
        For an empty choice, unknown words, a position that allows no early exit, or a template that
        can't be asked with.
    """

    resolutions: tuple[int, ...] = ()
    kinds: tuple[Kind, ...] = ("residual", "vision", "projector")
    positions: tuple[Position, ...] = ("last_prompt", "image_mean", "image_max")
    orders: tuple[PromptOrder, ...] = ORDERS
    max_layer: int | None = None
    template: str | None = None

    def __post_init__(self) -> None:
        choices = {"kinds": self.kinds, "positions": self.positions, "orders": self.orders}
        problems = [Problem(name, "none given") for name, given in choices.items() if not given]
        problems += _unknown("kinds", self.kinds, KINDS)
        problems += _unknown("positions", self.positions, POSITIONS)
        problems += _unknown("orders", self.orders, ORDERS)
        problems += [
            Problem("resolutions", f"{pixels}, not at least 1")
            for pixels in self.resolutions if pixels < 1
        ]  # fmt: skip
        if self.max_layer is not None and self.max_layer < 1:
            problems.append(Problem("max_layer", f"{self.max_layer}, not at least 1"))
        problems += _problems_of(self.template)
        if _LATE in self.positions:
            problems.append(Problem("positions", f"{_LATE} allows no early exit"))
        if problems:
            raise DataError(
                "There is nothing to search here.",
                problems=problems,
                mend=f"Give at least one of each. Sites: {', '.join(KINDS)}. Positions: "
                f"{', '.join(_EARLY)}. Orders: {', '.join(ORDERS)}. A template holds {{pictures}} "
                "and {question}, each once.",
            )

    def sites(self, *, only_pictures: bool) -> list[Site]:
        """Return the sites; without those that see only pictures unless they are wanted."""
        found = [Site(kind) for kind in self.kinds if Site(kind).sees_only_pictures]
        found = found if only_pictures else []
        decoder = [kind for kind in self.kinds if not Site(kind).sees_only_pictures]
        return found + [Site(kind, position) for kind, position in product(decoder, self.positions)]

    def prompts(self, vlm: VLM) -> tuple[Prompt, ...]:
        """Return the prompts that a model can be asked with."""
        if self.template is not None:
            return (Prompt(template=self.template),)
        known = ORDERS if has_chat_template(vlm.processor) else ORDERS[:1]
        # None of them: the first says what is wrong with it, when it is asked with.
        orders = [order for order in self.orders if order in known] or self.orders[:1]
        return tuple(Prompt(order) for order in orders)

    def views(self, vlm: VLM) -> dict[int | None, VLM]:
        """Return the model at each resolution, under ``None`` as it is.

        Raises
        ------
        ModelError
            When it cannot see pictures at one of them; names all of these.
        """
        views: dict[int | None, VLM] = {None: vlm}
        problems, mend = list[Problem](), None
        for pixels in self.resolutions:
            try:
                view = vlm.at_resolution(pixels)
            except ModelError as error:
                what = "; ".join(problem.what for problem in error.problems) or error.what
                problems.append(Problem(f"{pixels} pixels", what))
                mend = error.mend
                continue
            # The model's own resolution by its number is no other.
            if pixels != vlm.resolution:
                views[pixels] = view
        if problems:
            raise ModelError(
                "This model cannot see pictures at some resolutions.", problems=problems, mend=mend
            )
        return views


def _unknown(field: str, given: Sequence[str], known: Sequence[str]) -> Iterator[Problem]:
    for word in given:
        if word not in known:
            near = get_close_matches(word, known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield Problem(field, f"{word!r} is unknown{meant}")


def _problems_of(template: str | None) -> list[Problem]:
    try:
        Prompt(template=template)
    except ModelError as error:
        return list(error.problems)
    return []
