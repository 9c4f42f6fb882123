from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, shades
from superneurons.errors import DataError
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Row
from superneurons.evaluate.entrants import Entrants
from superneurons.evaluate.entries import ENTRIES
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

OURS = "Super Neurons, improved"


@pytest.fixture(scope="module")
def yes_no(vlm: VLM) -> Comparison:
    return compare(
        vlm, bright_records(40), bright_records(24, seed=1), repeats=1, shuffles=20, seed=3
    )


def rows_of(found: Comparison) -> dict[str, Row]:
    return {row.name: row for row in found.rows}


def test_everything_is_there_with_all_its_figures(yes_no: Comparison, vlm: VLM) -> None:
    rows = rows_of(yes_no)
    asked = [entry for entry in ENTRIES if not entry.on_request and entry.multiclass is not None]
    assert list(rows) == [
        "majority class", "text only", FIRST_TOKEN, "calibrated logits", "logit lens, raw",
        "logit lens, calibrated", GENERATE, *(entry.name for entry in asked),
    ]  # fmt: skip
    for entry in asked:
        row = rows[entry.name]
        assert row.scores is not None
        assert row.scores.n == 24
        assert row.scores.ece is not None
        assert row.timing is not None
        assert row.best_neuron is not None
        assert row.null_maximum is not None
        assert row.exit_layer is not None
        assert entry.site.sees_only_pictures == (row.exit_layer == 0)
        assert row.exit_layer <= vlm.n_layers
        assert 0 <= (row.agreement or 0) <= 1
    assert yes_no.recommendation is not None
    assert yes_no.recommendation.sentence.endswith(".")


def test_each_row_keeps_what_it_answered_to_the_test_records_in_order(yes_no: Comparison) -> None:
    assert [record.id for record in yes_no.test] == [r.id for r in bright_records(24, seed=1)]
    truth = [record.label for record in yes_no.test]
    for row in yes_no.rows:
        assert row.answers is not None
        assert row.scores is not None
        assert row.scores.accuracy == np.mean(np.array(row.answers.labels) == truth)
        if row.neurons is not None:
            assert row.answers.probabilities is not None
            assert row.answers.probabilities.shape == (24, 2)


def test_an_easy_question_is_learnt_and_rises_above_chance(yes_no: Comparison) -> None:
    ours = rows_of(yes_no)[OURS]
    assert ours.scores is not None
    assert ours.scores.balanced_accuracy > 0.9
    assert ours.best_neuron is not None
    assert ours.null_maximum is not None
    assert ours.best_neuron > ours.null_maximum > 0.5
    assert yes_no.null["balanced accuracy with shuffled labels"] < 0.8
    assert 0 < yes_no.null["balanced accuracy of as many random neurons"] <= 1


def test_a_row_is_what_the_classifier_answers(yes_no: Comparison, vlm: VLM) -> None:
    probe, test = bright_records(40), bright_records(24, seed=1)
    rows = rows_of(yes_no)
    for read_out, site, name in (
        ("super-neurons", "residual", OURS),
        ("paper", "residual", "Super Neurons, paper's rule"),
        ("logistic", "vision", "vision-only logistic probe"),
    ):
        alone = SuperNeuronClassifier(vlm, read_out=read_out, site=site, random_state=3).fit(probe)
        row = rows[name]
        assert row.scores is not None
        assert row.scores.accuracy == alone.score(test)
        assert row.exit_layer == alone.exit_layer_
        assert row.neurons == len(alone.neurons_)


def test_leads_are_paired_differences_from_ours(yes_no: Comparison) -> None:
    rows = rows_of(yes_no)
    ours = rows[OURS]
    assert ours.lead is None
    assert ours.scores is not None
    for row in yes_no.rows:
        if row.name == OURS or row.scores is None:
            continue
        assert row.lead is not None
        expected = ours.scores.balanced_accuracy - row.scores.balanced_accuracy
        assert row.lead.balanced_accuracy.difference == pytest.approx(expected)
        assert 0 < row.lead.mcnemar_p <= 1


def test_the_order_of_the_records_changes_no_score(vlm: VLM) -> None:
    probe, test = bright_records(30), bright_records(16, seed=1)
    only = {"read_outs": ["super-neurons", "savs-soft", "vision"], "repeats": 1, "shuffles": 20}
    one = compare(vlm, probe, test, generate=False, **only)  # type: ignore[arg-type]
    other = compare(
        vlm,
        probe,
        test[::-1],
        generate=False,
        batch_size=3,
        **only,  # type: ignore[arg-type]
    )
    for a, b in zip(one.rows, other.rows, strict=True):
        assert (a.name, a.exit_layer) == (b.name, b.exit_layer)
        assert a.scores is not None
        assert b.scores is not None
        assert a.scores.accuracy == pytest.approx(b.scores.accuracy, abs=1 / 16 + 1e-9)


def test_without_test_records_each_is_answered_by_what_did_not_see_it(llava: VLM) -> None:
    records = bright_records(40)
    seen: list[Entrants] = []
    found = compare(
        llava, records, read_outs=["super-neurons"], folds=4, generate=False, repeats=1,
        shuffles=20, witness=seen.append,
    )  # fmt: skip
    row = rows_of(found)[OURS]
    assert row.scores is not None
    assert row.scores.n == 40
    assert row.answers is seen[0].fits[0].answers
    contest = seen[0].contest
    order = np.concatenate([part.test for part in contest.parts])
    assert [record.id for record in found.test] == [records[index].id for index in order]
    assert len(contest.pools[contest.native].captured) == 40
    assert found.setting["parts"] == 4
    assert found.setting["early_exits"]["path"] == "lean"
    # Labels that no picture explains can't be answered by what did not see them.
    rng = np.random.default_rng(0)
    random = [replace(r, label=str(rng.choice(["no", "yes"]))) for r in records]
    nothing = compare(
        llava, random, read_outs=["super-neurons"], folds=4, generate=False, repeats=1, shuffles=20
    )
    scores = rows_of(nothing)[OURS].scores
    assert scores is not None
    assert scores.balanced_accuracy < 0.8


def test_more_answers_are_asked_once_and_per_option(llava: VLM) -> None:
    found = compare(
        llava, shades(36), shades(18, seed=1), repeats=1, shuffles=20, generate=False,
        read_outs=["super-neurons", "super-neurons-by-option", "paper", "savs", "vision"],
    )  # fmt: skip
    rows = rows_of(found)
    ours = rows[OURS]
    assert ours.scores is not None
    assert ours.scores.n == 18
    assert ours.scores.balanced_accuracy > 0.8
    assert ours.best_neuron is None  # the sign rule knows two answers
    paper = rows["Super Neurons, paper's rule"]
    assert paper.best_neuron is not None
    assert paper.scores is not None
    assert paper.scores.n == 18
    assert "Super Neurons, improved, per option" in rows
    assert found.setting["labels"] == ["dark", "grey", "pale"]


def test_options_of_each_records_own(llava: VLM) -> None:
    found = compare(
        llava, choices(36), choices(18, seed=1), repeats=1, shuffles=20,
        read_outs=["super-neurons", "paper"],
    )  # fmt: skip
    for row in found.rows:
        assert row.scores is not None
        assert row.scores.n == 18
    assert found.setting["labels"] == "each record's own options"


def test_labels_that_start_alike_leave_the_base_model_out(llava: VLM) -> None:
    names = {"yes": "cow", "no": "cat"}
    probe, test = (
        [replace(r, label=names[str(r.label)]) for r in bright_records(n, seed=s)]
        for n, s in ((24, 0), (12, 1))
    )
    found = compare(
        llava, probe, test, read_outs=["super-neurons"], repeats=1, shuffles=20, generate=False
    )
    row = rows_of(found)[FIRST_TOKEN]
    assert row.scores is None
    assert "cat" in row.note
    assert "calibrated logits" not in rows_of(found)


def test_the_generated_token_can_be_asked_for(llava: VLM) -> None:
    found = compare(
        llava, bright_records(24), bright_records(12, seed=1), repeats=1, shuffles=20,
        read_outs=["super-neurons", "paper-generated"], generate=False,
    )  # fmt: skip
    row = rows_of(found)["Super Neurons, paper's rule, at the first generated token"]
    assert row.exit_layer == llava.n_layers


def test_it_is_json(yes_no: Comparison) -> None:
    found = json.loads(json.dumps(yes_no.as_dict()))
    assert found["recommendation"]["sentence"]
    row = next(row for row in found["rows"] if row["name"] == OURS)
    assert set(row) >= {"scores", "ms", "best_neuron", "null_maximum", "lead", "agreement"}
    assert found["setting"]["shuffles"] == 20


def test_what_is_in_both_sets_is_refused_before_the_model_runs(llava: VLM) -> None:
    probe = bright_records(12)
    with pytest.raises(DataError, match="share a picture"):
        compare(llava, probe, probe[:4])
    with pytest.raises(DataError, match="Unknown read-outs"):
        compare(llava, probe, bright_records(6, seed=1), read_outs=["svm"])


def test_without_rounds_nothing_is_timed(llava: VLM) -> None:
    found = compare(
        llava, bright_records(24), bright_records(12, seed=1), repeats=0, shuffles=20,
        read_outs=["super-neurons"],
    )  # fmt: skip
    assert all(row.timing is None for row in found.rows)
    assert found.recommendation is not None
    assert "fast" not in found.recommendation.sentence


def test_two_questions_on_a_picture_are_no_contradiction_where_only_pictures_are_seen(
    llava: VLM,
) -> None:
    """Warnings are errors here: the same picture with another answer must not give one."""
    probe, test = (
        [
            replace(record, question=question, label=label)
            for record in bright_records(n, seed=seed)
            for question, label in (("Is it?", str(record.label)), ("Is it not?", _other(record)))
        ]
        for n, seed in ((16, 0), (8, 1))
    )
    found = compare(
        llava, probe, test, repeats=0, shuffles=20, generate=False, read_outs=["paper", "vision"]
    )
    scores = rows_of(found)["vision-only logistic probe"].scores
    assert scores is not None
    assert scores.balanced_accuracy == 0.5


def _other(record: Record) -> str:
    return "no" if record.label == "yes" else "yes"


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(template="{pictures}Q: {question} A:")
    asked = prompts_asked(monkeypatch)
    found = compare(
        llava, bright_records(24), bright_records(8, seed=1), prompt=prompt, repeats=1, shuffles=20
    )
    assert found.setting["prompt"] == "<image>Q: {question} A:"
    assert set(found.setting["label_words"]) == {"no", "yes"}
    assert set(asked) == {prompt}
