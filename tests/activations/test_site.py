from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_what_is_read_by_default_is_what_lets_the_pass_stop_early() -> None:
    assert (Site().kind, Site().position) == ("residual", "last_prompt")
    assert TOKENS == ("last_prompt", "first_generated")
    assert POSITIONS[0] == TOKENS[0]


@pytest.mark.parametrize(
    ("site", "text"),
    [
        (Site(), "residual"),
        (Site("mlp", "first_generated"), "mlp@first_generated"),
        (Site("heads", "image_max"), "heads@image_max"),
        (Site("projector"), "projector"),
    ],
)
def test_the_usual_position_goes_without_saying(site: Site, text: str) -> None:
    assert str(site) == text
    assert Site.parse(text) == Site.parse(f"{site.kind}@{site.position}") == site


@pytest.mark.parametrize("text", ["", "@", "residual@", "@last_prompt", "mlp@mlp", "a@b@c"])
def test_a_text_that_names_no_site_is_refused_but_for_an_empty_position(text: str) -> None:
    if text == "residual@":
        assert Site.parse(text) == Site()
        return
    with pytest.raises(DataError) as caught:
        Site.parse(text)
    assert caught.value.where == "site"
    assert all(name in str(caught.value.mend) for name in (*KINDS, *POSITIONS))


@pytest.mark.parametrize("kind", PICTURE_KINDS)
def test_pictures_are_seen_before_any_question(kind: Kind) -> None:
    assert Site(kind).sees_only_pictures
    assert not Site(kind).answers_first
    with pytest.raises(DataError, match=kind) as caught:
        Site(kind, "first_generated")
    assert caught.value.where == "site"
    assert "last_prompt" in str(caught.value.mend)
    assert not any(Site(k).sees_only_pictures for k in KINDS if k not in PICTURE_KINDS)


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 9), columns=st.lists(st.integers(0, 200), max_size=12))
def test_neurons_are_counted_back_to_their_columns(width: int, columns: list[int]) -> None:
    found = neurons_of(np.array(columns), width)
    assert [(neuron.layer - 1) * width + neuron.index for neuron in found] == columns
    assert all(neuron.layer >= 1 and 0 <= neuron.index < width for neuron in found)
    assert all(type(part) is int for neuron in found for part in (neuron.layer, neuron.index))


def test_columns_may_be_of_any_whole_type() -> None:
    for dtype in (np.uint8, np.int32, np.float64):
        assert neurons_of(np.array([7], dtype=dtype), 4) == [Neuron(2, 3)]


def test_sites_and_neurons_are_values() -> None:
    assert len({Site(), Site("residual"), Site("mlp"), Site(position="image_mean")}) == 3
    assert len({Neuron(1, 2), Neuron(1, 2), Neuron(2, 1)}) == 2
    assert Neuron(1, 2) < Neuron(1, 3) < Neuron(2, 0)
