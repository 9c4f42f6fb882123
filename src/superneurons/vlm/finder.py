"""Find the parts of a model whose family isn't described, from its structure and configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from superneurons.errors import ModelError, Problem
from superneurons.vlm.family import Family, families, family_of

__all__ = ["described_or_found", "found_family"]

_MEND = "Describe the family in superneurons/vlm/families/, or use one of those."
_ATTENTION_OUT = ("o_proj", "out_proj", "wo", "dense", "c_proj", "attn_out", "proj")


@dataclass
class _Search:
    """A model without weights, and what could not be found in it."""

    model: Any
    config: Any
    problems: list[Problem]

    def lacking(self, where: str, what: str) -> str:
        self.problems.append(Problem(where, what))
        return ""

    def path_of(self, module: nn.Module | None) -> str:
        return next((name for name, each in self.model.named_modules() if each is module), "")


def described_or_found(config: Any) -> Family:
    """Return the description of a model's family; where there is none, what looking finds.

    Parameters
    ----------
    config
        The model's.

    Raises
    ------
    ModelError
        When its parts aren't found either.
    """
    known = families().get(config.model_type, ())
    if all(family.tower_types for family in known):  # none for whatever tower there is
        tower = getattr(getattr(config, "vision_config", None), "model_type", None)
        if not any(tower in family.tower_types for family in known):
            return found_family(config)
    return family_of(config)


def found_family(config: Any) -> Family:
    """Return a description of a model's family that was found by looking, not written by hand.

    The decoder is what holds the input embeddings beside as many layers as the configuration says;
    MLP neurons and heads are read before the linear modules of a layer that fit their sizes, where
    every layer has them. Sites of pictures are never among them: how pictures become tokens isn't
    known. What is found must be verified before it is relied on.

    Parameters
    ----------
    config
        The model's.

    Raises
    ------
    ModelError
        Lists every part that was not found, or is not the only candidate.

    Notes
    -----
    Nothing is loaded: the model is built without memory for its weights.
    """
    try:
        return _found(_Search(_built(config), config, []))
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # configurations raise all sorts of things on what they lack
        raise ModelError(
            f"Models of type {config.model_type!r} are not described, and looking doesn't "
            f"understand how they are laid out: {error}",
            where="config.json: model_type",
            mend=_MEND,
        ) from error


def _found(search: _Search) -> Family:
    config = search.config
    if getattr(config, "is_encoder_decoder", False):
        search.lacking("is_encoder_decoder", "the answer comes from a decoder of its own")
    for name in ("vision_config", "image_token_id"):
        if getattr(config, name, None) is None:
            search.lacking(name, "not in config.json")
    trunk, decoder = _trunk(search), _decoder(search)
    layers, norm = _layers(search, decoder), _norm(search, decoder)
    vision = _vision(search) if getattr(config, "vision_config", None) else ""
    if search.problems:
        raise ModelError(
            f"Models of type {config.model_type!r} are not described, and their parts could not be "
            "found by looking.",
            problems=search.problems,
            mend=_MEND,
        )
    inner = _inner(search, layers)
    lacks = tuple(kind for kind in ("mlp", "heads") if kind not in inner)
    return Family(
        name=f"{config.model_type} (found)",
        model_types=(config.model_type,),
        model_class=type(search.model).__name__,
        vision=(vision,),
        projector=_projector(search, trunk, decoder, vision),
        trunk=search.path_of(trunk),
        decoder=search.path_of(decoder),
        layers_name=layers,
        norm_name=norm,
        processor=_processor(config.model_type),
        tower_count=None,
        mlp_output=inner.get("mlp", ""),
        heads_output=inner.get("heads", ""),
        lacks=(*lacks, "vision", "projector"),
        resizable=False,
    )


def _built(config: Any) -> nn.Module:
    """The model with no memory for its weights, or a refusal where transformers has none."""
    import transformers
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as NAMES,
    )

    name = NAMES.get(config.model_type)
    if name is None:
        raise ModelError(
            f"Models of type {config.model_type!r} are not supported: they don't answer questions "
            "about pictures, or the installed transformers doesn't know them.",
            where="config.json: model_type",
            mend="Use a vision-language model, or a newer transformers.",
        )
    try:
        with torch.device("meta"):
            return cast(nn.Module, getattr(transformers, name)(config))
    except Exception as error:  # a part of another package, or a setting that is missing
        raise ModelError(
            f"A model of type {config.model_type!r} cannot be built here: "
            f"{' '.join(str(error).split())}",
            where=f"config.json, transformers {transformers.__version__}",
            mend="Install what it asks for, or use another model.",
        ) from error


def _processor(model_type: str) -> str:
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    return cast(str, PROCESSOR_MAPPING_NAMES.get(model_type) or "AutoProcessor")


def _trunk(search: _Search) -> nn.Module | None:
    """What is called with all inputs, and returns the last hidden state."""
    found = [m for m in search.model.children() if hasattr(m, "get_image_features")]
    if len(found) != 1:
        search.lacking("trunk", f"{len(found)} parts beside the head take pictures, not one")
        return None
    return cast(nn.Module, found[0])


def _decoder(search: _Search) -> nn.Module | None:
    """What holds the input embeddings."""
    embeddings = search.model.get_input_embeddings()
    for module in search.model.modules():
        if any(child is embeddings for child in module.children()):
            return cast(nn.Module, module)
    search.lacking("decoder", "no part holds the input embeddings")
    return None


def _layers(search: _Search, decoder: nn.Module | None) -> str:
    if decoder is None:
        return ""
    wanted = int(search.config.get_text_config().num_hidden_layers)
    found = [
        name
        for name, child in decoder.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == wanted
    ]
    if len(found) == 1:
        return found[0]
    return search.lacking(
        search.path_of(decoder),
        f"{len(found)} lists of {wanted} layers (num_hidden_layers) beside the embeddings, not one",
    )


def _norm(search: _Search, decoder: nn.Module | None) -> str:
    if decoder is None:
        return ""
    found = [
        name
        for name, child in decoder.named_children()
        if "norm" in type(child).__name__.lower() and _width(child) == _hidden(search)
    ]
    if len(found) == 1:
        return found[0]
    return search.lacking(search.path_of(decoder), f"{len(found)} norms after the layers, not one")


def _hidden(search: _Search) -> int:
    return int(search.model.get_input_embeddings().weight.shape[1])


def _width(norm: nn.Module) -> int | None:
    return next((weight.shape[0] for weight in norm.parameters() if weight.ndim == 1), None)


def _vision(search: _Search) -> str:
    """The outermost part that is configured by ``vision_config``."""
    wanted = type(search.config.vision_config)
    for name, module in search.model.named_modules():
        if isinstance(getattr(module, "config", None), wanted):
            return cast(str, name)
    return search.lacking("vision tower", f"no part has a {wanted.__name__}")


def _projector(
    search: _Search, trunk: nn.Module | None, decoder: nn.Module | None, vision: str
) -> tuple[str, ...]:
    """What else the trunk has: only to tell models apart."""
    assert trunk is not None
    theirs = (search.path_of(decoder), vision)
    paths = [search.path_of(c) for c in trunk.children() if next(c.parameters(), None) is not None]
    return tuple(p for p in paths if not any(f"{other}.".startswith(f"{p}.") for other in theirs))


def _inner(search: _Search, layers: str) -> dict[str, str]:
    """Linear modules, by the kind of site their inputs are, that every layer has exactly one of."""
    decoder = _decoder(search)
    assert decoder is not None
    text = search.config.get_text_config()
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    into = {
        "mlp": getattr(text, "intermediate_size", None),
        "heads": text.num_attention_heads * width,
    }
    each = [list(_linear(layer)) for layer in cast(nn.ModuleList, decoder.get_submodule(layers))]
    found = {}
    for kind, inputs in into.items():
        named = [
            [
                path
                for path, sizes in linear
                if sizes == (inputs, _hidden(search)) and _is(kind, path)
            ]
            for linear in each
        ]
        if all(len(paths) == 1 for paths in named) and len({paths[0] for paths in named}) == 1:
            found[kind] = named[0][0]
    return found


def _is(kind: str, path: str) -> bool:
    """Tell modules apart where their sizes are the same: of attention, only its last one."""
    if "att" not in path.lower():
        return kind == "mlp"
    return kind == "heads" and path.rpartition(".")[2] in _ATTENTION_OUT


def _linear(layer: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    for path, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            yield path, (module.in_features, module.out_features)
