"""The public face: what is exported, how fast it imports, and which room knows which."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import superneurons

SOURCE = Path(superneurons.__file__).parent
ROOMS = [
    "task", "vlm", "activations", "probes", "shortcut", "evaluate", "report", "amplify",
    "scale", "export", "serve", "cli",
]  # fmt: skip
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(SOURCE)], "superneurons.")
)  # fmt: skip


def test_every_exported_name_is_there() -> None:
    assert sorted(set(superneurons.__all__)) == sorted(superneurons.__all__)
    for name in superneurons.__all__:
        assert getattr(superneurons, name).__module__.startswith("superneurons.")
    assert set(superneurons.__all__) <= set(dir(superneurons))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = superneurons.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in MODULES if n != "superneurons.__main__"])
def test_each_module_says_what_it_exports(name: str) -> None:
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported)
    defined = {
        node.name
        for node in ast.parse(Path(str(module.__file__)).read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }
    assert defined <= set(getattr(module, "__all__", []))


@pytest.mark.parametrize("name", [n for n in MODULES if n != "superneurons.__main__"])
def test_examples_in_docstrings_run(name: str) -> None:
    import numpy as np

    found = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
    assert found.failed == 0


def test_importing_it_is_cheap() -> None:
    code = "import sys, superneurons; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_before_it(room: str) -> None:
    later = ROOMS[ROOMS.index(room) + 1 :]
    for path in (SOURCE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                known = node.module.split(".")
                assert known[0] != "superneurons" or known[1] not in later, f"{path}: {node.module}"


def test_files_and_functions_stay_small() -> None:
    lengths = []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        lengths.append(text.count("\n"))
        assert lengths[-1] <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"
    assert sorted(lengths)[len(lengths) // 2] <= 150
