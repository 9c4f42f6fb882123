"""``superneurons doctor``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet

__all__ = ["doctor"]

_NAMES = {"memory_MB_up_to_layer": "memory"}


def doctor(
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Open a model, check that it can be read and cut off, and say what it takes.

    Exits with 2 when a check fails.
    """
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.verify import verify

    quiet()
    vlm = open_vlm(
        model, device=device, dtype=dtype, revision=revision, trust_remote_code=trust_remote_code
    )
    checks = verify(vlm)
    facts = _facts(vlm)
    if as_json:
        print_json(facts | {"checks": [asdict(check) for check in checks]})
    else:
        for name, value in facts.items():
            print(f"{_NAMES.get(name, name.replace('_', ' ')):<16} {_shown(value)}")
        for check in checks:
            print(f"{'ok' if check.passed else 'FAILED':<16} {check.name} ({check.detail})")
    if not all(check.passed for check in checks):
        sys.exit(2)


def _shown(value: Any) -> str:
    """One line, whatever it is: sizes by layer, or a prompt with its line breaks."""
    if isinstance(value, dict):
        return ", ".join(f"{size} MB up to layer {layer}" for layer, size in value.items())
    return repr(value) if "\n" in str(value) else str(value)


def _facts(vlm: Any) -> dict[str, Any]:
    from superneurons.vlm.prompt import Prompt

    sizes = [sum(p.numel() * p.element_size() for p in layer.parameters()) for layer in vlm.layers]
    whole = sum(p.numel() * p.element_size() for p in vlm.model.parameters())
    kept = {k: whole - sum(sizes[k:]) for k in sorted({1, vlm.n_layers // 2 or 1, vlm.n_layers})}
    return {
        "model": vlm.name,
        "family": vlm.family.name,
        "revision": vlm.revision or "local",
        "layers": vlm.n_layers,
        "hidden_size": vlm.hidden_size,
        "neurons": vlm.n_layers * vlm.hidden_size,
        "device": str(vlm.device),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "memory_MB_up_to_layer": {str(k): round(size / 1e6, 1) for k, size in kept.items()},
        "processor": type(vlm.processor).__name__,
        "prompt": Prompt().frame(vlm.processor),
    }
