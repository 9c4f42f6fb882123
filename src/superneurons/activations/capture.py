"""Read the sites of many records in one forward pass each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.ahead import ahead, helpers
from superneurons.activations.site import Site
from superneurons.errors import DataError, ResourceError
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.positions import PromptPosition
from superneurons.vlm.prompt import Prompt
from superneurons.vlm.taps import Kind

__all__ = [
    "Captured", "Progress", "capture", "capture_batch", "capture_inputs", "captures", "joined",
    "room_for", "to_float16",
]  # fmt: skip

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (records done, records in all)."""

_LARGEST = float(torch.finfo(torch.float16).max)


@dataclass(frozen=True, slots=True)
class Captured:
    """Activations of some records, and the base model's logits where they were asked for.

    Parameters
    ----------
    states
        For each site, shape (N, L, W) float16.
    label_logits
        First-token logits pooled over the label words, shape (N, C) float32.
    first_tokens
        The token that the model answers with first, shape (N,) int64; there where the logits had
        to be computed.
    """

    states: Mapping[Site, NDArray[np.float16]]
    label_logits: NDArray[np.float32] | None = None
    first_tokens: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.activations)

    @property
    def activations(self) -> NDArray[np.float16]:
        """The activations (N, L, W) of its site; of the first one where there are several."""
        return next(iter(self.states.values()))

    def at(self, site: Site) -> Captured:
        """Return what was captured at one of the sites.

        Raises
        ------
        DataError
            When that site was not captured.
        """
        if site not in self.states:
            raise DataError(
                f"The site {site} was not captured.",
                where="site",
                mend=f"Captured: {', '.join(map(str, self.states))}. Capture it along.",
            )
        return replace(self, states={site: self.states[site]})

    def rows(self, chosen: NDArray[Any]) -> Captured:
        """Return some of the records, by index or by mask of shape (N,)."""
        logits, tokens = self.label_logits, self.first_tokens
        return Captured(
            {site: values[chosen] for site, values in self.states.items()},
            None if logits is None else logits[chosen],
            None if tokens is None else tokens[chosen],
        )

    @property
    def flat(self) -> NDArray[np.float16]:
        """The activations as (N, L * W), without a copy."""
        return self.activations.reshape(len(self.activations), -1)

    def up_to(self, layer: int) -> NDArray[np.float16]:
        """Activations of the layers 1 … ``layer``, as (N, layer * W)."""
        kept = self.activations[:, :layer]
        return kept.reshape(len(kept), -1)


def capture(
    vlm: VLM,
    records: Sequence[Record],
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    batch_size: int = 8,
    words: LabelWords | None = None,
    progress: Progress | None = None,
) -> Captured:
    """Capture the activations of records, in their order.

    Parameters
    ----------
    vlm
        The model; cut off (:meth:`VLM.truncated`) when only some layers are wanted.
    records
        N of them.
    sites
        What is read, at least one; all of them come from the same pass.
    prompt
        How they are asked.
    batch_size
        Records per forward pass.
    words
        Also keep the first-token logits of these label words; needs the whole model.
    progress
        Told after each batch.

    Raises
    ------
    DataError
        When a picture cannot be read.
    ModelError
        When the model lacks a part that is to be read, or is cut off where it has to answer.
    ResourceError
        When a batch doesn't fit into memory.

    Examples
    --------
    >>> from superneurons.demo.tasks import make_task  # doctest: +SKIP
    >>> capture(open_vlm("demo"), make_task("dark", n=4)).activations.shape  # doctest: +SKIP
    (4, 30, 576)
    """
    found: list[Captured] = []
    batches = _batches(records, batch_size)
    with closing(captures(vlm, batches, sites=sites, prompt=prompt, words=words)) as coming:
        for number, batch in enumerate(coming, start=1):
            found.append(batch)
            if progress is not None:
                progress(min(number * batch_size, len(records)), len(records))
    return joined(found)


def captures(
    vlm: VLM,
    batches: Iterable[Sequence[Record]],
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    words: LabelWords | None = None,
) -> Generator[Captured, None, None]:
    """Capture one batch after the other; the next ones are prepared while the model runs.

    Takes and raises what :func:`capture` does. An error of a batch comes after what was captured
    of those before it.

    Parameters
    ----------
    batches
        Records of one forward pass each.

    Returns
    -------
    generator
        What was captured of each batch, in order; to be closed by whoever stops before its end.
    """

    def prepare(batch: Sequence[Record]) -> tuple[Sequence[Record], Inputs]:
        with room_for(batch):
            return batch, vlm.encode(batch, prompt)

    with closing(ahead(batches, prepare, depth=helpers() + 1, workers=helpers())) as prepared:
        for batch, inputs in prepared:
            with room_for(batch):
                found = capture_inputs(vlm, inputs, sites, words)
            yield found


def joined(parts: Sequence[Captured]) -> Captured:
    """Join what was captured at the same sites, in order."""
    logits = [part.label_logits for part in parts if part.label_logits is not None]
    tokens = [part.first_tokens for part in parts if part.first_tokens is not None]
    return Captured(
        {site: np.concatenate([part.states[site] for part in parts]) for site in parts[0].states},
        np.concatenate(logits) if logits else None,
        np.concatenate(tokens) if tokens else None,
    )


def capture_batch(
    vlm: VLM,
    records: Sequence[Record],
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    words: LabelWords | None = None,
) -> Captured:
    """Capture one batch; see :func:`capture`."""
    with room_for(records):
        return capture_inputs(vlm, vlm.encode(records, prompt), sites, words)


@contextmanager
def room_for(records: Sequence[Record]) -> Iterator[None]:
    """Say which batch is too large where memory runs out, if that wasn't said already.

    Raises
    ------
    ResourceError
        When memory runs out while it is open.
    """
    try:
        yield
    except ResourceError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ResourceError(
            f"A batch of {len(records)} records doesn't fit into memory.",
            where=f"records {records[0].id or 0} … {records[-1].id or len(records)}",
            mend="Use a smaller batch size.",
        ) from error


def capture_inputs(
    vlm: VLM, inputs: Inputs, sites: Sequence[Site] = (Site(),), words: LabelWords | None = None
) -> Captured:
    """Capture a batch that :meth:`VLM.encode` prepared; see :func:`capture`."""
    now = [site for site in sites if not site.answers_first]
    later = _kinds([site for site in sites if site.answers_first])
    positions = list(dict.fromkeys(_in_prompt(site) for site in now))
    states = vlm.last_states(inputs, _kinds(now), positions, logits=bool(words or later))
    read = {site: to_float16(states.at(site.kind, _in_prompt(site))) for site in now}
    pooled = tokens = None
    if states.logits is not None:
        answers = states.logits.argmax(dim=1)
        tokens = answers.cpu().numpy()
        pooled = words.pool(states.logits).cpu().numpy() if words else None
        if later:
            longer = inputs.followed_by(answers, vlm.family.answer_type)
            after = vlm.last_states(longer, later).parts
            read |= {Site(k, "first_generated"): to_float16(part) for k, part in after.items()}
    return Captured({site: read[site] for site in sites}, pooled, tokens)


def _kinds(sites: Sequence[Site]) -> list[Kind]:
    return list(dict.fromkeys(site.kind for site in sites))


def _in_prompt(site: Site) -> PromptPosition:
    return cast(PromptPosition, site.position)


def to_float16(residual: torch.Tensor) -> NDArray[np.float16]:
    """Convert to float16; what is larger than it can hold keeps its sign at the largest value.

    Single neurons of large models exceed 65,504; an infinity would spoil every mean they enter.
    """
    clipped = residual.float().clamp(-_LARGEST, _LARGEST)
    halves: NDArray[Any] = clipped.to(torch.float16).cpu().numpy()
    return halves


def _batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
