"""Open a base model, once, ready to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

import torch

from superneurons.errors import (
    ModelError,
    Problem,
    ResourceError,
    SuperNeuronsError,
    VerificationError,
)
from superneurons.vlm.checks.check import Check, attempted
from superneurons.vlm.family import Family
from superneurons.vlm.finder import described_or_found
from superneurons.vlm.memory import moved
from superneurons.vlm.model import VLM
from superneurons.vlm.partial import check_depth, first_layers, map_tensors, tower_kept
from superneurons.vlm.preparation import Preparation, check_preparation
from superneurons.vlm.processor import load_processor
from superneurons.vlm.source import Source, check_complete, check_memory, locate
from superneurons.vlm.spread import spread
from superneurons.vlm.verified import Verify, check_verify, verify_on_load

__all__ = ["device_of", "devices_of", "dtype_of", "explained", "open_vlm", "refuse_missing"]

# While transformers loads a model, it switches things off for the whole process (the tying of
# weights, the default dtype): two at once can leave them off.
_ONE_AT_A_TIME = Lock()

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def open_vlm(
    name: str,
    *,
    depth: int | None = None,
    tower_layers: int | None = None,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    preparation: Preparation = "auto",
    verify: Verify = "auto",
) -> VLM:
    """Open a vision-language model with its processor.

    Parameters
    ----------
    name
        ``demo`` for the embedded model, a local directory, or a hub id.
    depth
        How many decoder layers to open, and read or download, all by default; 0: only to see.
    tower_layers
        Of the vision tower, with ``depth``; by default what the projector reads, or all with 0.
    revision
        Branch, tag or commit on the hub.
    dtype
        ``float32``, ``float16``, ``bfloat16``, or ``auto``: float32 on a CPU, else as stored.
    device
        Such as ``cuda:0``, or ``auto``: the GPU if there is one. Several (``cuda:0,cuda:1``) share
        a model that is too large for one, layer by layer (:func:`~superneurons.vlm.spread.spread`).
    trust_remote_code
        Whether code that comes with the checkpoint may run.
    preparation
        Where pictures are prepared (:data:`~superneurons.vlm.preparation.Preparation`).
    verify
        Whether the whole model is checked (:data:`~superneurons.vlm.verified.Verify`).

    Raises
    ------
    ModelNotFoundError
        When there is no such model, or no network to fetch it.
    ModelError
        When it isn't supported, incomplete, damaged or less deep, or an argument isn't known.
    VerificationError, ResourceError
        When checks fail; lists them. When it doesn't fit into memory.

    Examples
    --------
    >>> open_vlm("demo")  # doctest: +SKIP
    VLM('demo', LLaVA-1.5, 30 layers, torch.float32)
    """
    check_preparation(preparation)
    check_verify(verify)
    source = locate(name, revision=revision, trust_remote_code=trust_remote_code)
    options = {"revision": source.revision, "trust_remote_code": trust_remote_code}
    vlm = _opened(source, (dtype, device), depth, tower_layers, options)
    vlm = replace(vlm, preparation=preparation)
    if depth is None:
        verify_on_load(vlm, verify)
    return vlm


def _opened(
    source: Source,
    wanted: tuple[str, str],
    depth: int | None,
    tower_layers: int | None,
    options: Mapping[str, Any],
) -> VLM:
    """Open a model in the dtype and on the device that are wanted."""
    where = devices_of(wanted[1])
    dtype = dtype_of(wanted[0], where[0], source.config)
    family = described_or_found(source.config)
    layers = check_depth(source, depth or 0)
    part = None if depth in (None, layers) else (depth or 0, tower_layers)
    model = _loaded(source, family, dtype, where, part, options)
    processor = load_processor(source.path, family, **options)
    vlm = VLM(model, processor, family, source.name, layers, source.revision)
    return _checked(vlm, source.config, layers if depth is None else depth)


def _loaded(
    source: Source,
    family: Family,
    dtype: torch.dtype,
    devices: Sequence[torch.device],
    cut: tuple[int, int | None] | None,
    options: Any,
) -> Any:
    with _ONE_AT_A_TIME, explained(source):
        if cut is None:
            model = _whole(source, family, dtype, devices[0], options)
        else:
            model = _part(source, family, dtype, devices[0], cut)
        if len(devices) > 1:
            return spread(model.eval(), family, devices, source.name)
        return moved(model.eval(), devices[0], source.name)


def _whole(
    source: Source, family: Family, dtype: torch.dtype, device: torch.device, options: Any
) -> Any:
    import transformers

    check_complete(source)
    if device.type == "cpu":
        check_memory(source, bytes_each=dtype.itemsize)
    model, report = getattr(transformers, family.model_class).from_pretrained(
        source.path,
        dtype=dtype,
        ignore_mismatched_sizes=True,  # they are refused below, by name
        output_loading_info=True,
        **options,
    )
    refuse_missing(source, report)
    return model


def _part(
    source: Source,
    family: Family,
    dtype: torch.dtype,
    device: torch.device,
    cut: tuple[int, int | None],
) -> Any:
    depth, tower = cut[0], tower_kept(source.config, family, *cut)
    tensors = map_tensors(source, family, depth, tower)
    if device.type == "cpu":
        numbers = sum(tensor.numel() for tensor in tensors.values())
        check_memory(source, bytes_each=dtype.itemsize, numbers=numbers)
    model, report = first_layers(source.config, family, depth, tensors, dtype, tower)
    refuse_missing(source, report)
    return model


@contextmanager
def explained(source: Source) -> Iterator[None]:
    """Say of which checkpoint it is that loading failed, and what to do.

    Raises
    ------
    ResourceError, ModelError
        In the place of what is raised while it is open.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SuperNeuronsError:
        raise
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise ResourceError(
            f"{source.name!r} doesn't fit into memory: {error}",
            where=source.path,
            mend="Free memory, load it in a smaller dtype, or use a smaller model.",
        ) from error
    except ImportError as error:  # such as a tower of another library
        raise ModelError(
            f"{source.name!r} needs a package that is not installed: "
            f"{str(error).strip().splitlines()[0]}",
            where=f"{source.name}: config.json",
            mend="Install it beside superneurons, or use another model.",
        ) from error
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"The weights of {source.name!r} cannot be loaded: {error}",
            where=source.path,
            mend="Download or save the checkpoint again; only safetensors weights are read.",
        ) from error


def refuse_missing(source: Source, report: Any) -> None:
    """Refuse a model that transformers would have filled up with random numbers.

    Raises
    ------
    ModelError
        Lists every tensor that is missing or has another shape.
    """
    problems = [Problem(name, "missing") for name in sorted(report["missing_keys"])]
    problems += [
        Problem(name, f"has shape {tuple(stored)}, not {tuple(wanted)}")
        for name, stored, wanted in sorted(report["mismatched_keys"])
    ]
    if problems:
        raise ModelError(
            f"The checkpoint of {source.name!r} lacks weights that its configuration asks for.",
            problems=problems,
            mend="Download or save the checkpoint again, with the configuration it belongs to.",
        )


def _checked(vlm: VLM, config: Any, depth: int) -> VLM:
    """Check that the family's description fits this model, so that nothing reads the wrong part."""
    width = config.get_text_config().hidden_size
    found = attempted("layers", lambda: (vlm.depth, vlm.hidden_size))
    if found != (depth, width):
        there = found.detail if isinstance(found, Check) else "{} of width {}".format(*found)
        raise VerificationError(
            f"{vlm.name!r} has other decoder layers than its configuration says: {depth} of width "
            f"{width}.",
            problems=[Problem("layers", f"{there}, at {vlm.family.layers}")],
            mend="The checkpoint is not what it says it is: save or download it again; or correct "
            "`decoder` in the description of its family.",
        )
    for parameter in vlm.model.parameters():
        parameter.requires_grad_(False)
    return vlm


def devices_of(names: str | torch.device) -> tuple[torch.device, ...]:
    """Return the devices of names between commas, or a device, as :func:`device_of` does each.

    Raises
    ------
    ModelError
        When one cannot be used.
    """
    return tuple(device_of(name.strip()) for name in str(names).split(","))


def device_of(name: str) -> torch.device:
    """Return the device of a name, or of ``auto``: the GPU if there is one.

    Raises
    ------
    ModelError
        When it cannot be used.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The device {name!r} cannot be used: {str(error).splitlines()[0]}",
            where="device",
            mend="Use 'auto', 'cpu', or a device that this torch build supports.",
        ) from error
    return device


def dtype_of(name: str, device: torch.device, config: Any) -> torch.dtype:
    """Return the type of a name, or of ``auto``: float32 on a CPU, else as the model is stored.

    Raises
    ------
    ModelError
        When there is no such type.
    """
    if name == "auto":
        stored = getattr(config, "dtype", None)
        if device.type == "cpu" or not isinstance(stored, torch.dtype):
            return torch.float32
        return stored
    if name not in _DTYPES:
        raise ModelError(
            f"Unknown dtype {name!r}.", where="dtype", mend=f"Use auto, {', '.join(_DTYPES)}."
        )
    return _DTYPES[name]
