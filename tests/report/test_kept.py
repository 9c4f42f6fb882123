from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import ArtefactError
from superneurons.report.kept import kept_content


def opened(path: Path) -> dict[str, object]:
    return kept_content(path, what="run", newest=2, mend="Give another.")


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 2, "seed": 3}')
    assert opened(path) == {"format": 2, "seed": 3}
    path.write_text("[1]")
    assert opened(path) == {}


@pytest.mark.parametrize("text", [None, "", "{", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtefactError, match="There is no run in") as told:
        opened(path)
    assert told.value.where == str(path)
    assert told.value.mend == "Give another."


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 3}')
    with pytest.raises(ArtefactError, match="has format 3; this version reads up to 2"):
        opened(path)
