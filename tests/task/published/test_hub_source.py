from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.task.published.hub_source import HubSource, parse_hub


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("hf:lmms-lab/POPE", HubSource("lmms-lab/POPE", None, None, {})),
        ("hf:lmms-lab/POPE@test", HubSource("lmms-lab/POPE", None, "test", {})),
        ("hf:lmms-lab/POPE:Full@random", HubSource("lmms-lab/POPE", "Full", "random", {})),
        ("hf:mnist@train[:10%]", HubSource("mnist", None, "train[:10%]", {})),
        ("hf:/data/my@home/set@train", HubSource("/data/my@home/set", None, "train", {})),
        ("hf:./here:v2@test", HubSource("./here", "v2", "test", {})),
        (r"hf:C:\data\set@test", HubSource(r"C:\data\set", None, "test", {})),
        ("hf:C:/data/set@test", HubSource("C:/data/set", None, "test", {})),
        (
            "hf:a/b@c?image=x,y&label=kind%20of&question=q",
            HubSource("a/b", None, "c", {"image": "x,y", "label": "kind of", "question": "q"}),
        ),
    ],
)
def test_sources(source: str, found: HubSource) -> None:
    assert parse_hub(source) == found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hf:", "cannot be taken apart"),
        ("hf:@train", "cannot be taken apart"),
        ("hf:a/b@train?image=", "cannot be taken apart"),
        ("hf:a/b@train?image=x&image=y", "cannot be taken apart"),
        ("hf:a/b@train?lable=x", "no field 'lable' .did you mean 'label'"),
        ("hf:a/b@train?zzz=x", "no field 'zzz'\\."),
    ],
)
def test_sources_of_another_form_are_refused(source: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        parse_hub(source)
    assert caught.value.where == source
    assert "hf:OWNER/NAME" in (caught.value.mend or "")
