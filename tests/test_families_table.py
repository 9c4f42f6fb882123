"""The status table of docs/families.md, and the script that writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import families as script

from superneurons.cli.status import status_row
from superneurons.vlm.checks.check import MEANINGS
from superneurons.vlm.exit_report import exit_report
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.verify import Findings
from tiny_families import savers

DOCS = Path(__file__).parents[1] / "docs" / "families.md"
MARKED = """before
<!-- checks -->
stale
<!-- /checks -->
<!-- families -->
<!-- /families -->
after
"""


def table(mark: str) -> list[dict[str, str]]:
    text = DOCS.read_text(encoding="utf-8")
    inside = text.split(f"<!-- {mark} -->\n")[1].split(f"<!-- /{mark} -->")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in inside.splitlines()
    ]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_the_table_has_every_family_and_no_other() -> None:
    found = table("families")
    named = {(row["model type"].strip("`"), row["family"]) for row in found}
    assert named == {(kind, each.name) for kind, members in families().items() for each in members}
    assert {row["model"].removeprefix("tiny, random: ") for row in found} == set(savers())


def test_no_check_failed_in_the_table() -> None:
    assert [row["model"] for row in table("families") if "failed" in row["checks"]] == []


def test_every_check_is_explained_as_it_is_in_the_code() -> None:
    lines = "\n".join(" | ".join(row.values()) for row in table("checks"))
    assert lines == "\n".join(
        f"`{name}` | {each.holds} | {each.mend}" for name, each in MEANINGS.items()
    )


def test_the_columns_are_those_that_users_paste(llava: VLM) -> None:
    row = status_row(llava, Findings((), {}), exit_report(llava))
    assert list(table("families")[0]) == list(row)


def test_the_script_writes_the_tables_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "families.md"
    docs.write_text(MARKED)
    monkeypatch.setattr(script, "savers", lambda: {"llava": savers()["llava"]})
    monkeypatch.setenv(script.CACHE_ENV, str(tmp_path / "cache"))
    script.main(["--docs", str(docs)])
    text = docs.read_text()
    assert text.startswith("before\n<!-- checks -->\n| check |")
    assert text.endswith("<!-- /families -->\nafter\n")
    assert "stale" not in text
    assert f"| {len(MEANINGS)} passed |" in text
    assert "| LLaVA-1.5 | `llava` | tiny, random: llava |" in text


def test_some_rows_are_printed_and_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "families.md"
    docs.write_text(MARKED)
    monkeypatch.setenv(script.CACHE_ENV, str(tmp_path / "cache"))
    script.main(["--docs", str(docs), "--only", "qwen3_vl"])
    assert "| Qwen3-VL | `qwen3_vl` |" in capsys.readouterr().out
    assert docs.read_text() == MARKED


def test_a_family_that_this_transformers_does_not_know_has_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_new(_: Path) -> Path:
        pytest.skip("this release has no such model")

    assert script.rows({"new": too_new}, tmp_path) == []
    assert "new: this release has no such model" in capsys.readouterr().err


def test_a_failed_check_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "rows", lambda *_: [{"checks": "3 passed; **failed:** lean"}])
    monkeypatch.setenv(script.CACHE_ENV, "unused")
    with pytest.raises(SystemExit) as end:
        script.main(["--only", "llava"])
    assert end.value.code == 1


@pytest.mark.parametrize(
    "text", ["no marks", "<!-- checks -->", "<!-- checks --><!-- /checks -->" * 2]
)
def test_marks_that_are_missing_or_twice_are_refused(text: str) -> None:
    with pytest.raises(SystemExit, match="marks"):
        script.put(text, "checks", "| table |")


def test_a_model_that_there_is_not_is_named() -> None:
    with pytest.raises(SystemExit, match="nonsense"):
        script.main(["--only", "nonsense"])
