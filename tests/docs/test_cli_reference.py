"""The page of commands, as the program says them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cli_reference
import typer
from typer.main import get_command
from typer.testing import CliRunner

from superneurons.cli.app import app

toy = typer.Typer(add_completion=False)
inner = typer.Typer()
toy.add_typer(inner, name="inner")


@toy.command("run")
def run(
    source: Path,
    pictures: Annotated[list[str] | None, typer.Argument(help="More | of them.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where <to>.")] = Path("here"),
    n: Annotated[int | None, typer.Option(min=2, max=9)] = None,
    share: Annotated[float, typer.Option(help="How much.")] = 0.5,
    kind: Annotated[Literal["a", "b"], typer.Option()] = "b",
    fast: Annotated[bool, typer.Option(help="Hurry.")] = True,
    secret: Annotated[str, typer.Option(hidden=True)] = "",
    word: Annotated[list[str] | None, typer.Option()] = None,
) -> None:
    """Run it.

    More is
    said here.
    """


@inner.command("stop")
def stop(why: Annotated[str, typer.Option()]) -> None:
    """Stop it."""


@inner.command("hidden", hidden=True)
def hidden() -> None:
    """Not to be seen."""


PAGE = cli_reference.reference(get_command(toy))


def row(option: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{option}`"))


def test_the_page_is_what_the_program_says() -> None:
    said = cli_reference.PAGE.read_text(encoding="utf-8")
    assert said == cli_reference.reference(), "Run: python docs/cli_reference.py"


def test_every_option_that_help_shows_is_on_the_page() -> None:
    page = cli_reference.reference()
    for name, command in cli_reference.commands():
        section = page.split(f"\n## {name} {{")[1].split("\n## ")[0]
        help_text = CliRunner().invoke(app, [*name.split()[1:], "--help"]).output
        for option in command.params:
            shown = option.opts[0]
            if shown.startswith("--"):
                assert shown in help_text
                assert f"`{shown}`" in section


def test_commands_of_a_group_have_all_their_words_and_hidden_ones_no_section() -> None:
    assert [name for name, _ in cli_reference.commands(get_command(toy))] == [
        "superneurons run",
        "superneurons inner stop",
    ]
    assert "## superneurons inner stop { #superneurons-inner-stop }" in PAGE
    assert "[`inner stop`](#superneurons-inner-stop) | Stop it. |" in PAGE
    assert "Not to be seen" not in PAGE


def test_what_a_command_does_is_said_in_whole_paragraphs() -> None:
    assert "\n\nRun it.\n\nMore is said here.\n\n" in PAGE
    assert "superneurons run SOURCE [PICTURES]… [OPTIONS]" in PAGE


def test_options_say_what_may_be_given() -> None:
    assert row("--n") == "| `--n` | *(whole number, at least 2, at most 9)* |"
    assert row("--kind") == "| `--kind` | One of `a`, `b`. Default: `b`. |"
    assert row("--share") == "| `--share` | How much. *(number)* Default: `0.5`. |"
    assert row("--fast") == "| `--fast` `--no-fast` | Hurry. Default: `--fast`. |"
    assert row("--why") == "| `--why` | **Required.** |"
    assert row("--word") == "| `--word` | *(text, may be repeated)* |"
    assert "secret" not in PAGE


def test_no_help_text_breaks_the_table() -> None:
    assert row("--out") == "| `--out` `-o` | Where &lt;to>. *(path)* Default: `here`. |"
    assert row("[PICTURES]…").startswith("| `[PICTURES]…` | More \\| of them. ")
