from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import bright_records, choices, murky, shades
from superneurons.activations.capture import capture
from superneurons.errors import DataError, MismatchError, ModelError
from superneurons.evaluate.reproduction.agreement import agreement
from superneurons.evaluate.reproduction.reproduce import reproduce, reproduce_records
from superneurons.evaluate.reproduction.reproduced import Reproduction
from superneurons.evaluate.reproduction.settings import OPTION_TEMPLATE, Settings
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.task.unroll import roll_up, unroll
from superneurons.vlm.model import VLM

SETTINGS = Settings("pope", row="llava-7b", shuffles=20, generate=False)
SMALL = replace(SETTINGS, max_layer=1)


def labels(records: list[Record]) -> np.ndarray:
    return np.array([str(record.label) for record in records])


def balanced(n: int) -> list[Record]:
    """As many of each answer; some are wrong, so that no read-out is perfect."""
    records = murky(2 * n)
    kept = [[r for r in records if r.label == label][: n // 2] for label in ("no", "yes")]
    return [record for pair in zip(*kept, strict=True) for record in pair]


PROBE, TEST = balanced(40), murky(30, seed=1)


@pytest.fixture(scope="module")
def found(llava: VLM) -> Reproduction:
    settings = replace(SETTINGS, generate=True, positions=("last_prompt", "first_generated"))
    return reproduce_records(llava, PROBE, TEST, settings)


@pytest.fixture(scope="module")
def small(llava: VLM) -> Reproduction:
    return reproduce_records(llava, PROBE, TEST, replace(SMALL, task="bright"))


@pytest.fixture(scope="module")
def chosen(llava: VLM) -> Reproduction:
    return reproduce_records(
        llava, choices(24), choices(14, seed=1), replace(SETTINGS, task="scienceqa")
    )


def test_the_papers_rule_is_fitted_and_scored_as_by_hand(found: Reproduction, llava: VLM) -> None:
    X, X_test = (capture(llava, records).flat for records in (PROBE, TEST))
    # Balanced already: all of them probe.
    assert found.measured.probing_questions == len(PROBE)
    for metric in ("accuracy", "f1"):
        for aggregation in ("majority", "mean"):
            way = found.way(f"paper-{metric}-{aggregation}")
            read_out = PaperSuperNeurons(
                metric=metric,
                aggregation=aggregation,
                margin_step=0.01,
                random_state=0,  # type: ignore[arg-type]
            ).fit(X, labels(PROBE), groups=group_ids(PROBE))
            given, truth = read_out.predict(X_test), labels(TEST)
            assert way.figures is not None
            assert way.figures.accuracy.value == np.mean(given == truth)
            claimed = given == "yes"
            precision = np.mean(truth[claimed] == "yes") if claimed.any() else 0
            assert way.figures.precision.value == pytest.approx(precision)
            assert way.neurons == len(read_out.neurons_)
            assert way.threshold == read_out.threshold_
            assert way.last_layer == way.exit_layer == read_out.neurons_.max() // 32 + 1


def test_the_paper_stands_beside_it(found: Reproduction) -> None:
    assert found.paper == "arXiv 2603.10781, llava-7b on pope"
    printed = {way.key: way.printed for way in found.ways if way.scored_on == "validation"}
    assert printed["paper-accuracy-mean"].precision == 92.6  # type: ignore[union-attr]
    assert printed["base-generate"] == printed["base-first-token"]
    assert printed["base-generate"].accuracy == 89.8  # type: ignore[union-attr]
    for key in ("majority", "text-only", "super-neurons", "logistic", "calibrated-logits", "savs"):
        assert printed[key] is None
    in_sample = found.way("neuron-accuracy", "probing").printed
    assert in_sample is not None
    assert (in_sample.table, in_sample.accuracy) == ("1", 92.5)


def test_an_unknown_task_has_no_rows_of_the_paper(small: Reproduction) -> None:
    assert small.paper == ""
    assert all(way.printed is None for way in small.ways)


def test_the_best_neuron_is_scored_on_both_sets(found: Reproduction) -> None:
    probing, validation = (found.way("neuron-accuracy", s) for s in ("probing", "validation"))
    assert probing.figures is not None
    assert validation.figures is not None
    assert (probing.figures.n, validation.figures.n) == (40, 30)
    assert probing.figures.accuracy.value == found.nulls[0].best
    assert "same questions" in probing.note
    assert validation.note == ""
    assert probing.last_layer == validation.last_layer


def test_always_one_answer_is_right_as_often_as_it_is_asked_for(found: Reproduction) -> None:
    way = found.way("majority")
    assert way.figures is not None
    counts = [np.sum(labels(TEST) == label) for label in ("no", "yes")]
    assert way.figures.accuracy.value == max(counts) / 30
    assert way.figures.balanced_accuracy.value == 0.5


def test_at_the_first_generated_token_the_whole_model_runs(found: Reproduction) -> None:
    later = [way for way in found.ways if way.key.endswith("@first_generated")]
    assert len(later) == 8 + 2
    assert {way.exit_layer for way in later} == {4}
    assert min(way.last_layer or 0 for way in later) < 4
    assert [null.position for null in found.nulls] == ["last_prompt", "first_generated"]


def test_chance_is_below_the_best_neuron_and_above_a_half(found: Reproduction) -> None:
    for null in found.nulls:
        assert (null.neurons, null.questions) == (128, 40)
        assert 0.5 < null.shuffled < 0.85
        assert 0.5 < null.coins < 0.85
        assert null.best > 0.5


def test_answers_in_words_that_name_no_label_are_counted(found: Reproduction) -> None:
    way = found.way("base-generate")
    assert "of 30 answers name no label" in way.note
    assert way.figures is not None
    assert way.figures.accuracy.value < 1


def test_options_are_scored_one_by_one_and_as_whole_questions(
    chosen: Reproduction, llava: VLM
) -> None:
    assert chosen.measured.unrolled
    assert chosen.measured.test_records == 14
    test = choices(14, seed=1)
    unrolled = unroll(test, template=OPTION_TEMPLATE)
    way = chosen.way("base-first-token")
    assert way.figures is not None
    assert way.whole is not None
    assert way.figures.n == len(unrolled.records) == chosen.measured.test_questions
    from superneurons.evaluate.rivals import base_task

    logits = base_task(llava, unrolled.records, ("no", "yes")).logits(llava, unrolled.records)
    odds = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    assert way.figures.recall.value == np.mean(odds[labels(list(unrolled.records)) == "yes"] > 0)
    assert way.whole.accuracy.value == np.mean(np.array(roll_up(odds, unrolled)) == labels(test))
    assert chosen.way("majority").whole is None
    assert chosen.way("text-only").whole is not None


def test_common_labels_are_asked_one_by_one_too(llava: VLM) -> None:
    result = reproduce_records(llava, shades(24), shades(12, seed=1), replace(SMALL, task="x"))
    way = result.way("super-neurons")
    assert way.figures is not None
    assert way.whole is not None
    assert (way.figures.n, way.whole.n) == (36, 12)


def test_the_model_runs_once_over_each_record(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = VLM.last_states

    def counting(vlm: VLM, inputs, *rest, **more):  # type: ignore[no-untyped-def]
        seen.append(len(inputs))
        return plain(vlm, inputs, *rest, **more)

    monkeypatch.setattr(VLM, "last_states", counting)
    reproduce_records(llava, PROBE, TEST, replace(SMALL, batch_size=16))
    assert seen == [16, 16, 8, 16, 14]


def test_no_neuron_lies_beyond_the_last_layer_that_may_be_read(llava: VLM) -> None:
    result = reproduce_records(llava, PROBE, TEST, replace(SETTINGS, max_layer=2))
    read = [way for way in result.ways if way.last_layer is not None]
    assert len(read) == 8 + 1 + 2
    assert max(way.last_layer or 0 for way in read) <= 2
    assert result.nulls[0].neurons == 64
    with pytest.raises(ModelError, match="there is no layer 9"):
        reproduce_records(llava, PROBE, TEST, replace(SETTINGS, max_layer=9))


def test_a_second_run_finds_the_same_and_another_seed_does_not(
    small: Reproduction, llava: VLM
) -> None:
    again = reproduce_records(llava, PROBE, TEST, small.settings, expected=small.measured)
    assert agreement(small, again).equal
    assert again == small
    other = reproduce_records(llava, PROBE, TEST, replace(small.settings, seed=1))
    assert not agreement(small, other).equal


def test_other_records_are_refused_before_the_model_runs(
    small: Reproduction, llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "last_states", lambda *_, **__: pytest.fail("the model ran"))
    with pytest.raises(MismatchError, match="not what the figures were measured on") as refused:
        reproduce_records(llava, PROBE, murky(30, seed=2), small.settings, expected=small.measured)
    assert [problem.where for problem in refused.value.problems] == ["test_sha256"]


@pytest.mark.parametrize(
    ("row", "given", "step"),
    [("llava-13b", None, 0.01), ("qwen3-vl-4b", None, 0.001), (None, None, 0.001),
     ("llava-7b", 0.002, 0.002)],
)  # fmt: skip
def test_snt_is_swept_in_the_papers_steps(
    llava: VLM, row: str | None, given: float | None, step: float
) -> None:
    settings = replace(SMALL, row=row, margin_step=given)
    result = reproduce_records(llava, PROBE[:16], TEST, settings)
    assert result.settings.margin_step == step
    assert result.settings.row == row


def test_words_that_cannot_be_told_apart_leave_the_neurons(llava: VLM) -> None:
    said = {"no": "same", "yes": "same thing"}
    probe, test = (
        [replace(r, label=said[str(r.label)]) for r in records] for records in (PROBE, TEST)
    )
    result = reproduce_records(llava, probe, test, SMALL)
    missing = result.way("base-first-token")
    assert missing.figures is None
    assert "first token" in missing.note
    assert result.measured.label_words is None
    assert result.way("super-neurons").figures is not None
    with pytest.raises(KeyError):
        result.way("calibrated-logits")


def test_from_settings_alone(llava_path: Path) -> None:
    settings = Settings(
        "dark",
        model=str(llava_path),
        n_probe=16,
        n_test=8,
        generate=False,
        shuffles=20,
        max_layer=1,
    )  # fmt: skip
    result = reproduce(settings)
    assert result.paper == ""
    assert result.measured.name == str(llava_path)
    assert (result.measured.probing_questions, result.measured.test_questions) == (16, 8)


def test_bad_settings_are_refused_before_anything_is_read() -> None:
    with pytest.raises(DataError, match="can't be run"):
        reproduce(Settings("nothing", model="/nowhere", n_probe=0))


def test_every_family_does(vlm: VLM) -> None:
    settings = replace(SMALL, generate=True, row=None)
    result = reproduce_records(vlm, bright_records(16), bright_records(8, seed=1), settings)
    assert result.paper == ""
    assert len(result.ways) == 14 + 3
