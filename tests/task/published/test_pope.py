from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from published_files import CATEGORIES, POPE, coco_instances, document, lines, picture, pope
from superneurons.errors import DataError
from superneurons.task.published.load import load_published
from superneurons.task.published.pope import asked_for
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
