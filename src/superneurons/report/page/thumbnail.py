"""Small pictures that are kept in a run."""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["safe_thumbnail"]

_FORM = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9+/]+={0,2})\Z")
_LONGEST = 65_536
_JPEG = b"\xff\xd8\xff"


def safe_thumbnail(uri: str) -> str | None:
    """Return a thumbnail that is a small JPEG within its own address; ``None`` for all else.

    Anything else could be a document with a script in it, or be fetched from elsewhere.
    """
    found = _FORM.match(uri) if len(uri) <= _LONGEST else None
    if found is None:
        return None
    try:
        content = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None
    return uri if content.startswith(_JPEG) else None
