"""The bearer token."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.asking import asking, systemone
from superneurons.errors import DataError
from superneurons.serve.auth import ENVIRONMENT, has_token, read_token
from superneurons.serve.doors import Doors


@pytest.mark.parametrize(
    ("header", "right"),
    [
        (b"Bearer s3cret", True),
        (b"bearer s3cret", True),
        (b"Bearer  s3cret", True),
        (b"Bearer s3cre", False),
        (b"Bearer s3crets", False),
        (b"Basic s3cret", False),
        (b"s3cret", False),
        (b"Bearer", False),
        (b"Bearer \xff\xfe", False),
        (b"", False),
        (None, False),
    ],
)
def test_only_the_token_itself_is_right(header: bytes | None, right: bool) -> None:
    assert has_token(header, "s3cret") is right


def test_the_token_is_read_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(ENVIRONMENT, " from-there ")
    assert read_token(None) == "from-there"
    file = tmp_path / "token"
    file.write_text("from-here\n")
    assert read_token(file) == "from-here"
    file.write_text("\n")
    with pytest.raises(DataError, match="empty"):
        read_token(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_token(tmp_path / "nowhere")


def test_everything_but_health_needs_the_token() -> None:
    right = {"Authorization": "Bearer s3cret"}
    with asking(doors=Doors(token="s3cret")) as client:
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
            refused = client.get(path)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert refused.json()["error"]["type"] == "unauthorised"
            assert client.get(path, headers=right).status_code in (200, 404)
        assert client.post("/v1/systemone", json=systemone()).status_code == 401
        assert client.post("/v1/systemone", json=systemone(), headers=right).status_code == 200
        for path in ("/health", "/health/live", "/health/ready"):
            assert client.get(path).status_code == 200
