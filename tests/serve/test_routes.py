from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from PIL import Image

from pictures import bright_records, choices
from serve.fitted import bright, never_sure, quietly
from superneurons.errors import DataError
from superneurons.serve.jobs import Job
from superneurons.serve.routes import Stop, base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.model import VLM

PICTURE = (Image.new("RGB", (8, 8)),)


def test_only_what_reads_the_same_place_shares_a_lane(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    routes = {name: route_of(name, kind, None, None) for name, kind in kinds.items()}
    shared = {name for name, route in routes.items() if route.shared}
    assert shared == {
        "bright", "longer", "murky", "shades", "lettered", "paper", "asked-first", "cascade",
        "without-base",
    }  # fmt: skip
    lanes = [routes[name].lane for name in shared]
    assert len(set(lanes)) == 2, "the question stands before the picture, or after it"
    assert routes["bright"].lane == base_route(vlm).lane
    apart = [routes[name].lane for name in routes if name not in shared]
    assert len(set(apart)) == len(apart)
    assert all(route.swift != route.shared for route in routes.values())


def test_a_classifier_stops_once_and_a_threshold_lets_it_go_on(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    speller = Speller(vlm)
    (only,) = route_of("bright", kinds["bright"], speller, None).stops
    assert (only.layer, only.threshold, only.depth) == (1, 0.0, "exit")
    first, base = route_of("bright", kinds["bright"], speller, 0.8).stops
    assert (first.layer, first.threshold) == (1, 0.8)
    assert (base.layer, base.threshold, base.depth) == (vlm.n_layers, 0.0, "base")
    assert base.reads_logits
    assert not first.reads_logits
    without = route_of("bright", kinds["bright"], None, 0.8)
    assert [stop.threshold for stop in without.stops] == [0.0], "there is nowhere to go on to"
    assert without.sure == 0.8
    unrolled = route_of("paper", kinds["paper"], speller, 0.8)
    assert len(unrolled.stops) == 1, "options asked one by one have no common logits"


def test_nothing_is_sure_enough_unless_somebody_says_so(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    for name in ("bright", "without-base"):
        route = route_of(name, kinds[name], Speller(vlm), None)
        assert (route.sure, route.stops[-1].threshold) == (0.0, 0.0)
    base = base_route(vlm)
    assert (base.sure, base.shared, base.form, base.swift) == (0.0, True, "direct", False)
    assert base.stops == (Stop(vlm.n_layers, None, 0.0, "base"),)


def test_answers_that_the_first_token_cannot_tell_apart_are_not_asked_of_the_base_model(
    llava: VLM,
) -> None:
    names = {"yes": "dogs", "no": "dog"}
    records = [replace(r, label=names[str(r.label)]) for r in bright_records(24)]
    alike = SuperNeuronClassifier(llava, max_layer=1).fit(records)
    (only,) = route_of("alike", alike, Speller(llava), 0.8).stops
    assert (only.depth, only.threshold) == ("exit", 0.0)


def test_options_by_letter_go_on_to_the_letters_logits(llava: VLM) -> None:
    speller, records = Speller(llava), choices(60)
    one = SuperNeuronClassifier(llava, max_layer=1).fit(records)
    several = quietly(Cascade(llava, layers=[1, 2], base_answer=False), records)
    for estimator in (one, several):
        assert estimator.form_ == "lettered"
        route = route_of("lettered", estimator, speller, 0.8)
        assert [stop.depth for stop in route.stops][-1] == "base"
        assert [stop.threshold for stop in route.stops][-2:] == [0.8, 0.0]


def test_what_should_not_be_accelerated_goes_by_itself(llava: VLM) -> None:
    off = bright(llava, max_layer=1, acceleration="off")
    route = route_of("off", off, None, None)
    assert (route.shared, route.swift) == (False, True)
    assert route.lane == (off.prompt, llava.resolution, "off")


def test_on_a_gpu_a_pass_that_is_recorded_is_faster_than_a_shared_one(
    llava: VLM, kinds: Mapping[str, Estimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [route_of(name, kinds[name], None, None) for name in ("bright", "cascade")]
    assert [route.swift for route in routes] == [False, False]
    monkeypatch.setattr(VLM, "device", torch.device("cuda"))
    assert [route.swift for route in routes] == [True, False]
    assert not base_route(llava).swift


def test_a_cascade_keeps_its_stops(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    cascade = never_sure(kinds["without-base"])
    own = route_of("cascade", cascade, Speller(vlm), None)
    assert [stop.depth for stop in own.stops] == ["exit", "deeper"]
    assert [stop.threshold for stop in own.stops] == [2.0, 0.0]
    more = route_of("cascade", cascade, Speller(vlm), 0.9)
    assert [stop.layer for stop in more.stops] == [1, 2, vlm.n_layers]
    assert [stop.threshold for stop in more.stops] == [2.0, 0.9, 0.0]
    assert [stop.depth for stop in more.stops] == ["exit", "deeper", "base"]
    assert more.deepest == own.deepest == 2


def test_a_cascade_that_ends_in_the_base_model_goes_no_further(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    ending = route_of("cascade", never_sure(kinds["cascade"]), Speller(vlm), 0.9)
    assert [stop.depth for stop in ending.stops] == ["exit", "deeper", "base"]
    assert [stop.threshold for stop in ending.stops] == [2.0, 2.0, 0.0]
    assert [stop.reads_logits for stop in ending.stops] == [False, False, True]
    assert ending.deepest == vlm.n_layers


def test_a_job_becomes_the_record_that_is_asked(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    bright = route_of("bright", kinds["bright"], None, None)
    record = bright.record(Job(PICTURE, "bright"))
    assert (record.question, record.options, record.images) == ("Is it bright?", None, PICTURE)
    assert bright.record(Job(PICTURE, "bright", None, ("yes", "no"))).options is None
    assert bright.record(Job(PICTURE, "bright", None, ("yes",))).options == ("yes",)
    assert bright.questions(record) == 1
    paper = route_of("paper", kinds["paper"], None, None)
    assert paper.questions(paper.record(Job(PICTURE, "paper"))) == 3
    base = base_route(vlm).record(Job(PICTURE, None, "Which?", ("a", "b")))
    assert (base.question, base.options) == ("Which?", ("a", "b"))


def test_all_that_is_wrong_with_a_job_is_said_at_once(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    with pytest.raises(DataError, match="asked of the base model") as caught:
        base_route(vlm).record(Job((), None, " ", ("a", "a", "")))
    assert [problem.where for problem in caught.value.problems] == [
        "pictures", "question", "options",
    ]  # fmt: skip
    route = route_of("bright", kinds["bright"], None, None)
    with pytest.raises(DataError, match="asked of the classifier 'bright'") as caught:
        route.record(Job((), "bright", "Is it dark?", ("yes", "maybe", "maybe")))
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("pictures", "none"),
        ("question", "'Is it dark?'; it asks 'Is it bright?'"),
        ("options", "empty, or twice the same, among ['yes', 'maybe', 'maybe']"),
        ("options", "['maybe']; it answers ['no', 'yes']"),
    ]


@pytest.mark.parametrize(
    ("question", "options", "place"),
    [
        ("Which?", ("a", "a"), "options"),
        ("Which?", ("a", " "), "options"),
        ("Which?", ("a",), "options"),
        ("Which?", None, "options"),
        ("Which?", tuple(map(str, range(27))), "options"),
        (None, ("a", "b"), "question"),
        ("\n", ("a", "b"), "question"),
    ],
)
def test_the_base_model_needs_a_question_and_some_options(
    vlm: VLM, question: str | None, options: tuple[str, ...] | None, place: str
) -> None:
    with pytest.raises(DataError) as caught:
        base_route(vlm).record(Job(PICTURE, None, question, options))
    assert [problem.where for problem in caught.value.problems] == [place]


@pytest.mark.parametrize("n", [2, 26])
def test_as_many_options_as_letters_are_taken(vlm: VLM, n: int) -> None:
    options = tuple(map(str, range(n)))
    assert base_route(vlm).record(Job(PICTURE, None, "Which?", options)).options == options


@pytest.mark.parametrize(("question", "options"), [(None, None), ("Is it bright?", ("no", "yes"))])
def test_a_job_may_repeat_what_its_classifier_asks(
    vlm: VLM,
    kinds: Mapping[str, Estimator],
    question: str | None,
    options: tuple[str, ...] | None,
) -> None:
    route = route_of("bright", kinds["bright"], None, None)
    record = route.record(Job(PICTURE, "bright", question, options))
    assert (record.question, record.options) == ("Is it bright?", None)
