"""What a tool makes up of our description: no defect comes of it, all answers are described."""

from __future__ import annotations

from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from serve.asking import b64
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app

APP = create_app(ShadeEngine())
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
# Whether a question fits a classifier, and base64 is a picture, no schema can say.
BEYOND_SCHEMAS: list[Any] = [checks.positive_data_acceptance]
MADE_UP = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@SCHEMA.parametrize()
@MADE_UP
def test_made_up_requests(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=BEYOND_SCHEMAS)


def test_made_up_questions_about_real_pictures() -> None:
    seen: Counter[int] = Counter()
    for path in ("/v1/systemone", "/classify", "/v1/chat/completions"):

        @given(case=SCHEMA[path]["POST"].as_strategy())
        @MADE_UP
        def ask(case: schemathesis.Case) -> None:
            with_pictures(case.body)
            answer = case.call_and_validate(excluded_checks=BEYOND_SCHEMAS)
            seen[answer.status_code] += 1

        ask()
    assert set(seen) <= {200, 400, 404, 413, 415, 422}
    assert seen[200] >= 5


def with_pictures(body: Any) -> None:
    """Put a picture into a request, where it has a place for one."""
    if not isinstance(body, dict):
        return
    if isinstance(body.get("questions"), dict):
        body["assets"] = {"<img-1>": {"data_base64": b64()}}
        body.pop("model", None)
    if isinstance(body.get("messages"), list):
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64()}"}}
        body["messages"] = [{"role": "user", "content": [picture]}]
        body["model"] = "bright"
