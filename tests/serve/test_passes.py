from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pictures import bright_records, murky
from serve.fitted import alone, bright, job_of
from superneurons.errors import DataError
from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Job
from superneurons.serve.passes import Found, run_batch
from superneurons.serve.preparing import member_of, prepare
from superneurons.serve.routes import Route, base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.serve.vision_cache import Bounded
from superneurons.shortcut.cascade_run import Anew, GoneOn
from superneurons.shortcut.estimator import Estimator
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


def run(asked: Sequence[tuple[Route, Job]], speller: Speller | None = None) -> list[Found]:
    members = [member_of(Ticket(job, route.lane, route=route), speller) for route, job in asked]
    return run_batch(prepare(members), Bounded(0))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The layers that passes run to, and the rows that go on."""
    found: list[tuple[str, int]] = []
    for way in (GoneOn, Anew):
        to, on = way.activations, way.keep

        def activations(self, layer, to=to):  # type: ignore[no-untyped-def]
            found.append(("to", layer))
            return to(self, layer)

        def keep(self, rows: NDArray[np.int64], on=on) -> None:  # type: ignore[no-untyped-def]
            found.append(("keep", len(rows)))
            on(self, rows)

        monkeypatch.setattr(way, "activations", activations)
        monkeypatch.setattr(way, "keep", keep)
    return found


def test_jobs_leave_one_pass_where_they_may(
    vlm: VLM, kinds: Mapping[str, Estimator], seen: list[tuple[str, int]]
) -> None:
    speller, record = Speller(vlm), bright_records(1)[0]
    asked = [
        (route_of("bright", kinds["bright"], None, None), Job(record.images, "bright")),
        (route_of("longer", kinds["longer"], None, None), Job(record.images, "longer")),
        (base_route(vlm), Job(record.images, None, "Is it?", ("yes", "no"))),
    ]
    found = run(asked, speller)
    first, second = (kinds[name].exit_layer_ for name in ("bright", "longer"))  # type: ignore[union-attr]
    assert [answer.stop.layer for answer in found] == [first, second, vlm.n_layers]
    assert seen[0] == ("to", first)
    assert seen[-1] == ("keep", 1), "only the last question runs to the end"
    assert [what for what, _ in seen].count("to") == len({first, second})


def test_a_family_without_a_pass_of_its_own_answers_all_the_same(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str, int]]
) -> None:
    classifier, speller = bright(llava, max_layer=1), Speller(llava)
    records = bright_records(4, seed=4)
    own = alone(classifier, records)
    route = route_of("bright", classifier, speller, 1.0)
    fast = run([(route, Job(r.images, "bright")) for r in records], speller)
    for module in ("passes", "routes"):
        monkeypatch.setattr(f"superneurons.serve.{module}.lean_of", lambda vlm: None)
    slow_route = route_of("bright", classifier, speller, 1.0)
    assert not slow_route.shared
    slow = run([(slow_route, Job(r.images, "bright")) for r in records], speller)
    for one, other, alike in zip(fast, slow, own, strict=True):
        assert one.stop.depth == other.stop.depth
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, abs=5e-3)
        if one.stop.depth == "exit":
            assert one.label == alike.label


def test_values_are_those_that_the_answer_was_read_from(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    for name in ("bright", "paper", "heads"):
        route = route_of(name, kinds[name], None, None)
        (found,) = run([(route, job_of(bright_records(1)[0], name, kinds[name]))])
        assert found.values is not None
        stage = found.stop.stage
        assert stage is not None
        assert found.values.shape == (3 if name == "paper" else 1, len(stage.neurons))
        if name != "paper":
            odds = stage.read_out.predict_proba(found.values)[0].tolist()
            assert sorted(odds) == pytest.approx(sorted(found.shares.values()))


def test_a_mass_is_a_share_of_all_tokens(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    speller = Speller(vlm)
    cascade = kinds["cascade"]
    route = route_of("cascade", cascade, speller, None)
    end = route.stops[-1]
    unsure = tuple(replace(stop, threshold=2.0) for stop in route.stops[:-1])
    always = replace(route, stops=(*unsure, end))
    records: list[Record] = murky(3, seed=9)
    found = run([(always, job_of(record, "cascade", cascade)) for record in records], speller)
    assert {answer.stop for answer in found} == {end}
    if end.reads_logits:
        assert all(answer.label_mass and 0 < answer.label_mass < 1 for answer in found)


def test_numbers_that_are_none_are_refused(
    llava: VLM, kinds: Mapping[str, Estimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    route = route_of("bright", bright(llava, max_layer=1), None, None)
    real = GoneOn.activations

    def broken(self: GoneOn, layer: int) -> NDArray[np.float16]:
        values = real(self, layer).copy()
        values[1] = np.nan
        return values

    monkeypatch.setattr(GoneOn, "activations", broken)
    asked = [(route, Job(record.images, "bright")) for record in bright_records(2)]
    with pytest.raises(DataError, match="no finite numbers"):
        run(asked)
