from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image

from pictures import bright_records, choices, murky, shades
from serve.fitted import WITHIN, alone, answers, bright, job_of, jobs, serving
from superneurons.errors import BusyError, DataError, DeadlineError
from superneurons.serve import engine as engine_module
from superneurons.serve.jobs import Answer, Job
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.shortcut.prediction import Prediction
from superneurons.vlm.model import VLM

N = 3
RECORDS = {
    "shades": shades(N, seed=5), "paper": shades(N, seed=5), "lettered": choices(N, seed=5),
    "murky": murky(N, seed=5), "cascade": murky(N, seed=5), "without-base": murky(N, seed=5),
}  # fmt: skip


@pytest.fixture(scope="module")
def expected(kinds: Mapping[str, Estimator]) -> dict[str, list[Prediction]]:
    """What every kind answers by itself."""
    return {
        name: alone(estimator, RECORDS.get(name, bright_records(N, seed=5)))
        for name, estimator in kinds.items()
    }


@pytest.fixture(scope="module")
def one(llava: VLM) -> dict[str, SuperNeuronClassifier]:
    return {"bright": bright(llava, max_layer=1)}


@pytest.mark.parametrize("cache_bytes", [0, 10**7])
def test_everybody_gets_the_answer_to_their_own_question(
    vlm: VLM,
    kinds: Mapping[str, Estimator],
    expected: Mapping[str, list[Prediction]],
    cache_bytes: int,
) -> None:
    asked = [
        (name, place, job_of(record, name, estimator))
        for name, estimator in kinds.items()
        for place, record in enumerate(RECORDS.get(name, bright_records(N, seed=5)))
    ]
    random.Random(0).shuffle(asked)
    with serving(vlm, kinds, cache_bytes=cache_bytes) as engine:
        found = answers(engine, [job for _, _, job in asked])
        again = answers(engine, [job for _, _, job in asked])
        state = engine.state()
    for (name, place, _), answer, later in zip(asked, found, again, strict=True):
        own = expected[name][place]
        assert answer.label == own.label, name
        assert answer.layers == own.exit_layer, name
        np.testing.assert_allclose(
            [answer.probabilities[label] for label in own.probabilities],
            list(own.probabilities.values()), atol=5e-3, err_msg=name,
        )  # fmt: skip
        assert answer.confidence == max(answer.probabilities.values())
        assert answer.input_tokens > 0
        assert answer.ran_ms > 0 <= answer.waited_ms
        if cache_bytes:
            assert later.probabilities == answer.probabilities, name
    assert state["answered"] == 2 * len(asked)
    assert state["failed"] == state["split_batches"] == state["queued"] == state["running"] == 0
    assert (state["remembered_answers"] == len(asked)) == bool(cache_bytes)


def test_what_is_remembered_is_exactly_what_would_be_computed(
    vlm: VLM, kinds: Mapping[str, Estimator]
) -> None:
    names = ("bright", "longer", "shades")
    some = {name: kinds[name] for name in names}
    asked = [Job(r.images, name) for r in bright_records(4, seed=1) for name in names]
    with serving(vlm, some, cache_bytes=0, max_batch=1) as engine:
        computed = answers(engine, asked)
    with serving(vlm, some, max_batch=1) as engine:
        first, second = answers(engine, asked), answers(engine, asked)
        state = engine.state()
    for found in (first, second):
        assert [a.probabilities for a in found] == [a.probabilities for a in computed]
        assert [a.input_tokens for a in found] == [a.input_tokens for a in computed]
    assert state["remembered_answers"] == len(asked)
    assert state["picture_misses"] == 4, "each picture was looked at once, for all questions"
    assert state["picture_hits"] == 8


def test_heads_that_share_a_prompt_share_the_pass(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    heads = {f"head-{n}": one["bright"] for n in range(4)}
    picture = bright_records(1)[0].images
    with serving(llava, heads, window=0.2, cache_bytes=0) as engine:
        found = answers(engine, [Job(picture, name) for name in heads])
        state = engine.state()
    assert len({answer.confidence for answer in found}) == 1
    assert state["batches"] == state["questions"] == 1


def test_base_jobs_are_answered_from_the_models_own_logits(llava: VLM) -> None:
    records = bright_records(3, seed=2)
    with serving(llava, {"bright": bright(llava)}, window=0.05) as engine:
        assert engine.asks_base
        direct = answers(
            engine, [Job(r.images, None, r.question, ("yes", "no")) for r in records]
        )  # the options' order is the answer's
        letters = answers(
            engine, [Job(r.images, None, r.question, ("dog", "dogs", "cat")) for r in records]
        )
    from superneurons.vlm.answer import label_words

    logits = llava.last_states(llava.encode(records), logits=True).logits
    assert logits is not None
    expected = label_words(llava.processor, ["yes", "no"]).pool(logits).softmax(dim=1).numpy()
    mass = label_words(llava.processor, ["yes", "no"]).pool(logits.log_softmax(1)).exp().sum(1)
    for answer, own, total in zip(direct, expected, mass.tolist(), strict=True):
        assert list(answer.probabilities) == ["yes", "no"]
        np.testing.assert_allclose(list(answer.probabilities.values()), own, rtol=1e-3)
        assert answer.label_mass == pytest.approx(total, rel=1e-3)
        assert (answer.depth, answer.layers) == ("base", llava.n_layers)
    for answer in letters:
        assert set(answer.probabilities) == {"dog", "dogs", "cat"}
        assert answer.input_tokens > direct[0].input_tokens, "the options were asked by letter"


def test_unsure_answers_go_deeper_and_say_so(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava, max_layer=1).fit(murky(30))
    records = murky(24, seed=3)
    own = alone(classifier, records)
    threshold = float(np.median([answer.confidence for answer in own]))
    asked = [job_of(record, "murky", classifier) for record in records]
    with serving(llava, {"murky": classifier}, thresholds={"murky": threshold}) as engine:
        assert engine.classifiers["murky"].threshold == threshold
        found = answers(engine, asked)
        base = answers(
            engine, [Job(j.pictures, None, records[0].question, ("no", "yes")) for j in asked]
        )
    assert {answer.depth for answer in found} == {"exit", "base"}
    for answer, exit_answer, base_answer in zip(found, own, base, strict=True):
        sure = exit_answer.confidence >= threshold
        assert answer.depth == ("exit" if sure else "base")
        assert answer.layers == (classifier.exit_layer_ if sure else llava.n_layers)
        assert (answer.label_mass is None) == sure
        wanted = exit_answer if sure else base_answer
        assert answer.label == wanted.label
        np.testing.assert_allclose(answer.confidence, wanted.confidence, atol=5e-3)


@pytest.mark.parametrize("base", [None, False])
def test_a_cascade_says_how_deep_it_went(
    vlm: VLM, kinds: Mapping[str, Estimator], base: bool | None
) -> None:
    cascade = kinds["cascade"]
    assert isinstance(cascade, Cascade)
    records = murky(20, seed=3)
    with serving(vlm, {"cascade": cascade}, base=base) as engine:
        found = answers(engine, [job_of(record, "cascade", cascade) for record in records])
        assert engine.asks_base == (base is None)
    layers = [answer.exit_layer for answer in alone(cascade, records)]
    assert [answer.layers for answer in found] == layers
    names = {1: "exit", 3: "deeper", vlm.n_layers: "base"}
    assert [answer.depth for answer in found] == [names[layer] for layer in layers]


def test_another_service_is_asked_only_where_no_local_answer_is_sure(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava, max_layer=1).fit(murky(30))
    asked = [job_of(record, "murky", classifier) for record in murky(12, seed=3)]
    seen: list[Job] = []

    def remote(job: Job) -> Answer:
        seen.append(job)
        if len(seen) == 2:
            raise OSError("unreachable")
        return Answer("maybe", {"maybe": 1.0}, 1.0, "exit", 0)

    with serving(
        llava, {"murky": classifier}, remote, thresholds={"murky": 0.9}, base=False
    ) as engine:
        assert not engine.asks_base
        found = answers(engine, asked)
        state = engine.state()
    own = alone(classifier, murky(12, seed=3))
    unsure = sum(answer.confidence < 0.9 for answer in own)
    assert len(seen) == unsure > 2
    assert [a.label for a in found].count("maybe") == unsure - 1
    assert {a.depth for a in found if a.label == "maybe"} == {"remote"}
    assert state["remote_failed"] == 1
    assert state["answered_remote"] == unsure - 1


def test_votes_come_only_when_asked_for(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    picture = bright_records(2)[1].images
    with serving(llava, one) as engine:
        plain, told = answers(
            engine, [Job(picture, "bright"), Job(picture, "bright", explain=True)]
        )
    assert plain.votes == ()
    neurons = [(vote.layer, vote.index) for vote in told.votes]
    assert neurons == [(n.layer, n.index) for n in one["bright"].neurons_]
    assert {vote.label for vote in told.votes} <= {"yes", "no"}
    asked = bright_records(2)[1].with_question(str(one["bright"].question_), None)
    own = one["bright"].early_exit(llava)(llava.encode([asked]))[0]
    np.testing.assert_allclose(
        [v.activation for v in told.votes], own.numpy(), rtol=2e-2, atol=1e-2
    )


def test_what_cannot_be_asked_is_refused_at_once(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    (picture,) = bright_records(1)[0].images
    some = {name: kinds[name] for name in ("bright", "lettered")}
    with serving(vlm, some, base=False) as engine:
        for job, said in (
            (Job((picture,), "dark"), "No classifier 'dark' is served"),
            (Job((picture,), None, "Is it?", ("a", "b")), "aren't served"),
            (Job((), "bright"), "pictures: none"),
            (Job((picture,), "bright", "Is it dark?"), "it asks 'Is it bright?'"),
            (Job((picture,), "bright", None, ("yes", "maybe")), "maybe"),
            (Job((picture,), "lettered"), "0, should be 2 to 26"),
            (Job((picture,), "lettered", None, ("one",)), "1, should be 2 to 26"),
            (Job((picture,), "lettered", None, ("one", "one")), "twice the same"),
        ):
            with pytest.raises(DataError, match=re.escape(said)):
                engine.submit(job)
        assert engine.state()["queued"] == 0
        asked = Job((picture,), "bright", "Is it bright?", ("no", "yes"))
        assert engine.submit(asked).result(WITHIN).label in ("yes", "no")
        only = engine.submit(Job((picture,), "bright", None, ("no",))).result(WITHIN)
        assert (only.label, only.probabilities) == ("no", {"no": 1.0, "yes": 0.0})
    with pytest.raises(BusyError, match="stopping"):
        engine.submit(asked)
    assert not engine.ready


def test_a_picture_that_the_model_cannot_see_fails_alone(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    asked = jobs(7)
    broken = Job((Image.new("F", (8, 8)),), "bright")
    with serving(llava, one, window=0.2) as engine:
        futures = [engine.submit(job) for job in [*asked[:3], broken, *asked[3:]]]
        with pytest.raises(DataError):
            futures.pop(3).result(WITHIN)
        found = [future.result(WITHIN).label for future in futures]
        state = engine.state()
    assert found == [a.label for a in alone(one["bright"], bright_records(7, seed=7))]
    assert (state["failed"], state["answered"]) == (1, 7)
    assert state["split_batches"] >= 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a kernel failed")])
def test_a_batch_that_fails_is_halved_until_it_works(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run, sizes = engine_module.run_batch, []

    def at_most_two(batch, cache):  # type: ignore[no-untyped-def]
        sizes.append(len(batch.asked))
        if len(batch.asked) > 2:
            raise error
        return run(batch, cache)

    with serving(llava, one, window=0.2) as engine:
        monkeypatch.setattr(engine_module, "run_batch", at_most_two)
        found = answers(engine, jobs(8))
        state = engine.state()
        assert [a.label for a in found] == ["no", "yes"] * 4
        assert sizes == [8, 4, 2, 2, 4, 2, 2]
        no_room = isinstance(error, MemoryError)
        assert state["out_of_memory"] == (3 if no_room else 0)
        assert state["batch_limit"] == (2 if no_room else 16)
        assert state["split_batches"] == 3
        answers(engine, jobs(8, seed=8))
        assert (max(sizes[7:]) <= 2) == no_room, "batches stay small for a while"


class Killed(BaseException):
    """What no loop catches."""


@pytest.mark.parametrize("where", ["run_batch", "prepare"])
def test_a_worker_killed_in_the_middle_is_replaced(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real, deaths = getattr(engine_module, where), []

    def once(*given):  # type: ignore[no-untyped-def]
        if not deaths:
            deaths.append(1)
            raise Killed
        return real(*given)

    with serving(llava, one, window=0.1) as engine:
        monkeypatch.setattr(engine_module, where, once)
        found = answers(engine, jobs(4))
        assert [a.label for a in found] == ["no", "yes"] * 2
        assert engine.state()["worker_deaths"] == 1
        assert engine.ready


def test_a_job_that_kills_the_worker_twice_is_given_up(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine_module.run_batch

    def deadly(batch, cache):  # type: ignore[no-untyped-def]
        if any(record.images[0].size == (9, 9) for record in batch.asked):
            raise Killed
        return real(batch, cache)

    with serving(llava, one) as engine:
        monkeypatch.setattr(engine_module, "run_batch", deadly)
        poison = engine.submit(Job((Image.new("RGB", (9, 9)),), "bright"))
        with pytest.raises(RuntimeError, match="died on this job 2 times"):
            poison.result(WITHIN)
        assert [a.label for a in answers(engine, jobs(2))] == ["no", "yes"]
        assert engine.state()["worker_deaths"] == 2


def test_jobs_that_nobody_waits_for_never_run(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, held, begun = engine_module.run_batch, threading.Event(), threading.Event()
    ran: list[int] = []

    def slow(batch, cache):  # type: ignore[no-untyped-def]
        begun.set()
        assert held.wait(WITHIN)
        ran.append(len(batch.members))
        return real(batch, cache)

    with serving(llava, one, window=0, cache_bytes=0, max_batch=1) as engine:
        monkeypatch.setattr(engine_module, "run_batch", slow)
        asked = jobs(6)
        first = engine.submit(asked[0])
        assert begun.wait(WITHIN)
        ahead = engine.submit(asked[1])  # made ready while the first one runs
        while engine.state()["queued"]:
            time.sleep(0.001)
        gone, late, good = (
            engine.submit(asked[2]),
            engine.submit(Job(asked[3].pictures, "bright", deadline=time.monotonic() + 0.01)),
            engine.submit(asked[4]),
        )
        assert gone.cancel()
        time.sleep(0.02)
        held.set()
        with pytest.raises(DeadlineError):
            late.result(WITHIN)
        assert [f.result(WITHIN).label for f in (first, ahead, good)] == ["no", "yes", "no"]
        assert ran == [1, 1, 1]
        state = engine.state()
    assert (state["cancelled"], state["expired"], state["answered"]) == (1, 1, 3)


def test_what_comes_while_the_model_is_busy_shares_the_next_batch(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, held, begun = engine_module.run_batch, threading.Event(), threading.Event()
    ran: list[int] = []

    def slow(batch, cache):  # type: ignore[no-untyped-def]
        begun.set()
        assert held.wait(WITHIN)
        ran.append(len(batch.members))
        return real(batch, cache)

    with serving(llava, one, window=0, cache_bytes=0) as engine:
        monkeypatch.setattr(engine_module, "run_batch", slow)
        futures = [engine.submit(jobs(1)[0])]
        assert begun.wait(WITHIN)
        futures += [engine.submit(job) for job in jobs(4)]
        held.set()
        assert all(future.result(WITHIN) for future in futures)
    assert ran == [1, 4]


def test_a_pass_that_hangs_is_told_and_one_that_ends_after_all_too(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, held = engine_module.run_batch, threading.Event()

    def hanging(batch, cache):  # type: ignore[no-untyped-def]
        assert held.wait(WITHIN)
        return real(batch, cache)

    with serving(llava, one, stuck_after=0.05) as engine:
        assert engine.ready
        assert not engine.stuck
        monkeypatch.setattr(engine_module, "run_batch", hanging)
        future = engine.submit(jobs(1)[0])
        time.sleep(0.2)
        assert engine.stuck
        assert not engine.ready
        held.set()
        assert future.result(WITHIN).label == "no"
        time.sleep(0.05)
        assert engine.ready


def test_too_much_at_once_is_refused_with_a_time_to_come_again(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    with serving(llava, one, max_queue=4, max_batch=2) as engine:
        futures, refused = [], []
        for job in jobs(60):
            try:
                futures.append(engine.submit(job))
            except BusyError as error:
                refused.append(error)
        assert refused
        assert all(error.retry_after and error.retry_after > 0 for error in refused)
        assert all(future.result(WITHIN) for future in futures)
        assert engine.state()["refused"] == len(refused)


def test_stopping_under_load_loses_no_accepted_job(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    with serving(llava, one, max_batch=4) as engine:
        futures = [engine.submit(job) for job in jobs(10)]

        def flood() -> None:
            for job in jobs(40) * 50:
                futures.append(engine.submit(job))
                time.sleep(0.0005)

        stopper = threading.Thread(target=engine.drain, args=[WITHIN])
        stopper.start()
        with pytest.raises(BusyError, match="stopping"):
            flood()
        stopper.join()
        assert all(future.done() for future in futures)
        assert {future.result().label for future in futures} == {"yes", "no"}


def test_what_cannot_be_finished_in_time_is_told_so(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine_module.run_batch

    def slow(batch, cache):  # type: ignore[no-untyped-def]
        time.sleep(0.2)
        return real(batch, cache)

    with serving(llava, one, max_batch=1) as engine:
        monkeypatch.setattr(engine_module, "run_batch", slow)
        futures = [engine.submit(job) for job in jobs(6)]
        assert not engine.drain(0.05)
        with pytest.raises(BusyError, match="before this job began"):
            futures[-1].result(WITHIN)
        assert futures[0].result(WITHIN).label == "no", "what had begun is finished"


def test_many_threads_each_get_their_own_answers(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier]
) -> None:
    records = bright_records(40, seed=11)
    expected = [answer.confidence for answer in alone(one["bright"], records)]
    wrong: list[int] = []

    def client(seed: int) -> None:
        order = random.Random(seed).sample(range(40), 40)
        for place in order:
            found = engine.submit(Job(records[place].images, "bright")).result(WITHIN)
            if abs(found.confidence - expected[place]) > 1e-6:
                wrong.append(place)

    with serving(llava, one, cache_bytes=20_000) as engine:
        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN)
        state = engine.state()
    assert state["answered"] == 240
    assert wrong == []
    assert state["cache_bytes"] <= 2 * 20_000


@pytest.mark.parametrize("cache_bytes", [0, 10**7])
def test_pictures_of_all_sizes_and_several_at_once_share_a_batch(
    vlm: VLM, cache_bytes: int
) -> None:
    rng = np.random.default_rng(0)
    sizes = [(28, 28), (16, 48), (60, 20), (28, 28), (100, 100)]
    shown = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    sets = [shown[:1], shown[1:2], shown[2:3], shown[:2], shown[1::-1], shown[2:5], shown[:1]]
    asked = [Job(tuple(pictures), None, "Is it?", ("yes", "no")) for pictures in sets]
    classifier = bright(vlm, max_layer=1)
    with serving(vlm, {"bright": classifier}, window=0.3, cache_bytes=cache_bytes) as engine:
        together = answers(engine, asked)
        state = engine.state()
    with serving(vlm, {"bright": classifier}, max_batch=1, cache_bytes=0) as engine:
        apart = [engine.submit(job).result(WITHIN) for job in asked]
    assert state["split_batches"] == 0
    assert state["batches"] == 1
    assert state["questions"] == len(sets) - 1, "equal jobs are one question"
    for one, other in zip(together, apart, strict=True):
        assert one.input_tokens == other.input_tokens
        np.testing.assert_allclose(
            list(one.probabilities.values()), list(other.probabilities.values()), atol=1e-4
        )
        assert one.label_mass == pytest.approx(other.label_mass, rel=1e-3)
    assert together[3].probabilities != together[4].probabilities, "their order counts"
    assert together[0].probabilities == together[6].probabilities


def test_waiting_is_told_apart_from_running(
    llava: VLM, one: Mapping[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine_module.run_batch

    def slow(batch, cache):  # type: ignore[no-untyped-def]
        time.sleep(0.1)
        return real(batch, cache)

    with serving(llava, one, max_batch=1, window=0, cache_bytes=0) as engine:
        monkeypatch.setattr(engine_module, "run_batch", slow)
        first, _, third = answers(engine, jobs(3))
        state = engine.state()
    assert first.ran_ms >= 100
    assert third.waited_ms >= 80 > first.waited_ms
    assert state["seconds_per_batch"] + state["seconds_per_question"] > 0.01
