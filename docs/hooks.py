"""What the site needs beyond its pages: API, changelog, links, and nothing from elsewhere.

`mkdocs build --strict` turns each warning that is logged here into a failure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "api_page",
    "foreign",
    "made",
    "on_config",
    "on_files",
    "on_page_markdown",
    "on_post_page",
    "placed",
    "relinked",
    "rooms",
]

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "superneurons"
_ORDER = (
    "task", "vlm", "activations", "probes", "shortcut", "evaluate", "report", "amplify",
    "scale", "export", "serve", "demo",
)  # fmt: skip
_NO_PAGE = ("cli",)  # the commands have a page of their own, docs/cli.md
_LINK = re.compile(r"\[([^\]]*)\]\((?:\.\./)([^)#]+)(?:#[^)]*)?\)")
_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*?\bhref=[\"']?"
    r"((?:https?:)?//[^\"'\s>]+)"
    r"|(?:url\(|@import\s)[\"']?((?:https?:)?//[^\"')\s]+)"
)
_log = logging.getLogger("mkdocs.hooks.superneurons")


def rooms(source: Path = SOURCE) -> list[str]:
    """Return the packages that get a page, in the order that data walks through them."""
    found = {path.parent.name for path in source.glob("*/__init__.py")} - {*_NO_PAGE}
    return [name for name in _ORDER if name in found] + sorted(found - {*_ORDER})


def api_page(room: str) -> str:
    """Return the page of a room: what it is for, then all its modules."""
    name = f"superneurons.{room}"
    return f"# {room} {{ #{name} }}\n\n::: {name}\n"


def relinked(text: str, *, inside: str = "") -> str:
    """Return a page whose links to files of the repository lead somewhere on the site.

    A module is looked up in the API; of what the site doesn't have, the words stay. ``inside`` is
    the folder that links on this page go through to reach the site's own pages.
    """
    own = re.compile(rf"\]\({re.escape(inside)}([\w./-]+\.md)") if inside else None
    if own:
        text = own.sub(r"](\1", text)
    return _LINK.sub(_elsewhere, text)


def _elsewhere(link: re.Match[str]) -> str:
    words, path = link.groups()
    module = re.fullmatch(r"src/(superneurons/[\w/]+)\.py", path)
    return f"[{words}][{module[1].replace('/', '.')}]" if module else words


def foreign(html: str) -> list[str]:
    """Return the addresses that a browser would load from elsewhere to show this page."""
    return sorted({next(filter(None, found.groups())) for found in _LOADED.finditer(html)})


def placed(nav: Any) -> Iterator[str]:
    """Return the pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from placed(part)


def on_config(config: Any) -> Any:
    """Place a page for each room, one for errors, and pages that nobody has placed."""
    pages: list[Any] = ["api/index.md", *({room: f"api/{room}.md"} for room in rooms())]
    written = {path.name for path in Path(config.docs_dir).glob("*.md")}
    for entry in config.nav:
        if "API" in entry:
            entry["API"] = [*pages, {"errors": "api/errors.md"}]
        elif "How to" in entry:
            entry["How to"] += sorted(written - {*placed(config.nav)})
    return config


def made() -> dict[str, str]:
    """Return the pages that nobody writes by hand: the API and the changelog."""
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    pages = {f"api/{name}.md": api_page(name) for name in [*rooms(), "errors"]}
    return pages | {"changelog.md": relinked(changes, inside="docs/")}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for path, text in made().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Mend links that leave the site."""
    return relinked(markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Warn of anything that a reader's browser would fetch from elsewhere."""
    for address in foreign(output):
        _log.warning("%s: loads %s; keep a copy beside the pages", page.file.src_uri, address)
    return output
