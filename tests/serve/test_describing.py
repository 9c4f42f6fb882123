"""How the service describes itself."""

from __future__ import annotations

import json

from serve.asking import asking


def test_every_reference_is_there_and_every_refusal_has_its_form() -> None:
    with asking() as client:
        made = client.get("/openapi.json").json()
    schemas = made["components"]["schemas"]
    text = json.dumps(made)
    for name in ("SystemOneRequest", "ClassifyRequest", "ChatRequest", "NoulQuestion", "ErrorBody"):
        assert name in schemas
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(schemas)
    for path in ("/v1/systemone", "/classify", "/v1/chat/completions"):
        post = made["paths"][path]["post"]
        assert post["requestBody"]["required"]
        for status in ("400", "401", "404", "408", "413", "415", "422", "429", "503"):
            schema = post["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}
    assert not schemas["SystemOneRequest"]["additionalProperties"]
