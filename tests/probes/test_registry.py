from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.registry import READ_OUTS, make_read_out


def test_names_are_those_of_the_classes() -> None:
    assert READ_OUTS["paper"] is PaperSuperNeurons
    assert all(name == read_out.name for name, read_out in READ_OUTS.items())


def test_parameters_are_passed_on() -> None:
    assert make_read_out("paper", metric="f1").get_params()["metric"] == "f1"


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(DataError, match=r"'papper'") as caught:
        make_read_out("papper")
    assert "Did you mean 'paper'?" in str(caught.value)
    assert all(name in str(caught.value) for name in READ_OUTS)


def test_unknown_parameters_are_all_named() -> None:
    with pytest.raises(DataError) as caught:
        make_read_out("paper", metrics="f1", depth=3)
    assert [problem.where for problem in caught.value.problems] == ["metrics", "depth"]
    assert "Did you mean 'metric'?" in caught.value.problems[0].what


def test_a_read_out_without_parameters_says_so() -> None:
    with pytest.raises(DataError, match="Known: none"):
        make_read_out("logits", C=1)


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_every_read_out_is_made_with_its_defaults_and_unfitted(name) -> None:
    made = make_read_out(name)
    assert type(made) is READ_OUTS[name]
    assert made.get_params() == READ_OUTS[name]().get_params()
    assert not hasattr(made, "neurons_")


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_every_parameter_can_be_given_by_its_name(name) -> None:
    given = {parameter: object() for parameter in READ_OUTS[name]().get_params()}
    assert make_read_out(name, **given).get_params() == given


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(DataError) as caught:
        make_read_out("zzz")
    assert "Did you mean" not in str(caught.value)
    assert caught.value.mend == f"Known: {', '.join(sorted(READ_OUTS))}."


def test_right_parameters_are_not_named_beside_a_wrong_one() -> None:
    with pytest.raises(DataError, match="read-out 'knn'") as caught:
        make_read_out("knn", n_folds=3, neighbours=5)
    assert [problem.where for problem in caught.value.problems] == ["neighbours"]
    assert "layer_width, n_folds, random_state" in caught.value.problems[0].what
