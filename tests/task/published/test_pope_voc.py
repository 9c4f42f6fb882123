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


def test_three_of_each_at_most_and_as_many_of_either(voc: Path) -> None:
    main = voc / "VOC2012/ImageSets/Main"
    for one in ("cat", "cow", "car"):
        path = main / f"{one}_val.txt"
        path.write_text(path.read_text().replace("2008_000001 -1", "2008_000001  1"))
    records = load_published("pope-voc", voc)
    counts = Counter((r.group, r.label) for r in records)
    assert counts["voc/2008_000001", "yes"] == counts["voc/2008_000001", "no"] == 3
    shown = {f"Is there a {n} in the image?" for n in ("cat", "cow", "car", "dog", "person")}
    first = [r for r in records if r.group == "voc/2008_000001"]
    assert {r.question for r in first if r.label == "yes"} < shown
    assert not {r.question for r in first if r.label == "no"} & shown
    assert len({r.id for r in records}) == len(records)


def test_the_draw_is_the_same_whatever_the_order_of_the_lists(voc: Path) -> None:
    first = load_published("pope-voc", voc)
    for path in (voc / "VOC2012/ImageSets/Main").iterdir():
        path.write_text("\n\n".join(reversed(path.read_text().splitlines())))
    assert load_published("pope-voc", voc) == first


def test_a_missing_picture_is_missed_by_all_its_questions(voc: Path) -> None:
    first = load_published("pope-voc", voc)
    (voc / "VOC2012/JPEGImages/2008_000001.jpg").unlink()
    with pytest.warns(UserWarning, match="4 records without pictures"):
        rest = load_published("pope-voc", voc, skip_bad=True)
    assert rest == [r for r in first if r.group == "voc/2008_000002"]
