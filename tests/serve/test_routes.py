from __future__ import annotations

from collections.abc import Mapping

import pytest
from PIL import Image

from superneurons.errors import DataError
from superneurons.serve.jobs import Job
from superneurons.serve.routes import base_route, route_of
from superneurons.serve.spelling import Speller
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


def test_a_cascade_keeps_its_stops(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    cascade = kinds["without-base"]
    own = route_of("cascade", cascade, Speller(vlm), None)
    assert [stop.depth for stop in own.stops] in (["exit"], ["exit", "deeper"])
    assert own.stops[-1].threshold == 0
    more = route_of("cascade", cascade, Speller(vlm), 0.9)
    assert [stop.layer for stop in more.stops] == [*(s.layer for s in own.stops), vlm.n_layers]
    assert more.stops[-2].threshold == 0.9
    assert more.deepest == own.deepest
    ending = route_of("cascade", kinds["cascade"], Speller(vlm), 0.9)
    assert [stop.depth for stop in ending.stops].count("base") == 1


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


def test_all_that_is_wrong_with_a_job_is_said_at_once(vlm: VLM) -> None:
    with pytest.raises(DataError) as caught:
        base_route(vlm).record(Job((), None, " ", ("a", "a", "")))
    places = [problem.where for problem in caught.value.problems]
    assert places == ["pictures", "question", "options"]
    with pytest.raises(DataError, match="27, should be 2 to 26"):
        base_route(vlm).record(Job(PICTURE, None, "Which?", tuple(map(str, range(27)))))
