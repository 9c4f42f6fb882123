from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pictures import bright_records, murky, shades
from serve.fitted import alone, bright, job_of, never_sure
from superneurons.errors import DataError
from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Job
from superneurons.serve.passes import Found, run_batch
from superneurons.serve.preparing import member_of, prepare
from superneurons.serve.routes import Route, base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.serve.vision_cache import Bounded, Parts
from superneurons.shortcut.cascade_run import Anew, GoneOn
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM

PICTURES = [record.images for record in bright_records(3, seed=8)]


def run(
    asked: Sequence[tuple[Route, Job]],
    speller: Speller | None = None,
    cache: Bounded[Parts] | None = None,
) -> list[Found]:
    members = [member_of(Ticket(job, route.lane, route=route), speller) for route, job in asked]
    return run_batch(prepare(members), Bounded(0) if cache is None else cache)


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
    classifier, speller = SuperNeuronClassifier(llava, max_layer=1).fit(murky(30)), Speller(llava)
    records = murky(8, seed=3)
    own = alone(classifier, records)
    threshold = float(np.median([answer.confidence for answer in own]))
    asked = [job_of(record, "murky", classifier) for record in records]
    fast_route = route_of("murky", classifier, speller, threshold)
    fast = run([(fast_route, job) for job in asked], speller)
    for module in ("passes", "routes"):
        monkeypatch.setattr(f"superneurons.serve.{module}.lean_of", lambda vlm: None)
    slow_route = route_of("murky", classifier, speller, threshold)
    assert not slow_route.shared
    seen.clear()
    slow = run([(slow_route, job) for job in asked], speller)
    depths = ["exit" if answer.confidence >= threshold else "base" for answer in own]
    assert set(depths) == {"exit", "base"}
    assert seen == [("keep", depths.count("base"))], "no exit is asked a second time"
    assert [answer.stop.depth for answer in slow] == [a.stop.depth for a in fast] == depths
    for one, other, alike in zip(fast, slow, own, strict=True):
        assert one.label == other.label
        assert one.shares == pytest.approx(other.shares, abs=5e-3)
        assert (one.label_mass is None) == (other.label_mass is None) == (one.values is not None)
        if one.stop.depth == "exit":
            assert other.shares == pytest.approx(alike.probabilities, abs=5e-3)


def test_a_pass_of_its_own_is_for_one_classifier(
    vlm: VLM, kinds: Mapping[str, Estimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA each has one, and yet they may share a batch."""
    routes = [route_of(name, kinds[name], None, None) for name in ("longer", "bright")]
    record = bright_records(1, seed=6)[0]
    asked = [(route, Job(record.images, str(route.name))) for route in routes]
    together = run(asked)
    monkeypatch.setattr(Route, "swift", True)
    for one, other in zip(run(asked), together, strict=True):
        assert one.stop.layer == other.stop.layer
        assert one.shares == pytest.approx(other.shares, abs=5e-3)


@pytest.mark.parametrize("name", ["bright", "paper", "heads", "vision", "generated"])
def test_values_are_those_that_the_answer_was_read_from(
    vlm: VLM, kinds: Mapping[str, Estimator], name: str
) -> None:
    classifier, route = kinds[name], route_of(name, kinds[name], None, None)
    records = shades(2, seed=1) if name == "paper" else bright_records(2, seed=1)
    asked = [(route, job_of(record, name, classifier)) for record in records]
    for found, own in zip(run(asked), alone(classifier, records), strict=True):
        assert (found.label, found.shares) == (
            own.label,
            pytest.approx(own.probabilities, abs=5e-3),
        )
        stage = found.stop.stage
        assert stage is not None
        assert found.values is not None
        assert found.values.shape == (3 if name == "paper" else 1, len(stage.neurons))
        if name != "paper":
            odds = stage.read_out.predict_proba(found.values)[0].tolist()
            assert list(found.shares.values()) == pytest.approx(odds)


def test_a_cascade_may_end_with_the_base_models_own_answer(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    speller, cascade = Speller(vlm), never_sure(kinds["cascade"])
    route, records = route_of("cascade", cascade, speller, None), murky(3, seed=9)
    found = run([(route, job_of(record, "cascade", cascade)) for record in records], speller)
    for answer, own in zip(found, alone(cascade, records), strict=True):
        assert (answer.stop.depth, answer.values) == ("base", None)
        assert answer.label == own.label
        assert answer.shares == pytest.approx(own.probabilities, abs=5e-3)


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_mass_is_what_the_answers_have_of_all_tokens(
    vlm: VLM, kinds: Mapping[str, Estimator], calibrated: bool
) -> None:
    speller, cascade = Speller(vlm), never_sure(kinds["cascade"])
    records = [replace(r, question=str(cascade.question_)) for r in murky(3, seed=9)]
    if calibrated:
        jobs = [job_of(record, "cascade", cascade) for record in records]
        found = run([(route_of("cascade", cascade, speller, None), job) for job in jobs], speller)
    else:
        jobs = [Job(r.images, None, r.question, ("yes", "no")) for r in records]
        found = run([(base_route(vlm), job) for job in jobs], speller)
    logits = vlm.last_states(vlm.encode(records, cascade.prompt), logits=True).logits
    assert logits is not None
    words = label_words(vlm.processor, ["no", "yes"])
    odds = logits.double().softmax(dim=1)[:, [token for own in words.tokens for token in own]]
    masses = [float(answer.label_mass or 0) for answer in found]
    np.testing.assert_allclose(masses, odds.sum(dim=1).numpy(), rtol=5e-3)
    assert max(masses) < 1


def test_pictures_that_come_again_are_not_looked_at_again(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    cache: Bounded[Parts] = Bounded(10**7)
    route = route_of("bright", kinds["bright"], None, None)
    images = [(picture.resize((28, 28 + 14 * n)),) for n, (picture,) in enumerate(PICTURES)]
    asked = [(route, Job(image, "bright")) for image in images]
    plain = run(asked)
    first, again = run(asked[:2], cache=cache), run(asked, cache=cache)
    assert (cache.hits, cache.misses) == (2, 3)
    for one, other in zip([*plain[:2], *plain], [*first, *again], strict=True):
        assert one.shares == pytest.approx(other.shares, abs=1e-4)
        np.testing.assert_allclose(other.values, one.values, rtol=1e-2, atol=1e-3)  # type: ignore[arg-type]


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
