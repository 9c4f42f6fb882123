from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.activations.site import POSITIONS, TOKENS, Neuron, Site, neurons_of
from superneurons.errors import DataError
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind


@given(layer=st.integers(1, 40), index=st.integers(0, 31))
def test_a_column_finds_its_layer(layer: int, index: int) -> None:
    activations = np.zeros((1, 40, 32))
    activations[0, layer - 1, index] = 1
    column = activations.reshape(1, -1).argmax(axis=1)
    assert neurons_of(column, 32) == [Neuron(layer, index)]


def test_neurons_sort_by_layer() -> None:
    assert sorted([Neuron(2, 0), Neuron(1, 9)]) == [Neuron(1, 9), Neuron(2, 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_can_be_written_down(kind: Kind) -> None:
    positions = ["last_prompt"] if kind in PICTURE_KINDS else POSITIONS
    for position in positions:
        site = Site(kind, position)  # type: ignore[arg-type]
        assert Site.parse(str(site)) == site


def test_what_is_no_site_is_refused() -> None:
    for kind, position in [("logits", "last_prompt"), ("heads", "last")]:
        with pytest.raises(DataError, match="no site") as caught:
            Site(kind, position)  # type: ignore[arg-type]
        assert "residual" in str(caught.value)
    for position in POSITIONS[1:]:
        with pytest.raises(DataError, match="averaged over patches"):
            Site("vision", position)


def test_only_a_generated_token_needs_the_answer_first() -> None:
    assert [position for position in POSITIONS if Site("heads", position).answers_first] == [
        "first_generated"
    ]
    assert set(TOKENS) < set(POSITIONS)


def test_the_exit_follows_from_the_site() -> None:
    assert Site("heads").exit_layer(3, 30) == 3
    assert Site("mlp", "first_generated").exit_layer(3, 30) == 30
    assert Site("mlp", "image_mean").exit_layer(3, 30) == 3
    assert Site("residual", "image_max").exit_layer(7, 30) == 7
    assert Site("vision").exit_layer(8, 30) == 0
    assert Site("projector").exit_layer(1, 30) == 0
