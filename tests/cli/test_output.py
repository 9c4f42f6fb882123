from __future__ import annotations

import json
import warnings

import pytest

from superneurons.cli.output import print_json, quiet, step


def test_json_keeps_other_scripts_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"label": "grün"}, indent=None)
    said = capsys.readouterr().out
    assert said == '{"label": "grün"}\n'
    assert json.loads(said) == {"label": "grün"}


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with step("counting") as told:
        told(3, 3)
    said = capsys.readouterr()
    assert said.out == ""
    assert "counting" in said.err
    assert "3/3" in said.err


def test_warnings_take_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    quiet()
    warnings.showwarning("mind the gap", UserWarning, "file.py", 1)
    assert capsys.readouterr().err == "superneurons: warning: mind the gap\n"
