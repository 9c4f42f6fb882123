"""Remember which models were verified, so that opening one again costs no checks."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from superneurons.errors import ModelError
from superneurons.vlm.checks.check import MEANINGS
from superneurons.vlm.family import Family, families
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.processor import processor_settings
from superneurons.vlm.verify import Findings, require_verified

__all__ = [
    "VERIFY_ENV",
    "Verify",
    "check_verify",
    "entry_of",
    "remember",
    "verify_on_load",
    "was_verified",
]

VERIFY_ENV = "SUPERNEURONS_VERIFY"
"""Set to ``off``, models of described families are opened without checks, unless asked for."""

Verify: TypeAlias = bool | Literal["auto"]
"""Whether a model is verified when it is opened. ``auto``: unless the same one was before, or
``SUPERNEURONS_VERIFY`` says ``off``."""

_PACKAGES = ("superneurons", "torch", "transformers")


def check_verify(verify: object) -> None:
    """Refuse a way to verify that there isn't.

    Raises
    ------
    ModelError
        Names those that there are; for a wrong ``SUPERNEURONS_VERIFY``, too.
    """
    if not (verify is True or verify is False or verify == "auto"):
        raise ModelError(
            f"Unknown way to verify: {verify!r}.",
            where="verify",
            mend="Use 'auto', True or False.",
        )
    said = os.environ.get(VERIFY_ENV, "auto")
    if said not in ("auto", "off"):
        raise ModelError(
            f"Unknown value of {VERIFY_ENV}: {said!r}.",
            where=VERIFY_ENV,
            mend="Set it to 'auto' or 'off', or to nothing.",
        )


def verify_on_load(vlm: VLM, verify: Verify) -> None:
    """Verify a whole model that was just opened, and remember it.

    Parameters
    ----------
    vlm
        The model.
    verify
        Whether to; see :data:`Verify`. A family that isn't described, but was found by looking, is
        verified whatever ``SUPERNEURONS_VERIFY`` says.

    Raises
    ------
    VerificationError
        Lists the checks that failed.
    """
    if verify is False:
        return
    if verify == "auto" and (_turned_off(vlm.family) or was_verified(vlm)):
        return
    remember(vlm, require_verified(vlm))


def was_verified(vlm: VLM) -> bool:
    """Whether the same model passed all checks before, on this machine.

    Parameters
    ----------
    vlm
        The whole model: what its fingerprint samples, its configuration, family, processor, dtype
        and device type, and the versions of what runs it have to be the same.
    """
    try:
        of = _belonging(vlm)
        found = json.loads(_path(of).read_text(encoding="utf-8"))
        return bool(found["of"] == of and found["passed"])
    except Exception:  # absent, damaged, or a description that fits nothing: the checks will say
        return False


def remember(vlm: VLM, findings: Findings) -> None:
    """Keep that a model passed its checks; where the place can't be written, nothing is kept.

    Parameters
    ----------
    vlm
        The whole model.
    findings
        Of :func:`superneurons.vlm.verify.examine`; kept only where nothing failed.
    """
    if findings.failed:
        return
    of = _belonging(vlm)
    content = {
        "of": of,
        "passed": [check.name for check in findings.checks],
        "left_out": dict(findings.left_out),
    }
    path = _path(of)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".", delete=False
        ) as file:
            json.dump(content, file, indent=1)
        Path(file.name).replace(path)
    except OSError:
        return


def entry_of(vlm: VLM) -> Path:
    """Return the file that says, if it is there, that a model was verified."""
    return _path(_belonging(vlm))


def _path(of: Mapping[str, Any]) -> Path:
    from superneurons.demo.cache import cache_root

    return cache_root() / "verified" / f"{_digest(json.dumps(of, sort_keys=True))[:16]}.json"


def _turned_off(family: Family) -> bool:
    described = any(family in members for members in families().values())
    return described and os.environ.get(VERIFY_ENV) == "off"


def _belonging(vlm: VLM) -> dict[str, Any]:
    """What the outcome of the checks depends on, as JSON keeps it."""
    model = cast(Any, vlm.model)
    return {
        "fingerprint": fingerprint(vlm, vlm.n_layers, head=True),
        "config": _digest(json.dumps(_without_paths(model.config.to_dict()), sort_keys=True)),
        "attention": str(model.config._attn_implementation),
        "family": _digest(json.dumps(_plain(vlm.family), sort_keys=True)),
        "processor": _digest(json.dumps(processor_settings(vlm.processor), sort_keys=True)),
        "dtype": str(vlm.dtype),
        "device": vlm.device.type,
        "preparation": vlm.preparation,
        "versions": {name: version(name) for name in _PACKAGES},
        "checks": _digest(json.dumps(list(MEANINGS))),
    }


def _without_paths(settings: Any) -> Any:
    """A configuration's settings wherever it lies, as JSON keeps them."""
    if isinstance(settings, Mapping):
        kept = {str(key): value for key, value in settings.items() if key != "_name_or_path"}
        return {key: _without_paths(value) for key, value in kept.items()}
    return _plain(settings)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A family's fields as JSON; functions by their names."""
    if isinstance(value, Family):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, partial):
        return [_plain(value.func), _plain(value.args), _plain(value.keywords)]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value if value is None or isinstance(value, bool | int | float) else str(value)
