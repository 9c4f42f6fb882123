"""Load only what a model needs to run its first decoder layers.

Weights are mapped into memory, not read: a tensor that isn't asked for costs nothing, and a file
that holds none of those asked for is never opened, nor downloaded. ``transformers`` is handed the
tensors (``state_dict``), so that what it knows about the names and layouts of older checkpoints
holds here too.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, part
from superneurons.vlm.source import Source, fetch, weight_map
from superneurons.vlm.tower import check_tower, count_from_first, layers_read, tower_count

__all__ = ["check_depth", "first_layers", "map_tensors", "tower_kept"]


def check_depth(source: Source, depth: int) -> int:
    """Return the number of decoder layers of the whole model.

    Raises
    ------
    ModelError
        When ``depth`` is more than that, or negative.
    """
    layers = int(source.config.get_text_config().num_hidden_layers)
    if not 0 <= depth <= layers:
        raise ModelError(
            f"Cannot open the first {depth} decoder layers of {source.name!r}: it has {layers}.",
            where=f"{source.name}: config.json: num_hidden_layers",
            mend=f"Choose a depth from 0 to {layers}; or use another model: a classifier that "
            "needs more layers was not fitted on this one.",
        )
    return layers


def tower_kept(config: Any, family: Family, depth: int, asked: int | None = None) -> int:
    """Return how many layers of the vision tower are opened.

    Parameters
    ----------
    config
        The whole model's.
    family
        Where its tower is.
    depth
        How many decoder layers are opened: with any, the tower ends where the projector reads it;
        with none, every layer of it can be a site.
    asked
        The number that was asked for.

    Raises
    ------
    ModelError
        When the tower has fewer layers than asked for, or the decoder needs more.
    """
    whole = tower_count(config, family)
    read = min(layers_read(config, family), whole)
    if asked is None:
        return read if depth else whole
    check_tower(whole, asked)
    if depth and asked < read:
        raise ModelError(
            f"Decoder layers need the first {read} layers of the vision tower, not {asked}.",
            where="tower_layers",
            mend=f"Open {read} or more, or no decoder layer (depth 0).",
        )
    return asked


def map_tensors(
    source: Source, family: Family, depth: int, tower: int | None = None
) -> dict[str, torch.Tensor]:
    """Map the tensors that the first decoder layers need, from the files that hold them.

    Parameters
    ----------
    source
        A local checkpoint or one of the hub, in one file or in shards.
    family
        Where a model's parts are.
    depth
        How many decoder layers are kept.
    tower
        How many layers of the vision tower are; all by default.

    Returns
    -------
    dict
        Tensors by the names they have in the checkpoint: all but those of later layers, of the
        final norm and of the head. Their values are read from disk when they are first used.

    Raises
    ------
    ModelError
        When a file that holds one of them is missing, or the list of shards cannot be read.
    """
    from safetensors import safe_open

    kept = _keeper(family, depth, tower)
    names: dict[str, list[str]] = defaultdict(list)
    for name, file in weight_map(source).items():
        if kept(name):
            names[file].append(name)
    tensors = {}
    for file, path in fetch(source, names).items():
        with safe_open(path, framework="pt") as opened:
            tensors.update({name: opened.get_tensor(name) for name in names[file]})
    return tensors


def _keeper(family: Family, depth: int, tower: int | None) -> Callable[[str], bool]:
    """Tell by its name in the checkpoint whether a tensor is needed.

    A name that isn't understood is kept: it costs a look into its file, and nothing else.
    """
    # "model.language_model.layers.0", but "language_model.model.layers.0" in older checkpoints, or
    # "model.layers.0" where these began as language models
    decoder = rf"(?:^model|(?:^|\.){re.escape(family.decoder.rpartition('.')[2])}(?:\.model)?)\."
    layer = re.compile(rf"{decoder}{re.escape(family.layers_name)}\.(\d+)\.")
    last = re.compile(rf"{decoder}{re.escape(family.norm.rpartition('.')[2])}\.|(?:^|\.)lm_head\.")

    roots = "|".join(re.escape(path.rpartition(".")[2]) for path in family.vision)
    seeing = re.compile(rf"(?:^|\.)(?:{roots})\.(?:\w+\.)*?(?:layers|layer|blocks)\.(\d+)\.")

    unused = _never_loaded(family)

    def kept(name: str) -> bool:
        for theirs, ours in family.stored_as:
            name = name.replace(theirs, ours)
        if found := seeing.search(name):
            return tower is None or family.tower_count is None or int(found[1]) < tower
        found = layer.search(name)
        if found:
            return int(found[1]) < depth
        return not last.search(name) and not any(pattern.search(name) for pattern in unused)

    return kept


def _never_loaded(family: Family) -> list[re.Pattern[str]]:
    """What ``transformers`` passes over in checkpoints, such as layers that guess tokens ahead."""
    import transformers

    model_class = getattr(transformers, family.model_class)
    return [re.compile(name) for name in model_class._keys_to_ignore_on_load_unexpected or ()]


def first_layers(
    config: Any,
    family: Family,
    depth: int,
    tensors: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
    tower: int | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """Build a model of the first decoder layers, without final norm and head.

    Parameters
    ----------
    config
        The whole model's.
    family
        Where its parts are, and the class that holds them.
    depth
        How many decoder layers are kept.
    tensors
        From :func:`map_tensors`.
    dtype
        What they are converted to.
    tower
        How many layers of the vision tower are kept; all by default.

    Returns
    -------
    Module, dict
        The model, and what ``transformers`` reports: ``missing_keys``, ``mismatched_keys``, which
        it fills with random numbers.
    """
    import transformers

    whole = tower_count(config, family)
    config = _shortened(config, family, depth, whole if tower is None else tower)
    with torch.device("meta"):
        model = getattr(transformers, family.model_class)(config)
    trunk = part(model, family.trunk, family=family.name)
    trunk, report = type(trunk).from_pretrained(  # type: ignore[attr-defined]
        None,
        config=config,
        state_dict={**tensors, **_placeholder(model, family)},
        dtype=dtype,
        ignore_mismatched_sizes=True,  # it is reported
        output_loading_info=True,
    )
    for name, _ in list(model.named_children()):
        if name != family.trunk.partition(".")[0]:
            setattr(model, name, None)  # the head
    model.set_submodule(family.trunk, trunk)
    model.set_submodule(family.norm, nn.Identity())
    if family.tower_count is not None:
        setattr(model.config.vision_config, family.tower_count, whole)
    return model.eval(), report


def _shortened(config: Any, family: Family, depth: int, tower: int) -> Any:
    config = copy.deepcopy(config)
    count_from_first(config, family)
    if family.tower_count is not None:
        setattr(config.vision_config, family.tower_count, tower)
    text = config.get_text_config()
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:depth]
    text.num_hidden_layers = depth
    return config


def _placeholder(model: nn.Module, family: Family) -> dict[str, torch.Tensor]:
    """The final norm would be reported as missing; it goes away after the load."""
    norm = part(model, family.norm, family=family.name)
    return {
        f"{family.norm}.{name}": torch.zeros(value.shape) for name, value in norm.named_parameters()
    }
