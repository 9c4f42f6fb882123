from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from superneurons._extras import require
from superneurons.errors import MissingExtraError


def test_what_is_installed_is_imported() -> None:
    assert require("json", extra="parquet", purpose="Reading JSON") is json


def test_what_is_missing_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match="Reading Parquet files needs") as caught:
        require("no_such_package.inner", extra="parquet", purpose="Reading Parquet files")
    assert "'no_such_package'" in str(caught.value)
    assert "pip install 'superneurons[parquet]'" in str(caught.value)


def test_a_broken_dependency_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import what_it_needs_itself\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs_itself") as caught:
        require("half_installed", extra="parquet", purpose="Reading")
    assert not isinstance(caught.value, MissingExtraError)
    sys.modules.pop("half_installed", None)
