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
