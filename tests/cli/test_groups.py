from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from superneurons.cli.app import app
from superneurons.cli.groups import Group

SENTENCE = "Say something that takes more room than one line of a narrow terminal has to give."


@pytest.fixture
def tool() -> typer.Typer:
    tool = typer.Typer(cls=Group, rich_markup_mode=None)
    tool.command("say", help=f"{SENTENCE}\n\nMore of it.")(lambda: None)
    tool.command("secret", help="Not shown.", hidden=True)(lambda: None)
    tool.command("bare")(lambda: None)
    return tool


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_first_sentence_is_whole_and_keeps_to_the_terminal(
    tool: typer.Typer, width: int
) -> None:
    shown = CliRunner().invoke(tool, ["--help"], terminal_width=width).output
    assert SENTENCE.rstrip(".") in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= width
    assert "bare" in shown
    assert "More of it" not in shown
    assert "secret" not in shown


def groups(group: Any, *names: str) -> list[tuple[str, ...]]:
    inner = {n: c for n, c in group.commands.items() if hasattr(c, "commands")}
    return [names, *(found for n, c in inner.items() for found in groups(c, *names, n))]


@pytest.mark.parametrize("words", groups(get_command(app)), ids=" ".join)
def test_every_help_of_this_program_is_whole(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=80).output
    assert "Commands:" in shown
    assert "..." not in shown.partition("Commands:")[2]
