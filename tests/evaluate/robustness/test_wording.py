from __future__ import annotations

from dataclasses import replace

import pytest

from asking import prompts_asked
from pictures import bright_records, shades
from superneurons.errors import DataError
from superneurons.evaluate.robustness.crossing import Crossing
from superneurons.evaluate.robustness.gathered import NEURONS
from superneurons.evaluate.robustness.seed_scores import seed_scores
from superneurons.evaluate.robustness.wording import study_wording
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

PROBE, TEST = bright_records(24), bright_records(12, seed=1)
OWN = "Is it {what}?"


@pytest.fixture(scope="module")
def found(llava: VLM) -> Crossing:
    return study_wording(llava, PROBE, TEST, ["Is it {word}?", "Is it {what} or not?"], own=OWN)


def test_the_own_wording_comes_first(found: Crossing) -> None:
    assert list(found.domains) == ["A", "B", "C"]
    assert found.domains["A"] == "Is it {what}?, e.g. 'Is it bright?'"
    assert "Is it bright or not?" in found.domains["C"]
    assert found.what == "wording"


def test_neurons_are_found_with_one_wording_and_asked_with_another(
    found: Crossing, llava: VLM
) -> None:
    clf = SuperNeuronClassifier(llava, read_out="super-neurons").fit(PROBE)
    other = [replace(record, question="Is it bright or not?") for record in TEST]
    truth = [str(record.label) for record in TEST]
    given = clf.predict(other).tolist()
    recalls = [
        sum(g == t for g, t in zip(given, truth, strict=True) if t == label) / truth.count(label)
        for label in ("no", "yes")
    ]
    cell = found.cell(NEURONS[1], "A", "C")
    assert cell.scores.balanced_accuracy == pytest.approx(sum(recalls) / 2)


def test_found_anew_the_easy_answer_is_there_in_any_words(found: Crossing) -> None:
    for name in ("A", "C"):
        assert found.cell(NEURONS[1], name, name).scores.balanced_accuracy > 0.9


def test_each_wording_of_each_picture_is_run_once(llava: VLM, questions_run: list[Record]) -> None:
    study_wording(llava, PROBE, TEST, ["Hm?", "Hm?", "{question}", "So?"], seeds=(0, 1))
    extra = 1  # its tokens are counted for the setting
    assert len(questions_run) == 3 * (24 + 12) + extra
    assert {record.question for record in questions_run} == {"Is it bright?", "Hm?", "So?"}


@pytest.mark.parametrize("wordings", [[], ["{question}"], [f"{i}?" for i in range(26)]])
def test_there_have_to_be_others_and_not_too_many(llava: VLM, wordings: list[str]) -> None:
    with pytest.raises(DataError, match="wordings beside the own one"):
        study_wording(llava, PROBE, TEST, wordings)


def test_records_in_both_are_refused_before_the_model_runs(
    llava: VLM, questions_run: list[Record]
) -> None:
    with pytest.raises(DataError, match="share a picture"):
        study_wording(llava, PROBE, [*TEST, PROBE[0]], ["So?"])
    assert not questions_run


def test_wordings_that_cannot_be_filled_are_refused(llava: VLM) -> None:
    with pytest.raises(DataError, match="unknown slots"):
        study_wording(llava, PROBE, TEST, ["{that}?"], own=OWN)


def test_a_nonsense_word_is_the_same_for_all_records_of_a_picture(
    llava: VLM, questions_run: list[Record]
) -> None:
    both = [
        replace(record, group=f"{side}{i // 2}")
        for side, part in (("p", PROBE), ("t", TEST))
        for i, record in enumerate(part)
    ]
    found = study_wording(llava, both[:24], both[24:], ["Is it {word}?"], seeds=(7,))
    asked: dict[str, set[str]] = {}
    for record in questions_run:
        if record.question != "Is it bright?":
            asked.setdefault(str(record.group), set()).add(record.question)
    assert len(asked) == 18
    assert all(len(words) == 1 for words in asked.values())
    assert len(set.union(*asked.values())) > 15
    assert found.seeds == (7,)


def test_three_answers_are_asked_in_other_words(llava: VLM) -> None:
    found = study_wording(llava, shades(24), shades(12, seed=1), ["What shade?"])
    cell = found.cell(NEURONS[1], "B", "B")
    clf = SuperNeuronClassifier(llava)
    clf.fit([replace(record, question="What shade?") for record in shades(24)])
    test = [replace(record, question="What shade?") for record in shades(12, seed=1)]
    expected = seed_scores(test, [clf.predict(test).tolist()], labels=("dark", "grey", "pale"))
    assert cell.scores == expected


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(template="{pictures}Q: {question} A:")
    asked = prompts_asked(monkeypatch)
    found = study_wording(llava, PROBE, TEST, ["So?"], prompt=prompt, batch_size=5)
    assert set(asked) == {prompt}
    assert found.setting["prompt"] == "<image>Q: {question} A:"
