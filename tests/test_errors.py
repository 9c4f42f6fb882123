from __future__ import annotations

import copy

import pytest

from superneurons import errors
from superneurons.errors import DataError, MissingExtraError, Problem, SuperNeuronsError

BUILT_IN = {
    "ArtefactError": ValueError,
    "BusyError": RuntimeError,
    "DataError": ValueError,
    "DeadlineError": TimeoutError,
    "MismatchError": ValueError,
    "MissingExtraError": ImportError,
    "ModelError": RuntimeError,
    "ModelNotFoundError": OSError,
    "OutputError": OSError,
    "ResourceError": MemoryError,
    "ServiceError": RuntimeError,
    "VerificationError": RuntimeError,
}


@pytest.mark.parametrize(("name", "base"), sorted(BUILT_IN.items()))
def test_each_error_is_also_the_natural_built_in(name: str, base: type[Exception]) -> None:
    error = getattr(errors, name)("Something is wrong.", where="here", mend="Do this.")
    assert isinstance(error, SuperNeuronsError)
    assert isinstance(error, base)
    assert str(error) == "Something is wrong.\n  where: here\n  mend:  Do this."


def test_the_tree_has_no_other_leaves() -> None:
    assert set(errors.__all__) == {*BUILT_IN, "Problem", "SuperNeuronsError"}


def test_all_problems_are_listed_up_to_a_point() -> None:
    problems = [Problem(f"file.jsonl:{n}", f"bad row {n}") for n in range(1, 31)]
    error = DataError("Bad rows.", problems=problems, mend="Mend them.")
    said = str(error).splitlines()
    assert said[1] == "  file.jsonl:1: bad row 1"
    assert said[-2] == "  … and 10 more"
    assert said[-1] == "  mend:  Mend them."
    assert len(error.problems) == 30


def test_nothing_is_said_that_is_not_known() -> None:
    assert str(DataError("Only this.")) == "Only this."


def test_an_error_can_cross_a_process_border() -> None:
    error = MissingExtraError("Missing.", mend="pip install it")
    again = copy.copy(error)  # the way worker pools take errors along
    assert str(again) == str(error)
    assert again.mend == error.mend
