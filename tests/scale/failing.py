"""What fails in Ray's processes; imports little, so that they start at once."""

from __future__ import annotations

from superneurons.errors import DataError, Problem


class Fails:
    """Cannot do what is asked."""

    def __call__(self, item: int) -> dict[str, int]:
        problems = [Problem(f"item {item!r}", "is not there")]
        raise DataError("No such thing.", problems=problems, mend="Ask for another.")
