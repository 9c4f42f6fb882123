"""What a group of commands says of each."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["Group"]

_WHOLE = 1000


class Group(TyperGroup):
    """A group whose help has the whole first sentence of each command, on as many lines as needed.

    Typer's own cuts it off after one.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, each with its first sentence."""
        commands: list[Any] = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (command.name, command.get_short_help_str(_WHOLE))
                    for command in commands
                    if not command.hidden
                ]
            )
