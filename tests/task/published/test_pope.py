from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from published_files import CATEGORIES, POPE, coco_instances, document, lines, picture, pope
from superneurons.errors import DataError
from superneurons.task.published.load import load_published
from superneurons.task.published.pope import asked_for
from superneurons.task.published.registry import find_task
from superneurons.task.record import Record


def test_the_official_file_is_read_as_it_is(tmp_path: Path) -> None:
    records = load_published("pope", pope(tmp_path), "random")
    assert [(r.question, r.label) for r in records] == [(q["text"], q["label"]) for q in POPE]
    assert records[2] == Record(
        (tmp_path / "val2014/COCO_val2014_000000000001.jpg",),
        "Is there a skis in the image?",
        "yes",
        group="coco/000000000001",
        id="coco_pope_random.json:3",
    )


@pytest.mark.parametrize("place", ["output/coco/", "coco/"])
def test_its_repository_and_llavas_layout_are_read_too(tmp_path: Path, place: str) -> None:
    pope(tmp_path)
    (tmp_path / "coco_pope_random.json").unlink()
    lines(tmp_path / place / "coco_pope_random.json", POPE)
    records = load_published("pope", tmp_path, "random")
    assert records[0].id == f"{place}coco_pope_random.json:1"


def test_the_three_ways_to_ask_are_splits(tmp_path: Path) -> None:
    pope(tmp_path, POPE[:1], "popular")
    pope(tmp_path, POPE[1:2], "adversarial")
    assert load_published("pope", tmp_path, "popular")[0].label == "yes"
    assert load_published("pope", tmp_path, "adversarial")[0].label == "no"


def test_a_label_must_be_yes_or_no(tmp_path: Path) -> None:
    pope(tmp_path, [POPE[0], POPE[1] | {"label": "maybe"}])
    with pytest.raises(DataError, match=r"random\.json:2: 'label' must be 'yes' or 'no'"):
        load_published("pope", tmp_path)


def test_questions_to_probe_on_are_made_from_what_is_annotated(tmp_path: Path) -> None:
    found = coco_instances("train2014")
    document(tmp_path / "annotations/instances_train2014.json", found)
    for image in found["images"]:
        picture(tmp_path / "train2014" / image["file_name"])
    records = load_published("pope", tmp_path, "train")
    # the first picture shows two kinds of objects only, too few for POPE
    assert {r.group for r in records} == {"coco/000000000002"}
    assert Counter(r.label for r in records) == {"yes": 3, "no": 3}
    shown = {asked_for(name) for name in ("cat", "chair", "oven")}
    assert {r.question for r in records if r.label == "yes"} == shown
    gone = {asked_for(name) for name in CATEGORIES} - shown
    assert {r.question for r in records if r.label == "no"} < gone
    assert len({r.id for r in records}) == 6
    assert records == load_published("pope", tmp_path, "train")


def annotated(root: Path, shown: dict[int, list[int]], *, backwards: bool = False) -> Path:
    """COCO's train2014 with pictures of these categories, by their place in the list."""
    pairs = [(image, one) for image, ones in shown.items() for one in ones]
    found: dict[str, Any] = {
        "images": [
            {"id": i, "file_name": f"COCO_train2014_{i:012}.jpg", "width": 9, "height": 9}
            for i in shown
        ],
        "annotations": [
            {"id": n, "image_id": image, "category_id": one, "bbox": [0, 0, 1, 1]}
            for n, (image, one) in enumerate(pairs)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES)],
    }
    if backwards:
        found["images"].reverse()
        found["annotations"].reverse()
    document(root / "annotations/instances_train2014.json", found)
    for image in found["images"]:
        picture(root / "train2014" / image["file_name"])
    return root


FOUR = {i: [(i + k) % 7 for k in range(4)] for i in range(1, 15)}


def test_what_a_picture_shows_is_never_asked_for_as_missing(tmp_path: Path) -> None:
    """Of seven kinds four are there: the three others are asked for, and three of the four."""
    records = load_published("pope", annotated(tmp_path, FOUR), "train")
    assert len(records) == 6 * len(FOUR)
    for image, ones in FOUR.items():
        own = [r for r in records if r.group == f"coco/{image:012}"]
        there = {asked_for(CATEGORIES[one]) for one in ones}
        gone = {asked_for(name) for name in CATEGORIES} - there
        assert {r.question for r in own if r.label == "no"} == gone
        yes = {r.question for r in own if r.label == "yes"}
        assert len(yes) == 3
        assert yes < there


def test_a_picture_of_nearly_everything_leaves_too_little_to_ask_for(tmp_path: Path) -> None:
    shown = {1: [0, 1, 2], 2: [0, 1, 2, 3], 3: [0, 1, 2, 3, 4], 4: [0, 1], 5: [6, 6, 6, 6]}
    records = load_published("pope", annotated(tmp_path, shown), "train")
    assert {r.group for r in records} == {"coco/000000000001", "coco/000000000002"}


def test_the_draw_hangs_neither_on_the_order_of_the_file_nor_on_pictures_that_are_gone(
    tmp_path: Path,
) -> None:
    """Everybody gets the same questions."""
    first = load_published("pope", annotated(tmp_path, FOUR), "train")
    assert load_published("pope", annotated(tmp_path, FOUR, backwards=True), "train") == first
    (tmp_path / "train2014/COCO_train2014_000000000003.jpg").unlink()
    with pytest.warns(UserWarning, match="6 records without"):
        rest = load_published("pope", tmp_path, "train", skip_bad=True)
    assert rest == [r for r in first if r.group != "coco/000000000003"]


def test_the_files_authors_counts_are_known() -> None:
    splits = find_task("pope").splits
    assert {name: split.count for name, split in splits.items()} == {
        "train": None, "random": 2910, "popular": 3000, "adversarial": 3000
    }  # fmt: skip


def test_only_the_article_is_put_right() -> None:
    assert asked_for("umbrella") == "Is there an umbrella in the image?"
    assert asked_for("there a dog") == "Is there a there a dog in the image?"


@pytest.mark.parametrize("field", ["image", "text", "label"])
def test_a_question_that_lacks_something_is_said(tmp_path: Path, field: str) -> None:
    row = {k: v for k, v in POPE[1].items() if k != field}
    with pytest.raises(DataError) as caught:
        load_published("pope", pope(tmp_path, [POPE[0], row]))
    assert [str(p) for p in caught.value.problems] == [
        f"coco_pope_random.json:2: {field!r} is missing"
    ]
