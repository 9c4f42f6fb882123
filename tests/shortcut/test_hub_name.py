from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import ArtefactError
from superneurons.shortcut.hub_name import HubName, hub_name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("owner/name", HubName("owner/name")),
        ("owner/name@v1.0", HubName("owner/name", "v1.0")),
        ("owner/name@refs/pr/1", HubName("owner/name", "refs/pr/1")),
        (Path("my-org/some_name.v2"), HubName("my-org/some_name.v2")),
        ("owner/name@", HubName("owner/name")),
        ("name", None),
        ("./owner/name", None),
        ("../owner/name", None),
        ("/owner/name", None),
        ("~/name", None),
        ("a/b/c", None),
        ("owner/name with spaces", None),
        ("", None),
        (Path(), None),
    ],
)
def test_what_is_a_name(text: str | Path, found: HubName | None) -> None:
    assert hub_name(text) == found


def test_it_is_written_as_it_is_read() -> None:
    for name in (HubName("owner/name"), HubName("owner/name", "refs/pr/1")):
        assert hub_name(str(name)) == name


def test_what_is_on_disk_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert hub_name("owner/name") is None
    assert hub_name("owner/name@v1") == HubName("owner/name", "v1")


def test_a_revision_said_apart() -> None:
    assert hub_name("owner/name", "v1") == HubName("owner/name", "v1")
    assert hub_name("owner/name@v1", "v1") == HubName("owner/name", "v1")
    with pytest.raises(ArtefactError, match=r"Two revisions .*: 'v1' and 'v2'"):
        hub_name("owner/name@v1", "v2")
