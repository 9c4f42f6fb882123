"""Make every check on a tiny random model of each family, and write the tables of docs/families.md.

    python benchmarks/families.py [--only NAME …] [--docs docs/families.md]

Models are those of ``tests/tiny_families``, in float32 on the CPU, with the installed
``transformers``: what is checked is the family's description, not any checkpoint's answers. A few
seconds for each. Exits with 1 when a check fails. With ``--only`` the table is printed only.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from superneurons.cli.output import quiet
from superneurons.cli.status import markdown, status_row
from superneurons.cli.verify import thoroughly
from superneurons.demo.cache import CACHE_ENV
from superneurons.vlm.checks.check import MEANINGS
from superneurons.vlm.exit_report import exit_report
from tiny_families import savers

ROOT = Path(__file__).parents[1]
Savers = Mapping[str, Callable[[Path], Path]]


def rows(chosen: Savers, directory: Path) -> list[dict[str, str]]:
    """Make the row of each model, by family and then by name."""
    made = []
    for name in sorted(chosen):
        try:
            path = chosen[name](directory / name)
        except pytest.skip.Exception as skipped:  # a family that this transformers doesn't know
            print(f"{name}: {skipped}", file=sys.stderr)
            continue
        vlm, findings = thoroughly(str(path), device="cpu")
        runs = not {"run", "layers", "exit"} & {check.name for check in findings.failed}
        report = exit_report(vlm) if runs else None
        made.append(status_row(vlm, findings, report, name=f"tiny, random: {name}"))
        print(f"{name}: {made[-1]['checks']}", file=sys.stderr)
        for check in findings.failed:
            print(f"  {check.name}: {check.detail}", file=sys.stderr)
    return sorted(made, key=lambda row: (row["family"], row["model"]))


def meanings() -> str:
    """Make the table of what each check is for."""
    table = [
        {"check": f"`{name}`", "what holds": each.holds, "where it doesn't": each.mend}
        for name, each in MEANINGS.items()
    ]
    return markdown(table)


def put(text: str, mark: str, table: str) -> str:
    """Put a table between its marks."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"There is not one pair of marks {begin} … {end}.")
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text)


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "families.md")
    options = parser.parse_args(None if arguments is None else list(arguments))
    quiet()
    known = savers()
    if unknown := sorted(set(options.only) - set(known)):
        sys.exit(f"There is no tiny model {', '.join(unknown)}; there are {', '.join(known)}.")
    with tempfile.TemporaryDirectory() as directory:
        os.environ[CACHE_ENV] = str(Path(directory) / "cache")
        found = rows({n: known[n] for n in options.only or known}, Path(directory))
    if options.only:
        print(markdown(found))
    else:
        text = options.docs.read_text(encoding="utf-8")
        text = put(put(text, "checks", meanings()), "families", markdown(found))
        options.docs.write_text(text, encoding="utf-8")
    if any("failed" in row["checks"] for row in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
