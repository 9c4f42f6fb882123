from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import pytest

from superneurons.activations.site import TOKENS
from superneurons.errors import DataError
from superneurons.evaluate.reproduction.settings import OPTION_TEMPLATE, Settings, check_settings
from superneurons.task.record import Record
from superneurons.task.unroll import unroll


def test_the_defaults_are_the_papers() -> None:
    settings = Settings("pope")
    check_settings(settings)
    assert settings.n_probe == 3000
    assert settings.positions == ("last_prompt",)


def test_options_are_asked_for_in_the_papers_words() -> None:
    record = Record((), "What is it?", "cat", options=("cat", "dog"))
    asked = unroll([record], template=OPTION_TEMPLATE).records
    assert asked[0].question == "What is it? Is it cat? Answer with yes or no."


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"data": "a.jsonl"}, "test: missing; --data goes with --test"),
        ({"test": "a.jsonl"}, "data: missing; --test goes with --data"),
        ({"data": "-", "test": "a.jsonl"}, "data: standard input can't be read again"),
        ({"n_probe": 7}, "n_probe: 7 is not at least 8"),
        ({"n_test": 1}, "n_test: 1 is not at least 2"),
        ({"shuffles": 0}, "shuffles: 0 is not at least 20"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"max_layer": 0}, "max_layer: 0"),
        ({"seed": -1}, "seed: -1"),
        ({"margin_step": 0.0}, "margin_step: 0.0 is not in (0, 0.03]"),
        ({"margin_step": 0.1}, "margin_step: 0.1"),
        ({"positions": ()}, "positions: none"),
        ({"positions": ("image_mean",)}, "positions: 'image_mean' is none of last_prompt"),
        ({"positions": ("lastprompt",)}, "did you mean 'last_prompt'?"),
        ({"row": "llava"}, "row: 'llava' is none of llava-7b"),
        ({"row": "qwen3-4b"}, "did you mean 'qwen3-vl-4b'?"),
    ],
)
def test_what_cannot_be_run_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match="can't be run") as refused:
        check_settings(replace(Settings("pope"), **wrong))
    assert said in str(refused.value)
    assert len(refused.value.problems) == 1


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(DataError) as refused:
        check_settings(Settings("pope", data="-", n_probe=0, row="x", positions=()))
    places = [problem.where for problem in refused.value.problems]
    assert places == ["test", "data", "n_probe", "positions", "row"]


@pytest.mark.parametrize("right", [
    {"n_probe": 8}, {"n_test": 2}, {"shuffles": 20}, {"batch_size": 1}, {"max_layer": 1},
    {"seed": 0}, {"margin_step": 0.03}, {"margin_step": 1e-6}, {"row": "qwen3-vl-32b"},
    {"positions": TOKENS}, {"positions": TOKENS[::-1]}, {"data": "a.jsonl", "test": "b.jsonl"},
    {"n_test": None}, {"max_layer": None}, {"margin_step": None},
])  # fmt: skip
def test_the_least_that_can_be_run_is_run(right: dict[str, Any]) -> None:
    check_settings(replace(Settings("pope"), **right))


def test_both_sides_of_standard_input_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        check_settings(Settings("pope", data="-", test="-"))
    assert [problem.where for problem in refused.value.problems] == ["data", "test"]


def test_a_run_is_as_the_paper_has_it_unless_said_otherwise() -> None:
    settings = Settings("pope")
    assert settings.generate
    assert (settings.seed, settings.shuffles, settings.sprites) == (0, 200, "seen")
    assert (settings.n_test, settings.max_layer, settings.margin_step, settings.row) == (None,) * 4


def test_settings_of_the_same_run_are_the_same() -> None:
    assert Settings("pope", seed=1) == replace(Settings("pope"), seed=1)
    assert len({Settings("pope"), Settings("pope"), Settings("clevr")}) == 2


def test_two_wrong_values_of_a_kind_are_two_problems() -> None:
    with pytest.raises(DataError) as refused:
        check_settings(
            Settings("pope", n_probe=7, n_test=1, shuffles=19, batch_size=0, max_layer=0, seed=-1,
                     positions=("here", "there"), margin_step=0.031)  # type: ignore[arg-type]
        )  # fmt: skip
    places = [problem.where for problem in refused.value.problems]
    assert places == [
        "n_probe", "n_test", "shuffles", "batch_size", "max_layer", "seed", "margin_step",
        "positions", "positions",
    ]  # fmt: skip
    assert "mend:  Change them." in str(refused.value)


def test_a_word_like_none_gets_no_suggestion() -> None:
    with pytest.raises(DataError) as refused:
        check_settings(Settings("pope", row="zzz"))
    assert "did you mean" not in str(refused.value)


def test_settings_are_not_changed_afterwards_and_make_a_key() -> None:
    settings = Settings("pope", positions=TOKENS)
    with pytest.raises(FrozenInstanceError):
        settings.seed = 3  # type: ignore[misc]
    assert Settings(**asdict(settings)) == settings
    assert {settings: 1}[replace(settings)] == 1
