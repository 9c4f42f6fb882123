"""The layers of a vision tower: which are there, which are read, and a tower cut off after some."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from torch import nn
from transformers.utils.output_capturing import maybe_install_capturing_hooks

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, part
from superneurons.vlm.twin import with_child

__all__ = [
    "check_tower",
    "count_from_first",
    "cut_tower",
    "layers_read",
    "reconfigured",
    "stopping_after",
    "tower_count",
    "tower_layers",
    "without_decoder",
]


def tower_count(config: Any, family: Family) -> int:
    """Return how many layers the whole vision tower has; 0 where they can't be told apart."""
    if family.tower_count is None:
        return 0
    return int(getattr(config.vision_config, family.tower_count))


def tower_layers(model: nn.Module, family: Family) -> nn.ModuleList:
    """Return the layers of the vision tower; none where they can't be told apart.

    Raises
    ------
    ModelError
        When the tower has no list of layers.
    """
    if family.tower_count is None:
        return nn.ModuleList()
    return cast(nn.ModuleList, model.get_submodule(_path(model, family)))


def _path(model: nn.Module, family: Family) -> str:
    """The tower's first list of modules: what it has besides comes after its layers."""
    for root in family.vision:
        tower = part(model, root, family=family.name)
        for name, module in tower.named_modules():
            if isinstance(module, nn.ModuleList):
                return f"{root}.{name}"
    raise ModelError(
        "This model's vision tower has no list of layers.",
        where=", ".join(family.vision),
        mend="Read another site: residual, mlp or heads.",
    )


def layers_read(config: Any, family: Family) -> int:
    """Return how many layers of the whole tower run before the projector has all that it reads.

    Parameters
    ----------
    config
        The model's. The tower's number of layers in it is that of the whole one, also where fewer
        are kept: it tells whether the projector can still be read.
    family
        Where that is written.
    """
    return max(_features(config, family))


def _features(config: Any, family: Family) -> list[int]:
    """The states that the projector reads; 0 is what goes into the first layer."""
    whole = tower_count(config, family)
    given = getattr(config, family.tower_features) if family.tower_features else whole
    numbers = [given] if isinstance(given, int) else list(given)
    return [number if number >= 0 else whole + 1 + number for number in numbers]


def count_from_first(config: Any, family: Family) -> None:
    """Rewrite in place which layers the projector reads, so that a cut tower has them, too.

    Negative numbers count from the last layer, which is another one there.
    """
    if family.tower_features:
        features = _features(config, family)
        single = isinstance(getattr(config, family.tower_features), int)
        setattr(config, family.tower_features, features[0] if single else features)


def check_tower(available: int, layers: int) -> None:
    """Check a number of tower layers.

    Raises
    ------
    ModelError
        When it is not between 0 and those available.
    """
    if not 0 <= layers <= available:
        raise ModelError(
            f"Cannot cut a vision tower of {available} layers off after layer {layers}.",
            where=f"vision layer {layers}",
            mend=f"Choose a layer from 0 to {available}.",
        )


def cut_tower(model: nn.Module, family: Family, layers: int) -> nn.Module:
    """Return a view of a model that runs only the first layers of its vision tower.

    Parameters
    ----------
    model
        It stays as it was, its configuration too.
    family
        Where its parts are.
    layers
        How many, from 0 to all.

    Raises
    ------
    ModelError
        When there are not as many.
    """
    found = tower_layers(model, family)
    check_tower(len(found), layers)
    if layers == len(found):
        return model
    kept = nn.ModuleList(list(found)[:layers])
    return reconfigured(
        model, family, _path(model, family), kept, lambda config: count_from_first(config, family)
    )


def reconfigured(
    model: nn.Module, family: Family, path: str, child: nn.Module, change: Callable[[Any], None]
) -> nn.Module:
    """Return a twin with another module inside its vision tower, and the configuration for it.

    Parameters
    ----------
    model
        It stays as it was.
    family
        Where its parts are.
    path
        Of what is replaced, from the model's root; inside the tower.
    child
        What replaces it.
    change
        Changes a copy of the model's configuration.
    """
    for root in family.vision:
        # They are put on layers that both share, once for each that says it has none yet.
        maybe_install_capturing_hooks(cast(Any, model.get_submodule(root)))
    twin = with_child(model, path, child)
    config = copy.copy(cast(Any, model).config)
    config.vision_config = copy.copy(config.vision_config)
    change(config)
    steps = path.split(".")
    for module in (twin.get_submodule(".".join(steps[:n])) for n in range(len(steps))):
        if hasattr(module, "config"):
            whole = getattr(module.config, "vision_config", None) is not None
            cast(Any, module).config = config if whole else config.vision_config
    return twin


def without_decoder(model: nn.Module, family: Family) -> nn.Module:
    """Return a view of a model that has no decoder layers: only its pictures can be read."""
    return with_child(model, family.layers, nn.ModuleList())


class _StopError(Exception):
    """What was asked for is there."""


@contextmanager
def stopping_after(module: nn.Module) -> Iterator[None]:
    """Leave the block as soon as a module has run, and its hooks from before: the rest is not."""

    def stop(*_: Any) -> None:
        raise _StopError

    handle = module.register_forward_hook(stop)
    try:
        yield
    except _StopError:
        pass
    finally:
        handle.remove()
