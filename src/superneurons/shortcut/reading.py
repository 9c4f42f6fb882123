"""What a classifier reads of a model, and how much of the model has to run for it."""

from __future__ import annotations

from collections.abc import Collection

from superneurons.activations.site import Position, Site
from superneurons.errors import DataError, ModelError
from superneurons.probes.base import ReadOut
from superneurons.shortcut.form import Form
from superneurons.vlm.model import VLM

__all__ = ["check_seen", "depth_read", "fit_to_site", "runs_for", "site_of", "tower_for"]


def site_of(read_out: ReadOut, kind: str | None, position: Position) -> Site:
    """Decide what is read.

    Parameters
    ----------
    read_out
        What will read it.
    kind
        What the user named; ``None`` for the read-out's own: attention heads where it knows heads,
        else the residual stream.
    position
        At which token.

    Raises
    ------
    DataError
        An unknown kind or position, or a read-out of heads on something else.
    """
    of_heads = "head_dim" in read_out.get_params()
    site = Site(kind or ("heads" if of_heads else "residual"), position)  # type: ignore[arg-type]
    if of_heads and site.kind != "heads":
        raise DataError(
            f"The read-out {read_out.name!r} reads attention heads, not {site.kind!r}.",
            where="site",
            mend="Read the heads (--site heads), or take another read-out.",
        )
    return site


def check_seen(site: Site, form: Form) -> None:
    """Refuse to ask for options where the question isn't seen.

    Raises
    ------
    DataError
        When the form puts options into the question, and the site sees pictures only.
    """
    if site.sees_only_pictures and form != "direct":
        raise DataError(
            f"The site {site.kind!r} sees the pictures only, but the options stand in the "
            f"question ({form}).",
            where="site",
            mend="Read residual, mlp or heads; or, where all records have the same labels, take "
            "a read-out for many classes, such as 'super-neurons', with multiclass 'auto'.",
        )


def depth_read(vlm: VLM, site: Site, max_layer: int | None) -> int:
    """Return how many layers of a site may be read.

    Raises
    ------
    ModelError
        When the model has no such site, or the site has no layer ``max_layer``.
    """
    layers, _ = vlm.shape(site.kind)
    if max_layer is not None and not 1 <= max_layer <= layers:
        raise ModelError(
            f"The site {site} of this model has {layers} layers; there is no layer {max_layer}.",
            where=f"layer {max_layer}",
            mend=f"Choose a layer from 1 to {layers} (max_layer, --max-layer), or leave it out.",
        )
    return max_layer or layers


def runs_for(vlm: VLM, site: Site, layer: int) -> VLM:
    """Return the model cut off where it may stop for layer ``layer`` of a site."""
    if site.sees_only_pictures:
        return vlm.seeing(tower_for(site, layer))
    return vlm.truncated(site.exit_layer(layer, vlm.n_layers))


def tower_for(site: Site, layer: int) -> int | None:
    """Return how many layers of the vision tower run for layer ``layer`` of a site.

    ``None`` stands for those that the projector reads.
    """
    return layer if site.kind == "vision" else None


def fit_to_site(
    read_out: ReadOut, vlm: VLM, site: Site, *, seed: int, given: Collection[str]
) -> None:
    """Set what follows from model and site where a read-out wants it, unless it was ``given``.

    Parameters
    ----------
    read_out
        Unfitted; changed in place.
    vlm, site
        What it will read.
    seed
        Its ``random_state``.
    given
        Names of the parameters that the user set.
    """
    known = {"random_state": seed, "layer_width": vlm.shape(site.kind)[1]}
    if site.kind == "heads":
        known["head_dim"] = vlm.head_dim
    wanted = (known.keys() & read_out.get_params()) - set(given)
    read_out.set_params(**{name: known[name] for name in wanted})
