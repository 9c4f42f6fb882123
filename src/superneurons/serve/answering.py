"""What was found in a pass, as the answer that clients get."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Answer, Vote
from superneurons.serve.passes import Found
from superneurons.serve.preparing import Batch, Member
from superneurons.serve.votes import favoured
from superneurons.task.lettered import LETTERS

__all__ = ["Answered", "answer_of"]

# Bytes of what Python keeps for an answer, one of its probabilities, one of its votes: about.
_EACH, _SHARE, _VOTE = 1000, 150, 250


@dataclass(frozen=True)
class Answered:
    """An answer before it is known who waited for it and how long."""

    answer: Answer

    @property
    def size(self) -> int:
        """Bytes that it takes to remember it, about; without the question that it is for."""
        return _EACH + _SHARE * len(self.answer.probabilities) + _VOTE * len(self.answer.votes)

    def at(self, ticket: Ticket, done: float) -> Answer:
        """Return it for a job that was answered at a moment of ``time.monotonic``."""
        waited, ran = ticket.begun - ticket.arrived, done - ticket.begun
        return replace(self.answer, waited_ms=waited * 1e3, ran_ms=ran * 1e3)


def answer_of(member: Member, found: Found, batch: Batch) -> Answered:
    """Put together what is said of a job.

    Parameters
    ----------
    member
        The job.
    found
        Its answer.
    batch
        What it was asked in.
    """
    answer = Answer(
        label=found.label,
        probabilities=found.shares,
        confidence=found.confidence,
        depth=found.stop.depth,
        layers=found.stop.layer,
        label_mass=found.label_mass,
        input_tokens=sum(batch.tokens[row] for row in member.rows),
        votes=_votes(member, found) if member.ticket.job.explain else (),
    )
    return Answered(answer)


def _votes(member: Member, found: Found) -> tuple[Vote, ...]:
    """What each neuron said; of several questions, about the option that was chosen."""
    stage, values = found.stop.stage, found.values
    if stage is None or values is None:
        return ()
    chosen = list(found.shares).index(found.label) if len(values) > 1 else 0
    row = values[chosen]
    names = [str(name) for name in stage.read_out.classes_.tolist()]
    if member.route.form == "lettered":
        meant = dict(zip(LETTERS, member.record.options or (), strict=False))
        names = [meant.get(name, name) for name in names]
    codes = favoured(stage.read_out, np.asarray(row))
    if codes is None:
        return ()
    return tuple(
        Vote(neuron.layer, neuron.index, float(value), names[code])
        for neuron, value, code in zip(stage.neurons, row, codes.tolist(), strict=True)
    )
