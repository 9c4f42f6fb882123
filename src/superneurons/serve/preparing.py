"""Jobs made ready for the model: each different question once, and answers that are known."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from superneurons.activations.capture import room_for
from superneurons.errors import DataError
from superneurons.serve.batching import Ticket
from superneurons.serve.routes import Route, Stop
from superneurons.serve.spelling import Speller
from superneurons.serve.vision_cache import picture_key
from superneurons.shortcut.form import as_asked
from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import Inputs

__all__ = ["Batch", "Member", "member_of", "prepare"]


@dataclass(eq=False)
class Member:
    """A job in a batch.

    Parameters
    ----------
    ticket, route
        The job, and how it is asked.
    record
        It as a record.
    keys
        What its pictures are.
    names
        The answers that it chooses from, where it may come to the base model's logits.
    words
        For stops that read logits: the words of these answers.
    rows
        Where its questions are in the batch.
    """

    ticket: Ticket
    route: Route
    record: Record
    keys: tuple[bytes, ...]
    names: tuple[str, ...] = ()
    words: Mapping[Stop, LabelWords] = field(default_factory=dict)
    rows: tuple[int, ...] = ()

    @property
    def handle(self) -> Hashable:
        """What makes its answer: equal for jobs that get the same."""
        job, route = self.ticket.job, self.route
        return route.name, self.record.question, self.record.options, job.explain, self.keys

    @property
    def handle_size(self) -> int:
        """Bytes of that, about: callers make questions as long as they like."""
        texts = (self.record.question, *(self.record.options or ()))
        return sum(map(sys.getsizeof, (*texts, *self.keys)))


@dataclass(frozen=True)
class Batch:
    """Jobs of one lane as model inputs.

    Parameters
    ----------
    members
        The jobs.
    asked
        The different questions about the different pictures, a row each.
    inputs
        These as the model takes them.
    keys
        What each picture of ``inputs`` is, in order.
    tokens
        Length of each row.
    """

    members: tuple[Member, ...]
    asked: tuple[Record, ...]
    inputs: Inputs
    keys: tuple[Hashable, ...]
    tokens: tuple[int, ...]

    @property
    def route(self) -> Route:
        """The first job's: what a lane has in common is the same in all."""
        return self.members[0].route


def member_of(ticket: Ticket, speller: Speller | None) -> Member:
    """Look at a job's pictures and at what it may answer.

    Parameters
    ----------
    ticket
        The job, with its route.
    speller
        Of the base model, where its logits are there.

    Raises
    ------
    DataError
        When it can't be asked.
    """
    route = ticket.route
    assert route is not None
    record = route.record(ticket.job)
    keys = tuple(map(picture_key, ticket.job.pictures))
    member = Member(ticket, route, record, keys, names=record.options or route.labels)
    if speller is not None:
        found = {s: _words(member, s, speller) for s in route.stops if s.reads_logits}
        member.words = found
    return member


def prepare(members: Sequence[Member]) -> Batch:
    """Make model inputs of jobs of one lane, each different question about a picture once.

    Raises
    ------
    DataError
        When one of them can't be asked, or its pictures can't be seen by the model.
    ResourceError
        When they don't fit into memory.
    """
    rows: dict[Hashable, int] = {}
    asked: list[Record] = []
    keys: list[Hashable] = []
    vlm, prompt = members[0].route.vlm, members[0].route.prompt
    for member in members:
        own = []
        for question in _questions(member):
            handle = (member.keys, question.question)
            if handle not in rows:
                rows[handle] = len(asked)
                asked.append(question)
                keys += [(vlm.resolution, key) for key in member.keys]
            own.append(rows[handle])
        member.rows = tuple(own)
    with room_for(asked):
        inputs = vlm.encode(asked, prompt)
    tokens = inputs.tensors["attention_mask"].sum(dim=1).tolist()
    return Batch(tuple(members), tuple(asked), inputs, tuple(keys), tuple(tokens))


def _words(member: Member, stop: Stop, speller: Speller) -> LabelWords:
    """The words of what a stop chooses from; by letter where the answers can't be told apart."""
    if stop.stage is not None:
        found = speller.words(stop.stage.read_out.classes_.tolist())
    elif member.route.form == "lettered":
        found = speller.words(LETTERS[: len(member.names)])
    else:
        found = speller.words(member.names)
        if found is None and member.route.name is None:
            found = speller.words(LETTERS[: len(member.names)])
    if found is None:
        raise DataError(
            "The base model's first token can't tell these answers apart, not even by letter.",
            where="options",
            mend="Give options that start differently, such as yes and no.",
        )
    return found


def _questions(member: Member) -> Sequence[Record]:
    """What the model is asked for a job: once, or once per option."""
    route, record = member.route, member.record
    if route.name is None and any(w.labels != member.names for w in member.words.values()):
        return [letter_record(record)]
    return as_asked([record], route.form, list(route.labels))
