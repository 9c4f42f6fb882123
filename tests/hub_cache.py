"""A local hub cache laid out by hand, in offline mode, with the network out of reach."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from huggingface_hub import constants

NAME = "some-owner/some-model"
COMMIT = "c0ffee" + "0" * 34
OTHER = "decaf" + "1" * 35


def add_commit(cache: Path, model: Path, commit: str = COMMIT, *, is_main: bool = True) -> Path:
    """Put a checkpoint into a cache as the hub's client does: blobs, links to them, a ref."""
    repository = cache / f"models--{NAME.replace('/', '--')}"
    snapshot, blobs = repository / "snapshots" / commit, repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir(exist_ok=True)
    for file in sorted(model.iterdir()):
        blob = Path(shutil.copy(file, blobs / f"{commit[:6]}-{file.name}"))
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    if is_main:
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
    return snapshot


@contextmanager
def offline(cache: Path) -> Iterator[None]:
    """Work with this cache alone: a look at the network fails the test."""

    def fail(*_: object, **__: object) -> NoReturn:
        pytest.fail("something looked for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(socket.socket, "connect", fail)
        patch.setattr(socket, "getaddrinfo", fail)
        yield
