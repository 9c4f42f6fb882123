from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pictures import bright_records, choices
from superneurons.errors import DataError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.together import Together, _common
from superneurons.task.record import Record
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.model import VLM


def asking(question: str, seed: int = 0, n: int = 24) -> list[Record]:
    return [replace(record, question=question) for record in bright_records(n, seed=seed)]


def flipped(records: list[Record]) -> list[Record]:
    return [replace(r, label={"yes": "no", "no": "yes"}[str(r.label)]) for r in records]


@pytest.fixture(scope="module")
def classifiers(vlm: VLM) -> dict[str, SuperNeuronClassifier]:
    """One question twice, with opposite labels; one that is longer; one of other parts."""
    first = asking("Is it bright?")
    longer = asking("Would you say that it is rather bright than dark?")
    return {
        "bright": SuperNeuronClassifier(vlm).fit(first),
        "dark": SuperNeuronClassifier(vlm, max_layer=1).fit(flipped(first)),
        "longer": SuperNeuronClassifier(vlm, max_layer=3).fit(longer),
        "heads": SuperNeuronClassifier(vlm, site="heads").fit(longer),
        "deep": SuperNeuronClassifier(vlm, read_out_params={"tolerance": None}).fit(
            asking("Bright?")
        ),
    }


def test_each_answers_as_it_does_alone(
    classifiers: dict[str, SuperNeuronClassifier],
) -> None:
    records = bright_records(7, seed=3)
    found = list(Together(classifiers).answers(records, batch_size=3))
    assert len(found) == 7
    for name, classifier in classifiers.items():
        own = [record.with_question(str(classifier.question_), None) for record in records]
        alone = list(classifier.answers(own))
        together = [answers[name] for answers in found]
        assert [a.label for a in together] == [a.label for a in alone]
        assert [a.exit_layer for a in together] == [a.exit_layer for a in alone]
        np.testing.assert_allclose(
            [a.confidence for a in together], [a.confidence for a in alone], atol=5e-3
        )
        assert [a.id for a in together] == [record.id for record in records]
        assert all(a.latency_ms > 0 for a in together)


def test_pictures_of_several_sizes_are_answered_all_the_same(
    classifiers: dict[str, SuperNeuronClassifier],
) -> None:
    records = bright_records(4, seed=4)
    wide = records[1].images[0].resize((40, 17))  # type: ignore[union-attr]
    records = [
        replace(records[0], images=records[0].images * 2),
        replace(records[1], images=(wide,)),
    ]
    found = list(Together(classifiers).answers(records))
    for name, classifier in classifiers.items():
        own = [record.with_question(str(classifier.question_), None) for record in records]
        assert [answers[name].label for answers in found] == classifier.predict(own).tolist()


def test_a_picture_is_looked_at_once_however_many_ask(
    classifiers: dict[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = Together(classifiers)
    list(together.answers(bright_records(1)))  # the first record is also read alone
    looks = []
    tower = type(together._lean.tower)
    see = tower.see
    monkeypatch.setattr(tower, "see", lambda *a, **k: looks.append(1) or see(*a, **k))
    list(together.answers(bright_records(6), batch_size=3))
    assert len(looks) == 2


def test_words_that_all_questions_begin_with_are_asked_once(vlm: VLM) -> None:
    questions = ("Is it bright?", "Is it bright or is it dark?")
    fitted = {q: SuperNeuronClassifier(vlm, max_layer=2).fit(asking(q)) for q in questions}
    pair, one = Together(fitted), Together({questions[1]: fitted[questions[1]]})
    records = bright_records(3, seed=5)
    together, alone = list(pair.answers(records)), list(one.answers(records))
    assert [a[questions[1]].label for a in together] == [a[questions[1]].label for a in alone]
    texts = pair._suffixes
    assert texts is not None
    shared = _common(texts)
    assert shared >= 2  # "Is it"
    assert all(text[:shared].equal(texts[0][:shared]) for text in texts)
    assert {text[shared].item() for text in texts} != {texts[0][shared].item()}
    (forest, _), (single, _) = (next(iter(t._made.values())) for t in (pair, one))
    assert len(forest._ids) == sum(map(len, texts)) - 2 * shared
    assert len(single._ids) == 1


@pytest.mark.parametrize(
    ("texts", "shared"),
    [([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2, 3]], 1), ([[7]], 0), ([[1, 2], [3, 2]], 0)],
)
def test_each_question_keeps_a_token_of_its_own(texts: list[list[int]], shared: int) -> None:
    assert _common([torch.tensor(text) for text in texts]) == shared


def test_what_cannot_be_asked_together_is_named_with_every_reason(
    vlm: VLM, classifiers: dict[str, SuperNeuronClassifier], model_path: Any
) -> None:
    others: Mapping[str, Any] = {
        "unfitted": SuperNeuronClassifier(vlm),
        "before": SuperNeuronClassifier(vlm, prompt_order="question-first").fit(asking("Bright?")),
        "words": SuperNeuronClassifier(vlm, prompt_template="{pictures}{question}").fit(
            asking("Bright?")
        ),
        "tower": SuperNeuronClassifier(vlm, site="vision").fit(asking("Bright?")),
        "varied": SuperNeuronClassifier(vlm).fit([*asking("Bright?"), *asking("Dark?", seed=1)]),
        "options": SuperNeuronClassifier(vlm).fit(choices(24)),
    }
    with pytest.raises(DataError) as caught:
        Together({**classifiers, **others})
    found = {problem.where: problem.what for problem in caught.value.problems}
    assert found.keys() == others.keys()
    assert "isn't fitted" in found["unfitted"]
    assert "before it shows" in found["before"]
    assert "another prompt than the first" in found["words"]
    assert "reads vision" in found["tower"]
    assert "more than one question" in found["varied"]
    with pytest.raises(DataError, match="No classifiers"):
        Together({})


def test_questions_in_one_template_are_asked_together(vlm: VLM) -> None:
    template: Any = {"prompt_template": "Look: {pictures}\n{question} Say:"}
    fitted = {
        question: SuperNeuronClassifier(vlm, max_layer=2, **template).fit(asking(question))
        for question in ("Is it bright?", "Bright or dark?")
    }
    records = bright_records(4, seed=5)
    found = list(Together(fitted).answers(records))
    for question, classifier in fitted.items():
        own = [record.with_question(question, None) for record in records]
        assert [answers[question].label for answers in found] == classifier.predict(own).tolist()
    before = {"before": SuperNeuronClassifier(vlm, prompt_template="{question}{pictures}")}
    before["before"].fit(asking("Bright?"))
    with pytest.raises(DataError, match="before it shows"):
        Together(before)


def test_a_shared_pass_that_reads_something_else_is_not_used(
    classifiers: dict[str, SuperNeuronClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = bright_records(3, seed=3)
    alone = {
        name: classifier.predict(
            [r.with_question(str(classifier.question_), None) for r in records]
        )
        for name, classifier in classifiers.items()
    }
    shared = Together._pass
    monkeypatch.setattr(Together, "_pass", lambda *given: shared(*given) * 2)
    together = Together(classifiers)
    with pytest.warns(AccelerationWarning, match="answers by itself"):
        found = list(together.answers(records))
    found = [*found[:1], *list(together.answers(records))[1:]]  # and no second warning
    for name, labels in alone.items():
        assert [answers[name].label for answers in found] == labels.tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_give_the_same_answers(model_path: Any) -> None:
    from superneurons.vlm.opening import open_vlm

    vlm = open_vlm(str(model_path), device="cuda")
    classifiers = {
        question: SuperNeuronClassifier(vlm).fit(asking(question))
        for question in ("Is it bright?", "Would you say that it is bright?")
    }
    records = bright_records(5, seed=3)
    fast, plain = (
        [{n: a.label for n, a in answers.items()} for answers in
         Together(classifiers, acceleration=a).answers(records)]
        for a in ("auto", "lean")
    )  # fmt: skip
    assert fast == plain
