from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pictures import bright_records
from superneurons.errors import DataError, ModelError, ResourceError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, batch_size=4).fit(bright_records(40))


@pytest.fixture
def asked() -> list[Record]:
    return bright_records(18, seed=4)


def preparing() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("superneurons-ahead")]


def test_prepared_ahead_the_answers_are_those_of_each_batch(
    fitted: SuperNeuronClassifier, asked: list[Record]
) -> None:
    together = list(fitted.answers(asked))
    apart = [
        answer
        for start in range(0, len(asked), 4)
        for answer in fitted.answer(fitted.vlm, asked[start : start + 4])
    ]
    for found, expected in zip(together, apart, strict=True):
        assert replace(found, latency_ms=0) == replace(expected, latency_ms=0)
        assert found.latency_ms > 0
    assert not preparing()


def test_the_next_batch_is_prepared_before_this_one_is_answered(
    fitted: SuperNeuronClassifier, asked: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, run = VLM.encode, EarlyExit.__call__
    second = threading.Event()

    def encoding(self: VLM, records: list[Record], *rest: object) -> object:
        if records[0] is asked[4]:
            second.set()
        return encode(self, records, *rest)  # type: ignore[arg-type]

    def running(self: EarlyExit, inputs: object) -> torch.Tensor:
        assert second.wait(timeout=30)
        return run(self, inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(VLM, "encode", encoding)
    monkeypatch.setattr(EarlyExit, "__call__", running)
    assert len(list(fitted.answers(asked))) == 18


def test_a_bad_picture_comes_after_the_answers_before_it(
    fitted: SuperNeuronClassifier, asked: list[Record], tmp_path: Path
) -> None:
    asked[9] = replace(asked[9], images=(tmp_path / "missing.png",))
    found: list[str | None] = []
    with pytest.raises(DataError, match="no such picture"):
        found.extend(answer.id for answer in fitted.answers(asked))
    assert found == [record.id for record in asked[:8]]
    assert not preparing()


def test_whoever_stops_early_leaves_no_thread(
    fitted: SuperNeuronClassifier, asked: list[Record]
) -> None:
    answers = fitted.answers(asked)
    assert next(answers).id == asked[0].id
    assert preparing()
    answers.close()  # type: ignore[attr-defined]
    assert not preparing()


@pytest.mark.parametrize("where", ["encode", "run"])
def test_too_large_a_batch_says_which(
    fitted: SuperNeuronClassifier,
    asked: list[Record],
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    owner, name = (VLM, "encode") if where == "encode" else (EarlyExit, "__call__")
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(ResourceError, match="batch of 4 records") as caught:
        list(fitted.answers(asked))
    assert "bright:0 … bright:3" in str(caught.value)


def test_what_was_said_about_memory_is_not_said_over(
    fitted: SuperNeuronClassifier, asked: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ResourceError("It takes 12 GB.")

    monkeypatch.setattr(EarlyExit, "__call__", full)
    with pytest.raises(ResourceError, match="12 GB"):
        list(fitted.answers(asked))


def test_threads_share_one_classifier(fitted: SuperNeuronClassifier, asked: list[Record]) -> None:
    expected = [(a.label, round(a.confidence, 3)) for a in fitted.answers(asked)]
    fitted.forget()  # both threads begin with nothing made of the model
    ready = threading.Barrier(2)

    def run(_: int) -> list[tuple[str, float]]:
        ready.wait(timeout=30)
        return [(a.label, round(a.confidence, 3)) for a in fitted.answers(asked)]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(2)))
    for answers in found:
        for (label, confidence), (own, sure) in zip(answers, expected, strict=True):
            assert label == own
            assert confidence == pytest.approx(sure, abs=2e-3)
    assert not preparing()


def test_one_early_exit_serves_until_the_model_or_the_way_to_run_changes(
    vlm: VLM, asked: list[Record]
) -> None:
    classifier = SuperNeuronClassifier(vlm, acceleration="off").fit(bright_records(24))
    leave = classifier.early_exit()
    assert leave.path == "off"
    classifier.predict(asked)
    assert classifier.early_exit() is leave
    classifier.set_params(acceleration="lean")
    assert classifier.early_exit().path == "lean"
    assert classifier.early_exit(vlm.truncated(classifier.exit_layer_)) is not leave
    classifier.set_params(acceleration="warp")
    with pytest.raises(ModelError, match="Unknown acceleration 'warp'"):
        classifier.predict(asked)


def test_whatever_runs_the_answers_are_the_same(vlm: VLM, asked: list[Record]) -> None:
    classifier = SuperNeuronClassifier(vlm).fit(bright_records(40))
    found = []
    for acceleration in ("auto", "off", "lean"):
        classifier.set_params(acceleration=acceleration)
        found.append(classifier.predict_proba(asked))
    assert abs(found[0] - found[1]).max() < 2e-3
    assert abs(found[2] - found[1]).max() < 2e-3
    cut = classifier.truncated()
    alone = [answer.label for answer in classifier.answer(cut, asked)]
    assert alone == classifier.predict(asked).tolist()
