from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from published_files import picture
from superneurons.errors import DataError
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import published

CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
)
SHOWN = {"2008_000001": ("dog", "person"), "2008_000002": ("tvmonitor",)}
HARD = ("2008_000002", "sofa")


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    for name in SHOWN:
        picture(tmp_path / f"VOC2012/JPEGImages/{name}.jpg")
    for one in CLASSES.split():
        signs = {image: 1 if one in shown else -1 for image, shown in SHOWN.items()}
        if one == HARD[1]:
            signs[HARD[0]] = 0
        path = tmp_path / f"VOC2012/ImageSets/Main/{one}_val.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{image} {sign:2}\n" for image, sign in signs.items()))
    return tmp_path


def test_as_many_are_asked_for_that_are_there_as_that_are_not(voc: Path) -> None:
    records = load_published("pope-voc", voc, "val")
    counts = Counter((r.group, r.label) for r in records)
    assert counts == {
        ("voc/2008_000001", "yes"): 2,
        ("voc/2008_000001", "no"): 2,
        ("voc/2008_000002", "yes"): 1,
        ("voc/2008_000002", "no"): 1,
    }
    there = {r.question for r in records if r.label == "yes"}
    assert there == {f"Is there a {n} in the image?" for n in ("dog", "person", "tv monitor")}


def test_what_is_hard_to_see_is_not_asked_for(voc: Path) -> None:
    for one in CLASSES.split():
        if one not in ("sofa", "tvmonitor", "dog"):
            path = voc / f"VOC2012/ImageSets/Main/{one}_val.txt"
            path.write_text(path.read_text().replace("2008_000002 -1", "2008_000002  0"))
    asked = [r.question for r in load_published("pope-voc", voc) if r.group == "voc/2008_000002"]
    assert asked == ["Is there a tv monitor in the image?", "Is there a dog in the image?"]


def test_a_line_that_is_no_sign_is_said_by_its_place(voc: Path) -> None:
    path = voc / "VOC2012/ImageSets/Main/cat_val.txt"
    path.write_text(path.read_text() + "2008_000003\n")
    with pytest.raises(DataError, match=r"cat_val\.txt:3: must be a picture and 1, 0 or -1"):
        load_published("pope-voc", voc)
    with pytest.warns(UserWarning, match="left out are 1 row"):
        assert len(load_published("pope-voc", voc, skip_bad=True)) == 6


def test_every_list_that_is_missing_is_said(voc: Path) -> None:
    assert len(published()["pope-voc"].splits["val"].needs) == 21
    for one in ("cat", "dog"):
        (voc / f"VOC2012/ImageSets/Main/{one}_val.txt").unlink()
    with pytest.raises(DataError) as caught:
        load_published("pope-voc", voc)
    assert [p.where.rsplit("/", 1)[1] for p in caught.value.problems] == [
        "cat_val.txt",
        "dog_val.txt",
    ]
