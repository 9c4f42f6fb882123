"""Pages that are made, links that lead somewhere, nothing from elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import hooks
import pytest
from mkdocs.config import load_config

import superneurons


@pytest.fixture
def config(docs: Path) -> object:
    return load_config(str(docs.parent / "mkdocs.yml"))


def test_rooms_come_in_the_order_of_the_data_and_new_ones_after_them(tmp_path: Path) -> None:
    for name in ("zoo", "vlm", "task", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "no_package").mkdir()
    assert hooks.rooms(tmp_path) == ["task", "vlm", "zoo"]


def test_every_room_has_a_page_and_a_place(config: dict[str, object]) -> None:
    made = hooks.made()
    nav = hooks.on_config(config)["nav"]
    placed = next(entry["API"] for entry in nav if "API" in entry)
    assert [*map(dict, placed[1:])] == [
        {name: f"api/{name}.md"} for name in [*hooks.rooms(), "errors"]
    ]
    for room in hooks.rooms():
        assert f"::: superneurons.{room}\n" in made[f"api/{room}.md"]
    assert set(hooks.rooms()) >= {"task", "vlm", "activations", "probes", "shortcut", "evaluate"}


def test_a_page_that_nobody_has_placed_ends_the_how_tos(tmp_path: Path) -> None:
    for name in ("index.md", "a.md", "new.md", "also-new.md"):
        (tmp_path / name).touch()
    nav = [{"Start": "index.md"}, {"How to": [{"A": "a.md"}]}, {"API": []}]
    made = hooks.on_config(SimpleNamespace(nav=nav, docs_dir=str(tmp_path))).nav
    assert made[1] == {"How to": [{"A": "a.md"}, "also-new.md", "new.md"]}
    assert list(hooks.placed(made[:2])) == ["index.md", "a.md", "also-new.md", "new.md"]


def test_the_changelog_is_the_repository_s_own() -> None:
    text = hooks.made()["changelog.md"]
    assert text.startswith("# Changelog")
    assert "](pictures.md)" in text
    assert "](docs/" not in text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("[`Family`](../src/superneurons/vlm/family.py)", "[`Family`][superneurons.vlm.family]"),
        ("see [the code](../ARCHITECTURE.md#rooms).", "see the code."),
        ("[one](../a.md) and [two](../b.py)", "one and two"),
        ("[cascades](cascade.md)", "[cascades](cascade.md)"),
        ("[paper](https://arxiv.org/abs/2603.10781)", "[paper](https://arxiv.org/abs/2603.10781)"),
    ],
)
def test_links_that_leave_the_site_are_mended(text: str, mended: str) -> None:
    assert hooks.relinked(text) == mended
    assert hooks.on_page_markdown(text, page=None) == mended


def test_links_from_outside_lose_the_folder_of_the_pages() -> None:
    assert hooks.relinked("[a](docs/a.md#b) [c](c.md)", inside="docs/") == "[a](a.md#b) [c](c.md)"


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://unpkg.com/a.js"></script>',
        "<script async src=//unpkg.com/a.js></script>",
        '<link href="https://fonts.googleapis.com/css" rel="stylesheet">',
        '<link rel="preconnect" href="https://fonts.gstatic.com">',
        '<img alt="" src="http://example.org/a.png">',
        "<style>body { background: url('https://example.org/a.png') }</style>",
        '<style>@import "https://example.org/a.css"</style>',
    ],
)
def test_what_would_be_loaded_from_elsewhere_is_found(
    html: str, caplog: pytest.LogCaptureFixture
) -> None:
    (address,) = hooks.foreign(html)
    assert address.split("//")[1].split("/")[0] in html
    with caplog.at_level(logging.WARNING):
        page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
        assert hooks.on_post_page(html, page=page) == html
    assert f"a.md: loads {address}" in caplog.text


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://arxiv.org/abs/2603.10781">paper</a>',
        '<link rel="canonical" href="https://example.org/">',
        '<script src="assets/a.js"></script><img src="../a.png"><img src="data:image/png;base64,">',
        "<code>url of https://example.org</code>",
    ],
)
def test_links_to_follow_and_own_files_are_no_loads(html: str) -> None:
    assert hooks.foreign(html) == []


def test_the_page_of_the_api_has_every_public_name(docs: Path) -> None:
    text = (docs / "api" / "index.md").read_text(encoding="utf-8")
    for name in superneurons.__all__:
        thing = getattr(superneurons, name)
        assert f"[`{name}`][{thing.__module__}.{name}]" in text
