"""Names for requests and answers."""

from __future__ import annotations

import itertools
import uuid

__all__ = ["new_id"]

_PROCESS = uuid.uuid4().hex
_COUNT = itertools.count(1)


def new_id() -> str:
    """Return a name that no other request has, in this process or another.

    Random once per process, then counted: asking the system for randomness each time takes as
    long as all else that is done for a request.

    Examples
    --------
    >>> new_id() != new_id()
    True
    """
    return f"{_PROCESS}-{next(_COUNT)}"
