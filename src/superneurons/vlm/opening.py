"""Open a base model, once, ready to be read."""

from __future__ import annotations

from typing import Any

import torch

from superneurons.errors import ModelError, Problem, ResourceError
from superneurons.vlm.family import Family, family_of
from superneurons.vlm.model import VLM
from superneurons.vlm.processor import load_processor
from superneurons.vlm.source import Source, check_memory, locate

__all__ = ["open_vlm"]

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def open_vlm(
    name: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
) -> VLM:
    """Open a vision-language model with its processor.

    Parameters
    ----------
    name
        ``demo`` for the embedded model, a local directory, or a hub id.
    revision
        Branch, tag or commit on the hub.
    dtype
        ``float32``, ``float16``, ``bfloat16``, or ``auto``: float32 on a CPU, else as stored.
    device
        Such as ``cpu`` or ``cuda:0``, or ``auto``: the GPU if there is one.
    trust_remote_code
        Whether code that comes with the checkpoint may run.

    Raises
    ------
    ModelNotFoundError
        When there is no such model, or no network to fetch it.
    ModelError
        When its family is not supported, or its files are incomplete or damaged.
    ResourceError
        When it doesn't fit into memory; the message says how much it takes.

    Examples
    --------
    >>> open_vlm("demo")  # doctest: +SKIP
    VLM('demo', LLaVA-1.5, 30 layers, torch.float32)
    """
    where = _device(device)
    source = locate(name, revision=revision, trust_remote_code=trust_remote_code)
    family = family_of(source.config.model_type)
    number = _dtype(dtype, where, source.config)
    if where.type == "cpu":
        check_memory(source, bytes_each=number.itemsize)
    options = {"revision": source.revision or revision, "trust_remote_code": trust_remote_code}
    model = _load(source, family, number, options).to(where).eval()
    processor = load_processor(source.path, family, source.config, **options)
    vlm = VLM(model, processor, family, name, n_layers=0, revision=source.revision)
    return _checked(vlm, source.config)


def _load(source: Source, family: Family, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    import transformers
    from safetensors import SafetensorError

    try:
        model, report = getattr(transformers, family.model_class).from_pretrained(
            source.path, dtype=dtype, output_loading_info=True, **options
        )
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise ResourceError(
            f"{source.name!r} doesn't fit into memory: {error}",
            where=source.path,
            mend="Free memory, load it in a smaller dtype, or use a smaller model.",
        ) from error
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"The weights of {source.name!r} cannot be loaded: {error}",
            where=source.path,
            mend="Download or save the checkpoint again; only safetensors weights are read.",
        ) from error
    # transformers would go on with random numbers in their place
    missing = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if missing:
        raise ModelError(
            f"The checkpoint of {source.name!r} lacks weights that its configuration asks for.",
            problems=[Problem(name, "missing, or of another shape") for name in missing],
            mend="Download or save the checkpoint again, with the configuration it belongs to.",
        )
    return model


def _checked(vlm: VLM, config: Any) -> VLM:
    """Check that the family's description fits this model, so that nothing reads the wrong part."""
    text = config.get_text_config()
    if len(vlm.layers) != text.num_hidden_layers or vlm.hidden_size != text.hidden_size:
        raise ModelError(
            f"{vlm.name!r} has {len(vlm.layers)} decoder layers of width {vlm.hidden_size}, but "
            f"its configuration says {text.num_hidden_layers} of {text.hidden_size}.",
            where=f"{vlm.family.layers} against config.json",
            mend="The checkpoint is not what it says it is: save or download it again.",
        )
    for parameter in vlm.model.parameters():
        parameter.requires_grad_(False)
    return VLM(
        vlm.model, vlm.processor, vlm.family, vlm.name, len(vlm.layers), revision=vlm.revision
    )


def _device(name: str) -> torch.device:
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


def _dtype(name: str, device: torch.device, config: Any) -> torch.dtype:
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
