from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pictures import bright_records
from serve.fitted import never_sure
from superneurons.errors import DataError
from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Job
from superneurons.serve.preparing import Member, member_of, prepare
from superneurons.serve.routes import Route, base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.model import VLM

PICTURES = [record.images for record in bright_records(3)]


def members(route: Route, asked: Sequence[Job], speller: Speller | None = None) -> list[Member]:
    return [member_of(Ticket(job, route.lane, route=route), speller) for job in asked]


def test_each_different_question_about_a_picture_is_a_row(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    routes = {n: route_of(n, kinds[n], None, None) for n in ("bright", "longer", "murky")}
    asked = [("bright", 0), ("longer", 0), ("bright", 1), ("murky", 0), ("bright", 0)]
    batch = prepare(
        [m for n, i in asked for m in members(routes[n], [Job((PICTURES[i][0].copy(),), n)])]
    )
    assert [member.rows for member in batch.members] == [(0,), (1,), (2,), (0,), (0,)]
    assert [record.question for record in batch.asked] == [
        "Is it bright?", "Would you say that it is rather bright?", "Is it bright?",
    ]  # fmt: skip
    assert len(batch.inputs) == 3
    assert batch.keys[0] == batch.keys[1] != batch.keys[2]
    assert batch.tokens[1] > batch.tokens[0] == batch.tokens[2]


def test_options_asked_one_by_one_are_rows_of_one_job(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    paper = route_of("paper", kinds["paper"], None, None)
    batch = prepare(members(paper, [Job(picture, "paper") for picture in PICTURES[:2]]))
    assert [member.rows for member in batch.members] == [(0, 1, 2), (3, 4, 5)]
    assert len(batch.asked) == 6


def test_the_base_model_is_asked_for_words_or_else_for_letters(llava: VLM) -> None:
    route, speller = base_route(llava), Speller(llava)
    plain, lettered = members(
        route,
        [Job(PICTURES[0], None, "Is it?", ("yes", "no")),
         Job(PICTURES[0], None, "Which?", ("dog", "dogs"))],
        speller,
    )  # fmt: skip
    batch = prepare([plain, lettered])
    assert batch.asked[0].question == "Is it?"
    assert batch.asked[1].question == "Which?\nA) dog\nB) dogs\nAnswer with the letter."
    assert [w.labels for w in plain.words.values()] == [("yes", "no")]
    assert [w.labels for w in lettered.words.values()] == [("A", "B")]


def test_answers_that_no_letter_can_tell_apart_are_refused(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speller, "words", lambda self, labels: None)
    job = Job(PICTURES[0], None, "Which?", ("dog", "dogs"))
    with pytest.raises(DataError, match="not even by letter") as caught:
        members(base_route(llava), [job], Speller(llava))
    assert caught.value.where == "options"


def test_a_classifier_that_goes_on_is_asked_the_same_by_its_own_labels_or_letters(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    speller, pictures = Speller(vlm), PICTURES[0]
    jobs = {
        "shades": Job(pictures, "shades", None, ("pale", "dark", "grey")),
        "bright": Job(pictures, "bright", None, ("yes",)),
        "lettered": Job(pictures, "lettered", None, ("pale", "dark")),
    }
    wanted = {
        "shades": (("dark", "grey", "pale"), ("dark", "grey", "pale")),
        "bright": (("yes",), ("yes",)),
        "lettered": (("pale", "dark"), ("A", "B")),
    }
    for name, job in jobs.items():
        route = route_of(name, kinds[name], speller, 0.9)
        (member,) = members(route, [job], speller)
        assert [stop.depth for stop in member.words] == ["base"]
        (words,) = member.words.values()
        assert (member.names, words.labels) == wanted[name]
        (asked,) = prepare([member]).asked
        assert asked.question.endswith("with the letter.") == (name == "lettered")


def test_a_cascade_that_ends_in_the_base_model_reads_the_words_it_was_fitted_on(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    cascade = never_sure(kinds["cascade"])
    route = route_of("cascade", cascade, Speller(vlm), None)
    jobs = [Job(PICTURES[0], "cascade"), Job(PICTURES[0], "cascade", None, ("yes",))]
    for member in members(route, jobs, Speller(vlm)):
        assert {stop.depth: words.labels for stop, words in member.words.items()} == {
            "base": ("no", "yes")
        }
    assert [dict(member.words) for member in members(route, jobs)] == [{}, {}]


def test_a_batch_is_of_its_first_jobs_lane(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    route = route_of("asked-first", kinds["asked-first"], None, None)
    batch = prepare(members(route, [Job(PICTURES[0], "asked-first")]))
    assert batch.route is route
    plain = route_of("bright", kinds["bright"], None, None)
    other = prepare(members(plain, [Job(PICTURES[0], "bright")]))
    ids = [b.inputs.tensors["input_ids"].tolist() for b in (batch, other)]
    assert ids[0] != ids[1], "the question stands before the picture"
    assert batch.tokens == (len(ids[0][0]),)


def test_equal_jobs_have_one_handle_and_others_have_others(
    llava: VLM, kinds: Mapping[str, Estimator]
) -> None:
    route = base_route(llava)
    asked = [
        Job(PICTURES[0], None, "Is it?", ("yes", "no")),
        Job((PICTURES[0][0].copy(),), None, "Is it?", ("yes", "no"), deadline=1.0),
        Job(PICTURES[1], None, "Is it?", ("yes", "no")),
        Job(PICTURES[0], None, "Is it so?", ("yes", "no")),
        Job(PICTURES[0], None, "Is it?", ("no", "yes")),
        Job(PICTURES[0], None, "Is it?", ("yes", "no"), explain=True),
        Job(PICTURES[0] * 2, None, "Is it?", ("yes", "no")),
    ]
    handles = [member.handle for member in members(route, asked, Speller(llava))]
    assert handles[0] == handles[1]
    assert len(set(handles)) == len(handles) - 1


def test_a_question_with_the_models_own_mark_is_refused(llava: VLM) -> None:
    job = Job(PICTURES[0], None, "Is <image> it?", ("yes", "no"))
    with pytest.raises(DataError, match="mark for a picture"):
        prepare(members(base_route(llava), [job], Speller(llava)))


def test_a_long_question_takes_its_room_where_answers_are_remembered(llava: VLM) -> None:
    route = base_route(llava)
    short, long, wide = members(
        route,
        [Job(PICTURES[0], None, question, options)
         for question, options in (("Is it?", ("a", "b")), ("Is it?" * 3000, ("a", "b")),
                                   ("Is it?", ("a", "b" * 9000)))],
    )  # fmt: skip
    assert short.handle_size < 1000
    assert long.handle_size - short.handle_size >= 17_000
    assert wide.handle_size - short.handle_size >= 8_000
