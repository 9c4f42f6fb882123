from __future__ import annotations

import pytest
import torch

from superneurons.errors import ModelError, ResourceError
from superneurons.vlm.checks.check import (
    MEANINGS,
    ONLY_THOROUGH,
    Check,
    Tolerance,
    attempted,
    exact,
    rounding,
    said,
)
from superneurons.vlm.taps import KINDS

CPU = torch.device("cpu")
EVERY = Tolerance(1.0, 0.1)


def test_each_check_says_what_holds_and_what_to_do() -> None:
    for name, meaning in MEANINGS.items():
        check = Check(name, True, "")
        assert (check.holds, check.mend) == (meaning.holds, meaning.mend)
        assert meaning.holds.endswith(".")
        assert meaning.mend.endswith(".")
    assert set(ONLY_THOROUGH) < set(MEANINGS)
    assert {f"site {kind}" for kind in KINDS if kind != "residual"} < set(MEANINGS)


def test_values_are_compared_to_themselves_and_to_the_spread_of_their_layer() -> None:
    expected = torch.tensor([[[3.0, -1.0], [300.0, -100.0]]])
    found = expected.clone()
    assert EVERY.apart(expected, found) == 0
    found[0, 0, 0] += 0.1  # the same in the deep layer would be a hundredth of that
    spread = float(torch.tensor([3.0, -1.0]).std())
    assert EVERY.apart(expected, found) == pytest.approx(0.1 / (3 + spread))
    found[0, 0, 0] -= 0.1
    found[0, 1, 0] += 0.1
    assert EVERY.apart(expected, found) < 0.1 / 300


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_no_number_is_infinitely_far(wrong: float) -> None:
    expected = torch.randn(1, 2, 8)
    found = expected.clone()
    found[0, 1, 3] = wrong
    assert EVERY.apart(expected, found) == torch.inf
    assert EVERY.apart(found, found) == torch.inf


def test_other_shapes_are_infinitely_far() -> None:
    assert EVERY.apart(torch.ones(1, 2, 8), torch.ones(1, 3, 8)) == torch.inf


def test_constant_layers_can_be_compared() -> None:
    zeros = torch.zeros(1, 2, 8)
    assert EVERY.apart(zeros, zeros) == 0
    assert EVERY.apart(zeros, zeros + 1) > 1


def test_a_few_values_of_a_layer_may_be_off_but_not_of_one_record() -> None:
    expected = torch.randn(3, 4, 100)
    most = Tolerance(0.95, 0.1)
    found = expected.clone()
    found[1, 2, :5] += 100
    assert most.apart(expected, found) == 0
    assert EVERY.apart(expected, found) > 1
    found[1, 2, 5] += 100
    assert most.apart(expected, found) > 1


def test_narrow_layers_are_compared_whole() -> None:
    expected = torch.randn(1, 1, 8)
    found = expected.clone()
    found[0, 0, 3] += 1
    assert Tolerance(0.95, 0.1).apart(expected, found) > 0.1


def test_the_same_sums_have_less_room_than_others() -> None:
    strict, loose = exact(torch.float32, CPU), rounding(torch.float32, CPU)
    assert (strict.share, loose.share) == (1, 0.95)
    assert strict.limit < 1e-6 < loose.limit < 1e-4
    for dtype in (torch.bfloat16, torch.float16):
        assert rounding(dtype, CPU).limit == 0.5


def test_other_devices_may_add_up_in_any_order_and_convolve_roughly() -> None:
    cuda = torch.device("cuda")
    assert exact(torch.float32, cuda) == rounding(torch.float32, cuda)
    assert rounding(torch.float32, CPU).limit < rounding(torch.float32, cuda).limit == 0.01
    assert rounding(torch.bfloat16, cuda) == rounding(torch.bfloat16, CPU)


def test_what_raises_has_failed() -> None:
    def broken() -> Check:
        raise KeyError("no such part")

    assert attempted("run", broken) == Check("run", False, "KeyError: 'no such part'")
    assert attempted("run", lambda: 3) == 3


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), ResourceError("full")])
def test_too_little_memory_has_not_failed(error: Exception) -> None:
    def big() -> Check:
        raise error

    with pytest.raises(ResourceError, match="full"):
        attempted("run", big)


def test_errors_are_said_in_one_line() -> None:
    assert said(ModelError("This.", mend="That.")) == "This."
    assert said(ValueError("one\ntwo")) == "ValueError: one"
    assert said(ValueError()) == "ValueError: "
