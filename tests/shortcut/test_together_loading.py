from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from superneurons.errors import ArtefactError, DataError, MismatchError
from superneurons.shortcut import together_loading
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.together_loading import load_together
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from tiny_models import save_llava


def asking(question: str) -> list[Record]:
    return [replace(record, question=question) for record in bright_records(24)]


def saved(path: Path, model: VLM | str, question: str = "Is it bright?", **params: Any) -> Path:
    classifier = SuperNeuronClassifier(model, device="cpu", **params)
    classifier.fit(asking(question)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def pair(vlm: VLM, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("artefacts")
    return [
        saved(root / "shallow", vlm, max_layer=1),
        saved(root / "deep", vlm, "Bright or dark?", read_out_params={"tolerance": None}),
    ]


def test_they_answer_as_each_does_alone_on_one_model_opened_once(
    pair: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[VLM] = []
    opening = together_loading.open_vlm

    def counted(*args: Any, **options: Any) -> VLM:
        opened.append(opening(*args, **options))
        return opened[-1]

    monkeypatch.setattr(together_loading, "open_vlm", counted)
    together = load_together(pair, device="cpu")
    records = bright_records(5, seed=2)
    found = list(together.answers(records))
    alone = [SuperNeuronClassifier.from_pretrained(path, device="cpu") for path in pair]
    assert [vlm.depth for vlm in opened] == [max(c.exit_layer_ for c in alone)]
    for path, classifier in zip(pair, alone, strict=True):
        own = [record.with_question(str(classifier.question_), None) for record in records]
        assert [answers[str(path)].label for answers in found] == classifier.predict(own).tolist()


def test_the_model_may_be_elsewhere_or_open(
    pair: list[Path], vlm: VLM, model_path: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(model_path)
    records = bright_records(3, seed=2)
    expected = [
        {n: a.label for n, a in x.items()}
        for x in load_together(pair, device="cpu").answers(records)
    ]
    for model in (str(moved), vlm):
        found = load_together(pair, model, device="cpu").answers(records)
        assert [{n: a.label for n, a in x.items()} for x in found] == expected


def test_pictures_are_prepared_where_it_was_asked_for(pair: list[Path]) -> None:
    together = load_together(pair, device="cpu", preparation="device")
    assert together.vlm.preparation == "device"
    expected = load_together(pair, device="cpu", preparation="processor")
    assert expected.vlm.preparation == "processor"
    records = bright_records(3, seed=2)
    for found, wanted in zip(together.answers(records), expected.answers(records), strict=True):
        assert {n: a.label for n, a in found.items()} == {n: a.label for n, a in wanted.items()}


def test_what_cannot_go_together_is_named_with_every_reason_before_the_model_is_opened(
    pair: list[Path], vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {
        "before": saved(tmp_path / "before", vlm, prompt_order="question-first"),
        "words": saved(tmp_path / "words", vlm, prompt_template="{pictures}{question}"),
        "tower": saved(tmp_path / "tower", vlm, site="vision"),
        "elsewhere": saved(tmp_path / "elsewhere", str(save_llava(tmp_path / "other", seed=3))),
        "small": saved(tmp_path / "small", vlm, resolution=16),
    }
    monkeypatch.setattr(together_loading, "open_vlm", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(DataError, match="asked together") as caught:
        load_together([*pair, *others.values(), pair[0]])
    found = {Path(problem.where).name: problem.what for problem in caught.value.problems}
    assert found.keys() == {*others, "shallow"}
    assert "before it shows" in found["before"]
    assert "another prompt than the first" in found["words"]
    assert "reads vision" in found["tower"]
    assert "on the base model" in found["elsewhere"]
    assert "another resolution" in found["small"]
    assert found["shallow"] == "one is named twice"


def test_another_model_or_no_artefact_is_refused(pair: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MismatchError):
        load_together(pair, str(save_llava(tmp_path / "other", seed=5)), device="cpu")
    with pytest.raises(ArtefactError, match="no classifier"):
        load_together([pair[0], tmp_path])
