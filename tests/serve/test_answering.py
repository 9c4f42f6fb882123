from __future__ import annotations

from collections.abc import Mapping

import pytest

from pictures import bright_records, choices, shades
from serve.fitted import job_of
from superneurons.serve.answering import Answered, answer_of
from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Answer, Vote
from superneurons.serve.passes import run_batch
from superneurons.serve.preparing import member_of, prepare
from superneurons.serve.routes import route_of
from superneurons.serve.vision_cache import Bounded
from superneurons.shortcut.estimator import Estimator
from superneurons.task.record import Record


def answered(name: str, kind: Estimator, record: Record, *, explain: bool = True) -> Answered:
    route = route_of(name, kind, None, None)
    job = job_of(record, name, kind, explain=explain)
    batch = prepare([member_of(Ticket(job, route.lane, route=route), None)])
    (found,) = run_batch(batch, Bounded(0))
    return answer_of(batch.members[0], found, batch)


def test_votes_name_the_answers_that_clients_know(kinds: Mapping[str, Estimator]) -> None:
    record = choices(2, seed=3)[1]
    lettered = answered("lettered", kinds["lettered"], record).answer
    assert {vote.label for vote in lettered.votes} & set(record.options or ())
    assert lettered.label in (record.options or ())
    direct = answered("shades", kinds["shades"], shades(1)[0]).answer
    assert {vote.label for vote in direct.votes} <= {"dark", "grey", "pale"}
    assert len(direct.votes) == len(kinds["shades"].neurons_)  # type: ignore[union-attr]


def test_of_options_asked_one_by_one_the_chosen_ones_votes_are_told(
    kinds: Mapping[str, Estimator],
) -> None:
    paper = kinds["paper"]
    answer = answered("paper", paper, shades(3, seed=1)[2]).answer
    assert {vote.label for vote in answer.votes} <= {"yes", "no"}
    said = sum(vote.label == "yes" for vote in answer.votes) / len(answer.votes)
    best = max(answer.probabilities.values())
    assert answer.probabilities[answer.label] == best
    assert all((vote.activation > 0) == (vote.label == "yes") for vote in answer.votes)
    assert 0 <= said <= 1


def test_without_being_asked_no_neuron_is_named(kinds: Mapping[str, Estimator]) -> None:
    record = bright_records(1)[0]
    plain = answered("bright", kinds["bright"], record, explain=False)
    told = answered("bright", kinds["bright"], record)
    assert plain.answer.votes == ()
    assert told.size > plain.size
    assert plain.answer.input_tokens == told.answer.input_tokens > 0


def test_times_are_those_of_the_job_that_waited() -> None:
    answer = Answered(Answer("a", {"a": 1.0}, 1.0, "exit", 2, votes=(Vote(1, 2, 3.0, "a"),)))
    job = Ticket(None, "a", arrived=10.0, begun=10.25)  # type: ignore[arg-type]
    at = answer.at(job, 11.0)
    assert (at.waited_ms, at.ran_ms) == pytest.approx((250, 750))
    assert (at.label, at.votes) == ("a", answer.answer.votes)
