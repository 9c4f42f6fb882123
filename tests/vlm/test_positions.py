from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from superneurons.task.record import Record
from superneurons.vlm.model import VLM, Inputs, LastStates
from superneurons.vlm.positions import PROMPT_POSITIONS, over_image, reads_at
from superneurons.vlm.taps import Kind

DECODER: tuple[Kind, ...] = ("residual", "mlp", "heads")
POOLED = PROMPT_POSITIONS[1:]


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    padding=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_mean_and_maximum_are_those_of_each_rows_own_tokens(
    counts: list[int], padding: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    width = max(counts) + padding
    mask = np.array([rng.permutation([1] * n + [0] * (width - n)) for n in counts], dtype=bool)
    hidden = rng.normal(size=(len(counts), width, 3)).astype(np.float32)
    hidden[~mask] = np.inf
    mean, largest = over_image(torch.from_numpy(mask))
    rows = [values[kept] for values, kept in zip(hidden, mask, strict=True)]
    given = torch.from_numpy(hidden)
    means = [row.mean(axis=0) for row in rows]
    np.testing.assert_allclose(mean(given), means, rtol=1e-5, atol=1e-6)  # sums may cancel
    np.testing.assert_array_equal(largest(given), np.array([row.max(axis=0) for row in rows]))


def test_half_precision_is_averaged_in_single() -> None:
    hidden = torch.full((1, 4096, 1), 20.0, dtype=torch.float16)
    mean, largest = over_image(torch.ones(1, 4096, dtype=torch.bool))
    assert mean(hidden).tolist() == largest(hidden).tolist() == [[20.0]]
    assert mean(hidden).dtype == largest(hidden).dtype == torch.float32


def test_each_position_reads_its_own_tokens() -> None:
    ids = torch.tensor([[9, 7, 7, 1, 0], [7, 7, 1, 1, 1]])
    hidden = torch.arange(10.0).reshape(2, 5, 1)
    reads = reads_at(PROMPT_POSITIONS, ids, torch.tensor([3, 4]), image_token=7)
    found = {position: read(hidden).flatten().tolist() for position, read in reads.items()}
    assert found == {"last_prompt": [3, 9], "image_mean": [1.5, 5.5], "image_max": [2, 6]}
    assert list(reads_at(["image_max"], ids, torch.tensor([3, 4]), 7)) == ["image_max"]


def rederived(vlm: VLM, inputs: Inputs) -> dict[Kind, list[NDArray[np.float32]]]:
    """All tokens (B, T, W) of each layer, from hooks of this test's own."""
    caught: dict[Kind, list[NDArray[np.float32]]] = {kind: [] for kind in DECODER}
    handles = []
    for layer in (cast(Any, layer) for layer in vlm.layers):
        handles += [
            layer.register_forward_hook(
                lambda _m, _g, out: caught["residual"].append(
                    (out[0] if isinstance(out, tuple) else out).numpy().copy()
                )
            ),
            layer.mlp.down_proj.register_forward_pre_hook(
                lambda _m, given: caught["mlp"].append(given[0].numpy().copy())
            ),
            layer.self_attn.o_proj.register_forward_pre_hook(
                lambda _m, given: caught["heads"].append(given[0].numpy().copy())
            ),
        ]
    with torch.inference_mode():
        vlm.model(**inputs.tensors)
    for handle in handles:
        handle.remove()
    return caught


@pytest.fixture(scope="module")
def mixed() -> list[Record]:
    """Records of one and two pictures of several sizes, and questions of several lengths."""
    red, blue = (Image.new("RGB", size, c) for size, c in (((28, 28), "red"), ((40, 24), "blue")))
    return [
        Record((red,), "Is it bright?"),
        Record((blue, red), "Is one of these two pictures brighter than the other?"),
        Record((blue,), "Why?"),
    ]


def states(vlm: VLM, rows: list[Record], side: str = "right") -> LastStates:
    return vlm.last_states(vlm.encode(rows, padding_side=side), DECODER, PROMPT_POSITIONS)


def test_they_are_what_numpy_makes_of_all_tokens(vlm: VLM, mixed: list[Record]) -> None:
    inputs = vlm.encode(mixed)
    found = vlm.last_states(inputs, DECODER, PROMPT_POSITIONS)
    places = inputs.tensors["input_ids"].numpy() == cast(Any, vlm.model).config.image_token_id
    for kind, layers in rederived(vlm, inputs).items():
        for number, tokens in enumerate(layers):
            for row, kept in enumerate(places):
                mean = found.at(kind, "image_mean")[row, number]
                largest = found.at(kind, "image_max")[row, number]
                last = found.at(kind)[row, number]
                np.testing.assert_allclose(mean, tokens[row][kept].mean(axis=0), atol=1e-4)
                np.testing.assert_allclose(largest, tokens[row][kept].max(axis=0), atol=1e-4)
                np.testing.assert_allclose(last, tokens[row, inputs.last[row]], atol=1e-4)


def test_neither_padding_nor_the_batch_moves_them(vlm: VLM, mixed: list[Record]) -> None:
    together, left = states(vlm, mixed), states(vlm, mixed, "left")
    for kind in DECODER:
        for position in POOLED:
            alone = torch.cat([states(vlm, [record]).at(kind, position) for record in mixed])
            torch.testing.assert_close(together.at(kind, position), alone, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(left.at(kind, position), alone, rtol=1e-3, atol=1e-3)


def test_several_positions_are_read_in_one_pass(vlm: VLM, mixed: list[Record]) -> None:
    ran: list[int] = []
    handle = vlm.layers[0].register_forward_hook(lambda *_: ran.append(1))
    together = states(vlm, mixed)
    handle.remove()
    assert ran == [1]
    assert set(together.parts) == set(DECODER)
    assert set(together.over_image) == {(kind, at) for kind in DECODER for at in POOLED}
    for position in POOLED:
        alone = vlm.last_states(vlm.encode(mixed), ["mlp"], [position])
        assert not alone.parts
        assert torch.equal(alone.at("mlp", position), together.at("mlp", position))


def test_pictures_have_no_positions(vlm: VLM, mixed: list[Record]) -> None:
    """Their average is there whatever the decoder's positions are, once."""
    found = vlm.last_states(vlm.encode(mixed), ["vision", "residual"], ["image_mean"])
    assert list(found.parts) == ["vision"]
    assert list(found.over_image) == [("residual", "image_mean")]


def test_what_the_model_adds_after_a_layer_is_not_read(
    vlm: VLM, mixed: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepStack adds features of the tower to the pictures' tokens between layers."""
    decoder = vlm.model.get_submodule(vlm.family.decoder)
    if not hasattr(decoder, "_deepstack_process"):
        pytest.skip("this family adds nothing")
    before = states(vlm, mixed).at("residual", "image_mean")
    monkeypatch.setattr(decoder, "_deepstack_process", lambda hidden, *_: hidden)
    after = states(vlm, mixed).at("residual", "image_mean")
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1], atol=1e-2)


def test_the_pictures_count_not_the_question(vlm: VLM, mixed: list[Record]) -> None:
    other = [replace(record, question="Quite another one, is it?") for record in mixed]
    one, two = (states(vlm, rows).at("residual", "image_mean") for rows in (mixed, other))
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)
