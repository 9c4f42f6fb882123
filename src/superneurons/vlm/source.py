"""Where a base model comes from: the embedded one, a local directory, or a hub id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.errors import ModelError, Problem, ResourceError
from superneurons.vlm.hub import hub_file, not_found, offline_variable
from superneurons.vlm.naming import check_name, is_local

__all__ = [
    "Source",
    "check_complete",
    "check_memory",
    "fetch",
    "locate",
    "refuse_untrusted",
    "weight_map",
]

_SPARE = 1.15  # what a load takes beside the weights themselves
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A base model that can be loaded.

    Parameters
    ----------
    name
        How the user calls it.
    path
        What ``from_pretrained`` is given: a directory or a hub id.
    config
        Its ``config.json``, as loaded by ``transformers``.
    revision
        The commit, for a model of the hub.
    """

    name: str
    path: str
    config: Any
    revision: str | None


def locate(name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> Source:
    """Find a base model by name: ``demo``, a local directory, or a hub id.

    Raises
    ------
    ModelNotFoundError
        When it is nowhere, may not be read, or can't be fetched: then in offline mode, too.
    ModelError
        When its configuration cannot be read, or only by code that comes with it, and
        ``trust_remote_code`` was not given.
    """
    check_name(name)
    from transformers import AutoConfig

    path = name
    if name == "demo":
        from superneurons.demo.model import demo_model_path

        path = str(demo_model_path())
    if is_local(path):
        path, commit = str(Path(path).expanduser()), None
    else:
        commit = _commit(name, revision)
    try:
        config = AutoConfig.from_pretrained(
            path, revision=commit, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        refuse_untrusted(name, "config.json", error)
        raise ModelError(
            f"The configuration of {name!r} cannot be used: {_first_line(error)}",
            where=f"{name}: config.json",
            mend="Use a vision-language model that the installed transformers knows; if the file "
            "is damaged, download or save it again.",
        ) from error
    return Source(name, path, config, commit)


def _commit(name: str, revision: str | None) -> str | None:
    """Return the commit of a hub model, so that all of its files are those of one commit."""
    file = hub_file(name, "config.json", revision)
    if file is None:
        raise not_found(name, revision)
    return file.parent.name if file.parent.parent.name == "snapshots" else revision


def refuse_untrusted(name: str, file: str, error: Exception) -> None:
    """Refuse a checkpoint that only code of its own can read, if that is why it can't be opened.

    Parameters
    ----------
    name
        How the user called it.
    file
        The file that names the code.
    error
        What ``transformers`` raised: it asks for ``trust_remote_code`` unless that was given.

    Raises
    ------
    ModelError
        When it asks for that.
    """
    if "trust_remote_code" in str(error):
        raise ModelError(
            f"{name!r} comes with code of its own, and that is not run unless you ask for it.",
            where=f"{name}: {file}: auto_map",
            mend="Read that code; if you trust it, give trust_remote_code=True "
            "(--trust-remote-code).",
        ) from error


def check_complete(source: Source) -> None:
    """Make sure that all weights are there, unless they can be fetched from the hub later.

    Raises
    ------
    ModelError
        Lists every file that is missing or empty; or when the list of shards cannot be read.
    """
    if Path(source.path).is_dir() or offline_variable():
        here = _directory(source)
        fetch(source, [_SINGLE] if here is None else _shards(here))


def fetch(source: Source, files: Iterable[str]) -> dict[str, Path]:
    """Return where files of a checkpoint are, downloading those that are not here yet.

    Raises
    ------
    ModelError
        Lists every file that is missing or empty.
    ModelNotFoundError
        When the hub refuses.
    """
    found = {file: _file(source, file) for file in files}
    missing = [file for file, path in found.items() if path is None]
    if missing:
        raise _incomplete(source, missing)
    return {file: path for file, path in found.items() if path is not None}


def weight_map(source: Source) -> dict[str, str]:
    """Return which file of a checkpoint holds each tensor, by the names they have there.

    Raises
    ------
    ModelError
        When there are no safetensors weights, or the list of shards cannot be read.
    ModelNotFoundError
        When the hub refuses.
    """
    from safetensors import safe_open

    single = _file(source, _SINGLE)  # it comes before a list of shards to transformers, too
    if single is not None:
        with safe_open(single, framework="pt") as file:
            return dict.fromkeys(file.keys(), _SINGLE)
    index = _file(source, _INDEX)
    if index is None:
        raise _incomplete(source, [_SINGLE])
    return _weight_map(index)


def _file(source: Source, name: str) -> Path | None:
    path = Path(source.path)
    if path.is_dir():
        file = path / name
        return file if file.is_file() and file.stat().st_size else None
    return hub_file(source.path, name, source.revision)


def _directory(source: Source) -> Path | None:
    """Where its files are: of a model of the hub, those that are cached."""
    path = Path(source.path)
    if path.is_dir():
        return path
    config = hub_file(source.path, "config.json", source.revision)
    return None if config is None else config.parent


def _incomplete(source: Source, missing: Iterable[str]) -> ModelError:
    why, mend = "missing or empty", "Finish the download, or copy the missing files."
    if not Path(source.path).is_dir():
        why = "neither in the local hub cache nor to be had from the hub"
        if (variable := offline_variable()) is not None:
            why = f"not in the local hub cache, and offline mode is on ({variable})"
            mend = f"Unset {variable.partition('=')[0]} to finish the download, or copy the files."
    return ModelError(
        f"The weights in {source.path!r} are not complete.",
        problems=[Problem(f"{Path(source.path).name}/{name}", why) for name in missing],
        mend=mend,
    )


def _shards(path: Path) -> list[str]:
    index = path / _INDEX
    return sorted(set(_weight_map(index).values())) if index.is_file() else [_SINGLE]


def _weight_map(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text())["weight_map"]
        return {str(name): Path(file).as_posix() for name, file in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The list of shards cannot be read: {error!r}",
            where=str(index),
            mend="Download or save the checkpoint again.",
        ) from error


def check_memory(source: Source, *, bytes_each: int, numbers: float | None = None) -> None:
    """Refuse to load what doesn't fit, before loading it.

    Parameters
    ----------
    source
        Where it comes from.
    bytes_each
        Size of a number in memory.
    numbers
        How many numbers are loaded; by default all of the checkpoint that are on this machine.

    Raises
    ------
    ResourceError
        When they need more memory than the machine has free.
    """
    needed = int((_numbers(source) if numbers is None else numbers) * bytes_each * _SPARE)
    free = _free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"Loading {source.name!r} takes about {needed / 2**30:.1f} GiB; "
            f"{free / 2**30:.1f} GiB are free.",
            where=source.path,
            mend="Free memory, load it in float16 (dtype='float16'), or use a smaller model.",
        )


def _numbers(source: Source) -> float:
    here = _directory(source)
    files = () if here is None else (here / shard for shard in _shards(here))
    stored = {"float32": 4}.get(str(getattr(source.config, "dtype", "")).removeprefix("torch."), 2)
    return sum(file.stat().st_size for file in files if file.exists()) / stored


def _free_memory() -> int | None:
    """Bytes of memory that can still be taken, where the system says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        pages = os.sysconf_names.get("SC_AVPHYS_PAGES")
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") if pages is not None else None
    values = {key: rest for key, _, rest in (line.partition(":") for line in lines)}
    available = values.get("MemAvailable")
    return int(available.split()[0]) * 1024 if available else None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
