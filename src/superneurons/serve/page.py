"""``GET /``: a page to try it on."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from superneurons.serve.service import Service

__all__ = ["page", "policy", "router"]


def router(_service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    async def shown() -> HTMLResponse:
        """Return the page."""
        headers = {
            "Content-Security-Policy": policy(),
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }
        return HTMLResponse(page(), headers=headers)

    return routes


@cache
def _part(name: str) -> str:
    return (files("superneurons.serve") / name).read_text(encoding="utf-8")


@cache
def page() -> str:
    """Return the page as HTML: all of it, since it asks nobody for anything else.

    There is nothing in it but what was written for it: what a service says is put there by the
    page's script, as text.
    """
    html = _part("page.html")
    return html.replace("{css}", _part("page.css")).replace("{js}", _part("page.js"))


@cache
def policy() -> str:
    """Return what the browser may do for it: run its own script, and ask this service."""
    script, style = (_source(_part(name)) for name in ("page.js", "page.css"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
