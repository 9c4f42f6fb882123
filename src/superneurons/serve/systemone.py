"""``POST /v1/systemone``: typed questions about a state and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from superneurons.errors import DataError, Problem
from superneurons.serve.asked import Plan
from superneurons.serve.describing import posts
from superneurons.serve.jobs import Answer
from superneurons.serve.questions import answer_said, questions_asked
from superneurons.serve.reader import validated
from superneurons.serve.routing import Routing
from superneurons.serve.schemas import SystemOneAnswer, SystemOneRequest
from superneurons.serve.service import Service
from superneurons.serve.telling import details

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/v1/systemone", **posts(SystemOneRequest, SystemOneAnswer))
    async def systemone(request: Request, explain: bool = False) -> JSONResponse:
        """Answer typed questions about a state and its pictures with a probability per option."""
        brief = "return=minimal" in request.headers.get("prefer", "").replace(" ", "").lower()

        def understand(body: Any) -> Plan:
            return _plan(body, service.routing, explain=explain, brief=brief)

        return JSONResponse(await service.ask(request, understand))

    return routes


def _plan(body: Any, routing: Routing, *, explain: bool, brief: bool) -> Plan:
    asked = validated(SystemOneRequest, body)
    questions = questions_asked(asked, routing)
    sources = _sources(asked)

    def reply(answers: Sequence[Answer]) -> dict[str, Any]:
        named = list(zip(asked.questions.items(), questions, answers, strict=True))
        body = {
            "model": routing.base_model if asked.model is None else asked.model,
            "answers": {name: answer_said(q, one, answer) for (name, q), one, answer in named},
            "usage": {"input_tokens": sum(a.input_tokens for a in answers), "output_tokens": 0},
        }
        told = {name: details(one, answer) for (name, _), one, answer in named}
        return body if brief else body | {"superneurons": told}

    return Plan(questions, sources, reply, explain)


def _sources(asked: SystemOneRequest) -> dict[str, str]:
    sources, problems = {}, []
    for name, asset in asked.assets.items():
        if (asset.data_base64 is None) == (asset.url is None):
            problems.append(Problem(f"assets.{name}", "needs one of data_base64 and url"))
        sources[f"assets.{name}"] = str(asset.data_base64 or asset.url or "")
    if problems:
        raise DataError("Some assets are no pictures.", problems=problems, mend="Mend these.")
    return sources
