from __future__ import annotations

import pytest

from pictures import bright_records
from superneurons.activations.site import Site
from superneurons.errors import DataError, ModelError
from superneurons.probes.registry import READ_OUTS, make_read_out
from superneurons.shortcut.form import FORMS, Form
from superneurons.shortcut.reading import (
    check_seen,
    depth_read,
    fit_to_site,
    runs_for,
    site_of,
    tower_for,
)
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import KINDS


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_each_read_out_has_a_site_of_its_own(name: str) -> None:
    site = site_of(make_read_out(name), None, "last_prompt")
    assert site == Site("heads" if name == "savs" else "residual")


@pytest.mark.parametrize("kind", KINDS)
def test_a_named_site_is_taken_but_heads_stay_heads(kind: str) -> None:
    assert site_of(make_read_out("paper"), kind, "last_prompt").kind == kind
    savs = make_read_out("savs")
    if kind == "heads":
        assert site_of(savs, kind, "first_generated") == Site("heads", "first_generated")
        return
    with pytest.raises(DataError, match=f"'savs' reads attention heads, not '{kind}'") as caught:
        site_of(savs, kind, "last_prompt")
    assert "--site heads" in str(caught.value.mend)


@pytest.mark.parametrize(
    ("kind", "position"),
    [("spleen", "last_prompt"), ("mlp", "nowhere"), ("vision", "first_generated")],
)
def test_what_is_no_site_is_refused(kind: str, position: str) -> None:
    with pytest.raises(DataError) as caught:
        site_of(make_read_out("paper"), kind, position)  # type: ignore[arg-type]
    assert caught.value.where == "site"
    assert caught.value.mend


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_options_are_not_asked_where_they_are_not_seen(kind: str, form: Form) -> None:
    site = Site(kind)  # type: ignore[arg-type]
    if kind in ("vision", "projector") and form != "direct":
        with pytest.raises(DataError, match="sees the pictures only"):
            check_seen(site, form)
    else:
        check_seen(site, form)


@pytest.mark.parametrize("kind", KINDS)
def test_only_layers_that_are_there_can_be_read(vlm: VLM, kind: str) -> None:
    site = Site(kind)  # type: ignore[arg-type]
    layers, _ = vlm.shape(site.kind)
    assert depth_read(vlm, site, None) == layers
    assert [depth_read(vlm, site, k) for k in range(1, layers + 1)] == [*range(1, layers + 1)]
    for beyond in (0, layers + 1):
        with pytest.raises(ModelError, match=f"no layer {beyond}") as caught:
            depth_read(vlm, site, beyond)
        assert f"from 1 to {layers}" in str(caught.value.mend)


def test_no_more_runs_than_is_read(vlm: VLM) -> None:
    for position, depth in (("last_prompt", 2), ("image_max", 2), ("first_generated", 4)):
        assert runs_for(vlm, Site("mlp", position), 2).depth == depth  # type: ignore[arg-type]
    seeing, projected = (runs_for(vlm, Site(kind), 1) for kind in ("vision", "projector"))
    assert (seeing.depth, seeing.shape("vision")[0]) == (0, 1)
    assert projected.depth == 0
    projected.last_states(projected.encode(bright_records(1)), ["projector"])


def test_only_a_site_in_the_tower_says_how_much_of_it_runs() -> None:
    assert [tower_for(Site(kind), 3) for kind in KINDS] == [None, None, None, 3, None]


def test_what_follows_from_model_and_site_is_set_unless_given(vlm: VLM) -> None:
    savs, probe = make_read_out("savs"), make_read_out("logistic")
    fit_to_site(savs, vlm, Site("heads"), seed=3, given=())
    fit_to_site(probe, vlm, Site("mlp"), seed=3, given=("random_state",))
    assert savs.get_params()["head_dim"] == vlm.head_dim
    assert probe.get_params()["layer_width"] == vlm.shape("mlp")[1]
    assert probe.get_params()["random_state"] == 0
