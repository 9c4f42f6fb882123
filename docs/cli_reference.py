"""Writes docs/cli.md from the program's own commands: ``python docs/cli_reference.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from superneurons.cli.app import app

__all__ = ["PAGE", "commands", "reference"]

PAGE = Path(__file__).with_name("cli.md")
_HEAD = """\
# Command line

<!-- Written by docs/cli_reference.py; a test fails where it differs from what the program says. -->

Results go to standard output, progress and notes to standard error. Exit codes: 0 done; 2 something
to mend, said on standard error; 3 a check found drift; 130 interrupted; 141 whoever read the output
went away (`| head`), and what was to be saved is saved; 1 a defect of this program.
`superneurons --version` says which one it is.
"""
_WORDS = {"Path": "path", "float": "number", "int": "whole number", "str": "text"}


def commands(group: Any = None, name: str = "superneurons") -> Iterator[tuple[str, Any]]:
    """Return each command with all its words: ``superneurons tasks make``."""
    top: Any = group or get_command(app)
    for word, command in top.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        elif not command.hidden:
            yield f"{name} {word}", command


def reference(group: Any = None) -> str:
    """Return the page."""
    found = list(commands(group))
    rows = [
        f"| [`{name.partition(' ')[2]}`](#{_anchor(name)}) | {_first(command)} |"
        for name, command in found
    ]
    contents = "\n".join(["| command | what it does |", "|---|---|", *rows])
    return "\n".join([_HEAD, contents, "", *(_section(*entry) for entry in found)])


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _first(command: Any) -> str:
    return _line(str(command.help).partition("\n\n")[0])


def _line(text: str) -> str:
    """Return a text for a cell of a table; angle brackets would be taken for HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    options = [p for p in command.params if p.opts[0].startswith("-")]
    said = [" ".join(part.split()) for part in str(command.help).split("\n\n")]
    usage = " ".join([name, *map(_usage, arguments), "[OPTIONS]"])
    parts = [f"## {name} {{ #{_anchor(name)} }}", *said, f"```text\n{usage}\n```"]
    if arguments:
        parts.append(_table("argument", [(f"`{_usage(p)}`", p) for p in arguments]))
    parts.append(_table("option", [(_spelling(p), p) for p in options if not p.hidden]))
    return "\n\n".join(parts) + "\n"


def _usage(argument: Any) -> str:
    word = (argument.metavar or argument.name).upper()
    word = word.strip("[]").removesuffix("...").rstrip("].")
    return (word if argument.required else f"[{word}]") + ("…" if argument.nargs != 1 else "")


def _table(kind: str, rows: list[tuple[str, Any]]) -> str:
    lines = [f"| {kind} | what it is |", "|---|---|"]
    lines += [f"| {shown} | {_about(parameter)} |" for shown, parameter in rows]
    return "\n".join(lines)


def _spelling(option: Any) -> str:
    names = sorted(option.opts, key=len, reverse=True) + option.secondary_opts
    return " ".join(f"`{name}`" for name in names)


def _about(parameter: Any) -> str:
    said = [_line(parameter.help or ""), _values(parameter)]
    if parameter.required:
        said.append("**Required.**")
    elif not getattr(parameter, "is_flag", False) and parameter.default not in (None, (), []):
        said.append(f"Default: `{parameter.default}`.")
    elif getattr(parameter, "secondary_opts", None):
        chosen = parameter.opts[0] if parameter.default else parameter.secondary_opts[0]
        said.append(f"Default: `{chosen}`.")
    return " ".join(filter(None, said))


def _values(parameter: Any) -> str:
    """Return what may be given: one of some words, a kind of value, limits."""
    if getattr(parameter, "is_flag", False):
        return ""
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) is Literal:
        return "One of " + ", ".join(f"`{value}`" for value in get_args(kind)) + "."
    kind = (get_args(kind) or (kind,))[0]
    limits = [(parameter.min, "at least"), (parameter.max, "at most")]
    said = ", ".join(f"{word} {limit}" for limit, word in limits if limit is not None)
    name = _WORDS.get(getattr(kind, "__name__", ""), "")
    if parameter.multiple:
        name = f"{name}, may be repeated"
    return f"*({', '.join(filter(None, [name, said]))})*" if name != "text" or said else ""


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
