"""Pictures and requests for tests of the service."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from serve.engines import ShadeEngine
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors

__all__ = ["asking", "b64", "chatted", "picture", "systemone"]


def picture(level: int = 200, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    """A grey picture as a file."""
    file = BytesIO()
    Image.new("RGB", size, (level, level, level)).save(file, kind)
    return file.getvalue()


def b64(data: bytes | None = None) -> str:
    return base64.b64encode(picture() if data is None else data).decode()


def systemone(data: bytes | None = None, **changed: Any) -> dict[str, Any]:
    """A request that a fitted classifier answers; what is given takes the place of its parts."""
    body: dict[str, Any] = {
        "model": "tiny/shades",
        "state": "<img-1>",
        "questions": {"q": {"type": "noul", "instructions": "Is it bright?"}},
        "assets": {"<img-1>": {"data_base64": b64(data)}},
    }
    return body | changed


def chatted(data: bytes | None = None, text: str = "", **changed: Any) -> dict[str, Any]:
    """The same as chat messages."""
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(data)}"}}
    content = [part, {"type": "text", "text": text}] if text else [part]
    return {"model": "bright", "messages": [{"role": "user", "content": content}]} | changed


@contextmanager
def asking(
    engine: ShadeEngine | None = None, doors: Doors | None = None, **more: Any
) -> Iterator[TestClient]:
    """A client of a service in this process; what fails there is answered, not raised here."""
    app = create_app(engine or ShadeEngine(), doors, **more)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
