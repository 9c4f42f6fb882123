"""Where a base model comes from: the embedded one, a local directory, or a hub id."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.errors import ModelError, ModelNotFoundError, Problem, ResourceError

__all__ = ["Source", "check_memory", "locate"]

_SPARE = 1.15  # what a load takes beside the weights themselves


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
        When it is nowhere, or the hub cannot be reached.
    ModelError
        When its configuration cannot be read, or shards of its weights are missing.
    """
    from transformers import AutoConfig

    path = name
    if name == "demo":
        from superneurons.demo.model import demo_model_path

        path = str(demo_model_path())
    if _is_local(path):
        path = str(Path(path).expanduser())
        _check_directory(Path(path))
    try:
        config = AutoConfig.from_pretrained(
            path, revision=revision, trust_remote_code=trust_remote_code
        )
    except OSError as error:
        raise _not_found(name) from error
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"The configuration of {name!r} cannot be used: {_first_line(error)}",
            where=f"{name}: config.json",
            mend="Use a vision-language model that the installed transformers knows.",
        ) from error
    return Source(name, path, config, getattr(config, "_commit_hash", None))


def _is_local(path: str) -> bool:
    """Tell a path from a hub id: it exists, or is written as one."""
    expanded = Path(path).expanduser()
    return expanded.exists() or path.startswith((".", "/", "~")) or path.count("/") > 1


def _check_directory(path: Path) -> None:
    if not (path / "config.json").is_file():
        raise ModelNotFoundError(
            f"There is no model in {str(path)!r}: it has no config.json."
            if path.is_dir()
            else f"There is no directory {str(path)!r}.",
            where=str(path),
            mend="Give the directory that save_pretrained wrote, a hub id, or 'demo'.",
        )
    problems = [
        Problem(f"{path.name}/{shard}", "missing or empty")
        for shard in _shards(path)
        if not (path / shard).is_file() or (path / shard).stat().st_size == 0
    ]
    if problems:
        raise ModelError(
            f"The weights in {str(path)!r} are not complete.",
            problems=problems,
            mend="Finish the download, or copy the missing files.",
        )


def _shards(path: Path) -> list[str]:
    index = path / "model.safetensors.index.json"
    if not index.is_file():
        return ["model.safetensors"]
    try:
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The list of shards cannot be read: {error!r}",
            where=str(index),
            mend="Download or save the checkpoint again.",
        ) from error


def _not_found(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"There is no model {name!r}: it is no local directory, and it is neither in the local "
        "hub cache nor could it be fetched (no network, no such id, or no access).",
        where=name,
        mend="Give the path of a directory, check the id and the network, or use 'demo'.",
    )


def check_memory(source: Source, *, bytes_each: int) -> None:
    """Refuse to load what doesn't fit, before loading it.

    Raises
    ------
    ResourceError
        When a local checkpoint needs more memory than the machine has free.
    """
    path = Path(source.path)
    needed = sum(
        (path / shard).stat().st_size for shard in (_shards(path) if path.is_dir() else ())
    )
    stored = {"float32": 4}.get(str(getattr(source.config, "dtype", "")).removeprefix("torch."), 2)
    needed = int(needed * bytes_each / stored * _SPARE)
    free = _free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"Loading {source.name!r} takes about {needed / 2**30:.1f} GiB; "
            f"{free / 2**30:.1f} GiB are free.",
            where=source.path,
            mend="Free memory, load it in float16 (dtype='float16'), or use a smaller model.",
        )


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
