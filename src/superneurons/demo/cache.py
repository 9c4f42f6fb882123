"""A directory that is built once, checked by hash, and rebuilt when it is damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from superneurons.demo.language_model import file_sha256
from superneurons.errors import OutputError

__all__ = ["CACHE_ENV", "built_once", "cache_root", "is_intact"]

CACHE_ENV = "SUPERNEURONS_CACHE"
_MANIFEST = "manifest.json"
_MEND = f"Free the place or its rights, or set {CACHE_ENV} to a directory that can be written."


def cache_root() -> Path:
    """Return the user's cache directory for this package; it need not exist yet.

    ``SUPERNEURONS_CACHE`` if it is set, otherwise ``superneurons`` under the platform's own place:
    ``XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS, ``LOCALAPPDATA`` on Windows.
    """
    if own := os.environ.get(CACHE_ENV):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "superneurons"


def built_once(
    name: str,
    inputs: Mapping[str, str],
    build: Callable[[Path], None],
    *,
    root: Path | None = None,
    needs_bytes: int = 0,
) -> Path:
    """Return the directory built from these inputs; build it only if it isn't there, intact.

    The build happens in a temporary directory beside the final one and is renamed into place, so
    that an interrupted build leaves nothing behind that looks finished, and several processes may
    do it at once.

    Parameters
    ----------
    name
        Start of the directory's name; the inputs' hash follows.
    inputs
        What the content depends on: names and versions or SHA-256 sums. Other inputs, other
        directory.
    build
        Fills an empty directory with files (no sub-directories).
    root
        Where to keep it, `cache_root` by default.
    needs_bytes
        Free space to ask for before the build starts.

    Raises
    ------
    OutputError
        When the place cannot be written or the disk is full.
    """
    key = hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()[:16]
    root = cache_root() if root is None else root
    final = root / f"{name}-{key}"
    if is_intact(final):
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < needs_bytes:
            raise OSError(errno.ENOSPC, f"{needs_bytes:,} bytes are needed and {free:,} are free")
        with tempfile.TemporaryDirectory(
            dir=root, prefix=f".{name}-", ignore_cleanup_errors=True
        ) as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            build(fresh)
            _write_manifest(fresh, inputs)
            _put_in_place(fresh, final, Path(scratch) / "damaged")
    except OSError as error:
        _refuse(error, root)
    return final


def is_intact(directory: Path) -> bool:
    """Tell whether every file of a built directory still has the hash of its manifest.

    Costs one read of the directory: about 0.3 s for 300 MB.
    """
    try:
        manifest = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        outputs = manifest["outputs"].items()
        return all(file_sha256(directory / name) == digest for name, digest in outputs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # absent, unreadable or not a manifest: each means "build it again"


def _write_manifest(directory: Path, inputs: Mapping[str, str]) -> None:
    outputs = {path.name: file_sha256(path) for path in sorted(directory.iterdir())}
    manifest = {"inputs": dict(inputs), "outputs": outputs}
    (directory / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _put_in_place(fresh: Path, final: Path, aside: Path) -> None:
    """Rename ``fresh`` to ``final``; whoever else was quicker wins, if what they left is intact."""
    for _ in range(3):
        try:
            fresh.rename(final)
            return
        except OSError:
            if is_intact(final):
                return
            if not final.exists():
                raise
        try:
            final.rename(aside)
        except FileNotFoundError:
            continue  # another process has just moved the damaged one away
        shutil.rmtree(aside, ignore_errors=True)
    raise OSError(errno.EBUSY, "several processes kept replacing the directory", str(final))


def _refuse(error: OSError, root: Path) -> NoReturn:
    if isinstance(error, OutputError) or error.errno is None:
        raise error  # already typed, or not about the disk: a missing model is an OSError too
    reason = os.strerror(error.errno) if error.strerror is None else error.strerror
    raise OutputError(
        f"The cache directory cannot be written: {reason}.", where=str(root), mend=_MEND
    ) from error
