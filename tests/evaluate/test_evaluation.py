from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, coloured, murky
from superneurons.errors import DataError
from superneurons.evaluate import evaluation as module
from superneurons.evaluate.evaluation import evaluate_classifier
from superneurons.evaluate.rivals import BaseTask
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import Multiclass
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm).fit(bright_records(24))


def test_the_classifier_stands_beside_its_rivals(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(20, seed=1)
    found = evaluate_classifier(fitted, records, repeats=1)
    rows = {row.name: row for row in found.rows}
    assert list(rows) == [
        "majority class", "text only", "base model, first token", "calibrated logits",
        "Super Neurons",
    ]  # fmt: skip
    ours = rows["Super Neurons"]
    assert ours.scores is not None
    assert ours.scores.accuracy == fitted.score(records)
    assert ours.exit_layer == fitted.exit_layer_
    null = found.null["balanced_accuracy_95_of_shuffled_labels"]
    assert 0.5 < null < 0.9


def test_each_row_keeps_what_it_answered(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(20, seed=1)
    found = evaluate_classifier(fitted, records, repeats=1)
    assert list(found.test) == records
    truth = [record.label for record in records]
    for row in found.rows:
        assert row.answers is not None
        assert row.scores is not None
        right = [given == label for given, label in zip(row.answers.labels, truth, strict=True)]
        assert row.scores.accuracy == pytest.approx(sum(right) / 20)
    ours = found.rows[-1].answers
    assert ours is not None
    np.testing.assert_allclose(ours.probabilities, fitted.predict_proba(records), atol=1e-5)


def test_without_rivals_the_whole_model_does_not_run(
    fitted: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the head ran")

    monkeypatch.setattr(fitted.vlm.model.get_output_embeddings(), "forward", fail)
    found = evaluate_classifier(fitted, bright_records(8, seed=1), rivals=False, repeats=1)
    assert "base model, first token" not in [row.name for row in found.rows]


def test_the_whole_model_is_opened_for_rivals_alone(llava_path: Path, tmp_path: Path) -> None:
    fitted = SuperNeuronClassifier(str(llava_path), device="cpu", max_layer=1)
    fitted.fit(bright_records(24)).save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    records = bright_records(12, seed=1)
    alone = evaluate_classifier(loaded, records, rivals=False, repeats=1)
    assert loaded.vlm.depth == 1
    beside = evaluate_classifier(loaded, records, repeats=1)
    assert loaded.vlm.depth == 4
    assert alone.setting["layers"] == beside.setting["layers"] == 4
    ours = [next(row for row in found.rows if row.name == "Super Neurons").scores
            for found in (alone, beside)]  # fmt: skip
    assert ours[0] == ours[1]
    assert "calibrated logits" in [row.name for row in beside.rows]


def test_rivals_that_learn_are_cross_fitted(fitted: SuperNeuronClassifier) -> None:
    """A word per picture would be learnt by heart, were the same records used twice."""
    records = [
        replace(record, question=f"Is it bright? {word}")
        for record, word in zip(bright_records(20, seed=1), "abcdefghijklmnopqrst", strict=True)
    ]
    found = evaluate_classifier(fitted, records, repeats=1)
    text = next(row for row in found.rows if row.name == "text only")
    assert text.scores is not None
    assert text.scores.accuracy < 0.8


def test_an_unknown_label_is_named(fitted: SuperNeuronClassifier) -> None:
    records = [replace(record, label="maybe") for record in bright_records(2)]
    with pytest.raises(DataError, match="'maybe'") as caught:
        evaluate_classifier(fitted, records)
    assert "'no', 'yes'" in str(caught.value)


def test_nothing_to_evaluate_is_said(fitted: SuperNeuronClassifier) -> None:
    with pytest.raises(DataError, match="no records"):
        evaluate_classifier(fitted, [])


def test_one_record_is_enough_for_a_score(fitted: SuperNeuronClassifier) -> None:
    found = evaluate_classifier(fitted, bright_records(1), repeats=1)
    assert [row.name for row in found.rows][-1] == "Super Neurons"
    assert "text only" not in [row.name for row in found.rows]


def test_pictures_are_checked_first(fitted: SuperNeuronClassifier, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png"):
        evaluate_classifier(fitted, [Record((tmp_path / "a.png",), "Is it bright?", "yes")])


@pytest.mark.parametrize(
    ("options", "multiclass"), [(False, "native"), (False, "unrolled"), (True, "unrolled")]
)
def test_more_than_two_answers(llava: VLM, options: bool, multiclass: Multiclass) -> None:
    classifier = SuperNeuronClassifier(llava, multiclass=multiclass).fit(coloured(24, options))
    found = evaluate_classifier(classifier, coloured(12, options), repeats=1)
    ours = found.rows[-1].scores
    assert ours is not None
    assert ours.n == 12


def test_options_by_letter_are_scored_as_options(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava).fit(choices(36))
    assert classifier.form_ == "lettered"
    records = choices(18, seed=1)
    ours = evaluate_classifier(classifier, records, repeats=1).rows[-1].scores
    assert ours is not None
    assert ours.accuracy == classifier.score(records)


@pytest.mark.parametrize("label", ["no", "yes"])
def test_records_of_one_class_are_scored_without_nan(
    fitted: SuperNeuronClassifier, label: str
) -> None:
    records = [r for r in bright_records(24, seed=1) if r.label == label]
    found = evaluate_classifier(fitted, records, repeats=1)
    rows = {row.name: row for row in found.rows}
    ours = rows["Super Neurons"].scores
    assert ours is not None
    assert ours.accuracy == ours.balanced_accuracy == fitted.score(records)
    assert ours.majority == 1
    assert list(ours.recall) == [label]
    json.dumps(found.as_dict(), allow_nan=False)


def test_questions_on_one_picture_widen_the_interval(fitted: SuperNeuronClassifier) -> None:
    alone = bright_records(24, seed=7)
    grouped = [replace(r, group=f"series {i // 6}") for i, r in enumerate(alone)]
    one, other = (
        evaluate_classifier(fitted, records, rivals=False, repeats=1).rows[-1].scores
        for records in (alone, grouped)
    )
    assert one is not None
    assert other is not None
    assert one.accuracy == other.accuracy
    assert one.balanced_accuracy == other.balanced_accuracy


def test_the_order_of_records_changes_no_score(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(16, seed=8)
    one, other = (
        evaluate_classifier(fitted, given, rivals=False, repeats=1).rows[-1].scores
        for given in (records, records[::-1])
    )
    assert one is not None
    assert other is not None
    assert one.accuracy == other.accuracy
    assert one.balanced_accuracy_interval == other.balanced_accuracy_interval


def test_the_base_model_sees_pictures_as_it_was_made_to(llava: VLM) -> None:
    """A resolution is the classifier's: what it has to beat isn't made worse by it."""
    records, others = bright_records(24), bright_records(20, seed=1)
    rows = []
    for pixels in (None, 8):
        fitted = SuperNeuronClassifier(llava, resolution=pixels, max_layer=1).fit(records)
        found = evaluate_classifier(fitted, others, repeats=1)
        rows.append({row.name: row.scores for row in found.rows})
    name = "base model, first token"
    assert rows[0][name] == rows[1][name]


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(template="{pictures}Q: {question} A:")
    asked = prompts_asked(monkeypatch)
    fitted = SuperNeuronClassifier(llava, prompt_template=prompt.template).fit(bright_records(24))
    found = evaluate_classifier(fitted, bright_records(8, seed=1), repeats=1)
    assert found.setting["prompt"] == "<image>Q: {question} A:"
    assert set(asked) == {prompt}


def test_each_group_is_answered_by_what_saw_only_others(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both rivals that learn, listened to: five folds, three questions about each picture."""
    seen: dict[str, list[tuple[set[str], set[str]]]] = {"text": [], "logits": []}
    text, calibrated = module.text_only_labels, BaseTask.calibrated

    def reading(fit: list[Record], rest: list[Record], labels: Any) -> list[str]:
        seen["text"].append(({r.id for r in fit}, {r.id for r in rest}))
        return text(fit, rest, labels)

    def calibrating(base: BaseTask, fit: Any, x: Any, rest: Any, y: Any) -> list[str]:
        assert (len(fit), len(rest)) == (len(x), len(y))
        seen["logits"].append(({r.id for r in fit}, {r.id for r in rest}))
        return calibrated(base, fit, x, rest, y)

    monkeypatch.setattr(module, "text_only_labels", reading)
    monkeypatch.setattr(BaseTask, "calibrated", calibrating)
    fitted = SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24))
    records = [replace(r, id=f"{r.id}/{k}") for r in bright_records(15, seed=1) for k in range(3)]
    found = evaluate_classifier(fitted, records, repeats=1, seed=2)
    for folds in seen.values():
        assert len(folds) == 5
        assert sorted(name for _, rest in folds for name in rest) == sorted(r.id for r in records)
        for fit, rest in folds:
            assert len(fit | rest) == 45
            assert not {n.split("/")[0] for n in fit} & {n.split("/")[0] for n in rest}
    assert seen["text"] == seen["logits"]
    assert len(found.rows) == 5


def test_the_null_is_what_a_shuffle_in_twenty_reaches(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24))
    records = [*murky(20, seed=1), *[r for r in murky(16, seed=2) if r.label == "no"]]
    found = evaluate_classifier(fitted, records, rivals=False, repeats=1, seed=3)
    given = np.array(fitted.predict(records))
    rng, reached = np.random.default_rng(3), []
    truth = np.array([str(record.label) for record in records])
    for _ in range(1000):
        dealt = rng.permutation(truth)
        reached.append(np.mean([np.mean(given[dealt == x] == x) for x in ("no", "yes")]))
    assert found.null == {
        "balanced_accuracy_95_of_shuffled_labels": pytest.approx(np.quantile(reached, 0.95))
    }
    assert [row.name for row in found.rows] == ["majority class", "text only", "Super Neurons"]
    assert found.setting["seed"] == 3
