"""The bearer token: where it comes from, and whether a request has it."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from superneurons.errors import DataError

__all__ = ["ENVIRONMENT", "has_token", "read_token"]

ENVIRONMENT = "SUPERNEURONS_TOKEN"
"""The environment variable that may hold the token."""


def read_token(file: Path | None) -> str | None:
    """Read the token from a file, or else from the environment.

    Not from the command line: other users of a machine see that.

    Returns
    -------
    str or None
        Without the white space around it; ``None`` where there is neither.

    Raises
    ------
    DataError
        When the file cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get(ENVIRONMENT, "").strip() or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"The token cannot be read: {error}", where=str(file), mend="Give a text file."
        ) from error
    if not token:
        raise DataError("The file with the token is empty.", where=str(file), mend="Write one.")
    return token


def has_token(header: bytes | None, token: str) -> bool:
    """Whether an ``Authorization`` header has the token; takes as long for any wrong one.

    Examples
    --------
    >>> has_token(b"Bearer secret", "secret"), has_token(b"Bearer secreT", "secret")
    (True, False)
    """
    scheme, _, given = (header or b"").partition(b" ")
    right = hmac.compare_digest(given.strip(), token.encode())
    return right and scheme.lower() == b"bearer"
