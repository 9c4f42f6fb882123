"""The notebooks run from top to bottom, without a warning, and draw what they promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = ("first_fit", "looking_inside")
_SECONDS = 600


def _cells(name: str) -> list[dict[str, Any]]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    return list(notebook["cells"])


def test_there_are_no_others() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_code_and_text_alone(name: str) -> None:
    cells = _cells(name)
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert cell["source"]
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.demo
@pytest.mark.parametrize(
    ("name", "drawn", "tables"), [("first_fit", 1, 2), ("looking_inside", 5, 1)]
)
def test_it_runs(
    name: str, drawn: int, tables: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    for part in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{part}_DIR", str(tmp_path / part))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=_SECONDS, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    said = "".join(o.text for o in outputs if o.get("name") == "stderr")
    # Progress bars of libraries are no warnings, nor that they would rather be widgets.
    assert [x for x in said.splitlines() if "Warning" in x and "TqdmWarning" not in x] == []
    shown = [o.data for o in outputs if "data" in o]
    assert sum("image/png" in data for data in shown) == drawn
    assert sum("text/html" in data for data in shown) == tables
