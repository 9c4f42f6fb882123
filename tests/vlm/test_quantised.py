from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm import quantised
from superneurons.vlm.lean.dense import Beside, Dense
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM
from superneurons.vlm.quantised import EightBit, eight_bit


def product(a: torch.Tensor, b: torch.Tensor, **given: Any) -> torch.Tensor:
    found = (a.float() * given["scale_a"]) @ (b.float() * given["scale_b"])
    bias = given["bias"]
    return (found if bias is None else found + bias.float()).to(given["out_dtype"])


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch has no such product of 8-bit numbers, compute it in float32."""
    try:
        EightBit.rounding(Dense(torch.ones(16, 16), torch.ones(16)))(torch.ones(2, 16))
    except (RuntimeError, NotImplementedError):
        monkeypatch.setattr(torch, "_scaled_mm", product)


@pytest.fixture
def lean(vlm: VLM) -> Lean:
    found = lean_of(vlm)
    assert found is not None
    return found


def parts(part: Any) -> Iterator[Dense]:
    """All maps that are computed."""
    if isinstance(part, Beside) and part.packed is not None:
        yield part.packed
    elif isinstance(part, Dense):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from parts(each)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from parts(getattr(part, field.name))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_off_by_no_more_than_its_rounding(biased: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 256, generator=generator) * torch.logspace(-3, 3, 48)[:, None]
    x = torch.randn(2, 7, 256, generator=generator) * torch.logspace(-2, 2, 7)[:, None]
    bias = torch.randn(48, generator=generator) if biased else None
    weight, x, bias = (None if t is None else t.to(dtype) for t in (weight, x, bias))
    assert weight is not None
    assert x is not None
    found = EightBit.rounding(Dense(weight, bias))(x)
    exact = x.double() @ weight.double().T
    # 3 bits of mantissa on either side: each factor is off by a 16th at most.
    limit = (1.0625**2 - 1) * (x.double().abs() @ weight.double().abs().T)
    if bias is not None:
        exact, limit = exact + bias.double(), limit + bias.double().abs() * 0.01
    assert found.shape == (2, 7, 48)
    assert found.dtype == dtype
    assert bool(((found.double() - exact).abs() <= limit * 1.02).all())
    relative = (found.double() - exact).norm() / exact.norm()
    assert 1e-3 < float(relative) < 0.05


def test_each_row_and_output_has_a_scale_of_its_own() -> None:
    weight = torch.diag(torch.tensor([1e-6, 1.0, 1e6, 3.0] * 4))
    x = torch.eye(16) * torch.tensor([1e5, 1e-5, 7.0, 0.3] * 4)
    found = EightBit.rounding(Dense(weight))(x)
    torch.testing.assert_close(found, x @ weight.T, rtol=1e-3, atol=0)


def test_nothing_stays_nothing() -> None:
    rounded = EightBit.rounding(Dense(torch.zeros(16, 16)))
    assert torch.equal(rounded(torch.ones(2, 16)), torch.zeros(2, 16))
    ones = EightBit.rounding(Dense(torch.ones(16, 16)))
    assert torch.equal(ones(torch.zeros(2, 16)), torch.zeros(2, 16))


def test_every_map_whose_sides_allow_is_rounded_and_nothing_else_changes(lean: Lean) -> None:
    rounded = quantised._rounded(lean.tower)
    assert type(rounded) is type(lean.tower)
    for before, after in zip(parts(lean.tower), parts(rounded), strict=True):
        fits = all(side % 16 == 0 for side in before.weight.shape)
        assert isinstance(after, EightBit) == fits
        assert after.weight is before.weight or torch.equal(after.weight, before.weight)
    assert any(isinstance(part, EightBit) for part in parts(rounded))


def test_maps_side_by_side_are_rounded_as_the_one_they_are() -> None:
    whole = Dense(torch.randn(48, 32))
    pieces = tuple(whole.rows(slice(i, i + 16)) for i in (0, 16, 32))
    packed = quantised._rounded(Beside(pieces, whole))
    assert isinstance(packed.packed, EightBit)
    apart = quantised._rounded(Beside(pieces))
    assert all(isinstance(part, EightBit) for part in apart.parts)
    x = torch.randn(5, 32)
    for a, b in zip(packed(x), apart(x), strict=True):
        torch.testing.assert_close(a, b)
    odd = Beside((Dense(torch.randn(8, 32)), Dense(torch.randn(16, 32))))
    assert [type(part) for part in quantised._rounded(odd).parts] == [Dense, EightBit]


@torch.inference_mode()
def test_what_is_read_moves_a_little_and_only_by_the_tower(
    vlm: VLM, lean: Lean, records: list[Record]
) -> None:
    tensors = vlm.encode(records[:4]).tensors
    rounded = dataclasses.replace(lean, tower=quantised._rounded(lean.tower))
    a, b = (one.advance(one.start(tensors), 2).at() for one in (lean, rounded))
    gap = float((a - b).abs().mean() / a.std())
    assert 1e-5 < gap < 0.3
    assert rounded.layers is lean.layers


def test_a_device_without_such_products_is_refused(
    lean: Lean, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lean.vectors.device.type == "cpu":
        with pytest.raises(ModelError, match="device cpu has no products in 8-bit"):
            eight_bit(lean)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    old = dataclasses.replace(lean, vectors=type("On", (), {"device": torch.device("cuda")})())
    with pytest.raises(ModelError, match=r"8\.9 or more"):
        eight_bit(old)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert any(isinstance(part, EightBit) for part in parts(eight_bit(old).tower))
