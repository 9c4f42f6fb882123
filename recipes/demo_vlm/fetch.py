"""Download the recipe's inputs by package name and check them. Running it again does nothing.

Needs ``npm`` and ``apt-get`` (Debian or Ubuntu) on the path.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DATA", "SOURCES", "Source", "fetch"]

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Source:
    """One package: how it is fetched, what the file is called and what it must hold."""

    command: tuple[str, ...]
    file: str
    sha256: str
    licence: str


SOURCES = {
    "fluent-emoji-3d": Source(
        ("npm", "pack", "--silent", "@lobehub/fluent-emoji-3d@1.1.0"),
        "lobehub-fluent-emoji-3d-1.1.0.tgz",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "MIT",
    ),
    "fluentui-emoji": Source(
        ("npm", "pack", "--silent", "fluentui-emoji@1.3.0"),
        "fluentui-emoji-1.3.0.tgz",
        "ec892e607e854859b812c7d827801756adc19955b0ef56d4ae8afcddd19492c5",
        "MIT",
    ),
    "unicode-emoji-json": Source(
        ("npm", "pack", "--silent", "unicode-emoji-json@0.9.0"),
        "unicode-emoji-json-0.9.0.tgz",
        "ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401",
        "MIT",
    ),
    "openclipart-png": Source(
        ("apt-get", "download", "openclipart-png=1:0.18+dfsg-19"),
        "openclipart-png_1%3a0.18+dfsg-19_all.deb",
        "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
        "public domain",
    ),
}


def fetch(folder: Path = DATA / "raw") -> dict[str, Path]:
    """Return the path of every input, after downloading the missing and checking all."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, source in SOURCES.items():
        path = folder / source.file
        if not path.exists():
            subprocess.run(source.command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != source.sha256:
            sys.exit(f"{path}: sha256 is {found}, not {source.sha256}. Delete it and run again.")
        paths[name] = path
    return paths


if __name__ == "__main__":
    for fetched_name, fetched_path in fetch().items():
        print(f"{fetched_name}: {fetched_path}")
