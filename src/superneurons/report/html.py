"""One self-contained HTML file that shows what a run found."""

from __future__ import annotations

from importlib.resources import files
from itertools import chain
from pathlib import Path

from superneurons.activations.store import write_atomically
from superneurons.report.page.accuracy import accuracy_sections
from superneurons.report.page.answers import answer_sections
from superneurons.report.page.compared import compared_sections
from superneurons.report.page.missing import missing_sections
from superneurons.report.page.neurons import neuron_sections
from superneurons.report.page.opening import opening
from superneurons.report.page.section import contents, placed_section
from superneurons.report.page.setting import setting_sections
from superneurons.report.run import Run
from superneurons.report.svg.markup import Markup, joined, tag

__all__ = ["report_html", "write_report"]

# Nothing is fetched, sent, framed or submitted, whatever a run holds.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_PARTS = (
    neuron_sections, accuracy_sections, answer_sections, compared_sections, missing_sections,
    setting_sections,
)  # fmt: skip


def report_html(run: Run) -> str:
    """Return a run as a page that needs nothing else: no network, no other file.

    Parameters
    ----------
    run
        What was found. What it didn't measure is left out, with a line that says so.

    Returns
    -------
    str
        HTML; all text of the run is escaped, and only JPEGs in ``data:`` URIs are shown.
    """
    sections = list(chain.from_iterable(part(run) for part in _PARTS))
    body = tag(
        "body",
        tag("button", "Theme", type="button", class_="theme", title="auto, light, dark"),
        opening(run),
        contents(sections),
        tag("main", *map(placed_section, sections)),
        tag("div", class_="tip", hidden=True),
        tag("script", _asset("script.js")),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(run), body, lang='en')}\n"


def _head(run: Run) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{run.title} – superneurons {run.kind}"),
        tag("style", _asset("style.css")),
    )


def _asset(name: str) -> Markup:
    content = files("superneurons.report.page").joinpath(name).read_text(encoding="utf-8")
    return joined(Markup(content))


def write_report(run: Run, path: Path) -> None:
    """Write a run as a page; the file is there whole or not at all.

    Parameters
    ----------
    run
        What was found.
    path
        The file; directories that are missing are made.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    write_atomically(Path(path), report_html(run).encode())
