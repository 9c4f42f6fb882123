from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from published_files import INSTAORDER, coco_instances, document, instaorder
from superneurons.errors import DataError
from superneurons.task.published.load import load_published

FIRST = "person at position [0.11, 0.10, 0.51, 0.50]"
SECOND = "person at position [0.12, 0.10, 0.52, 0.50]"
ENDING = "Answer the question using a single word."


def asked(root: Path, task: str) -> dict[str, str | None]:
    return {r.question: r.label for r in load_published(f"instaorder-{task}", root)}


def test_who_hides_whom_is_asked_of_every_ordered_pair(tmp_path: Path) -> None:
    questions = asked(instaorder(tmp_path), "occlusion")
    assert questions == {
        f"Is the {one} obstructing the {other}? {ENDING}": label
        for one, other, label in [
            (FIRST, SECOND, "no"),
            (FIRST, "dog", "yes"),
            (SECOND, FIRST, "no"),
            (SECOND, "dog", "yes"),
            ("dog", FIRST, "no"),
            ("dog", SECOND, "yes"),
            ("cat", "chair", "no"),
            ("chair", "cat", "no"),
        ]
    }


def test_who_is_nearer_is_asked_once_of_each_pair(tmp_path: Path) -> None:
    questions = asked(instaorder(tmp_path), "depth")
    assert questions == {
        f"Is the {one} in front of the {other} from the viewer's perspective? {ENDING}": label
        for one, other, label in [
            (FIRST, SECOND, "yes"),
            (SECOND, "dog", "no"),
            (FIRST, "dog", "no"),
            ("cat", "chair", "no"),
        ]
    }


def test_an_object_that_is_not_asked_about_makes_another_ambiguous(tmp_path: Path) -> None:
    instaorder(tmp_path, [INSTAORDER[0] | {"instance_ids": [11, 13], "depth": [{"order": "0<1"}]}])
    (question,) = asked(tmp_path, "depth")
    assert FIRST in question


def test_records_of_a_picture_are_one_group(tmp_path: Path) -> None:
    records = load_published("instaorder-depth", instaorder(tmp_path))
    assert [r.group for r in records] == ["coco/000000000001"] * 3 + ["coco/000000000002"]
    assert records[1].id == "annotations/InstaOrder_val2017.json:1:1-2"
    assert records[0].images == (tmp_path / "val2017/000000000001.jpg",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image_id": 9}, "'image_id' must be one of COCO's pictures, not 9"),
        ({"instance_ids": [11, 21, 13]}, "'instance_ids' must be objects of picture 1"),
        ({"instance_ids": "11"}, "'instance_ids' must be a list, not '11'"),
        ({"depth": [{"order": "0>1"}]}, "'depth' must hold orders such as '0<1' of 3 objects, not"),
        ({"depth": [{"order": "0<3"}]}, "not '0<3'"),
        ({"depth": [{"order": "1<1"}]}, "not '1<1'"),
        ({"depth": {"order": "0<1"}}, "but is no list"),
    ],
)
def test_a_row_that_fits_no_picture_is_said(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    instaorder(tmp_path, [INSTAORDER[1], INSTAORDER[0] | changed])
    with pytest.raises(DataError) as caught:
        load_published("instaorder-depth", tmp_path)
    (problem,) = caught.value.problems
    assert problem.where == "annotations/InstaOrder_val2017.json:2"
    assert said in problem.what


def test_instances_that_are_not_cocos_are_refused(tmp_path: Path) -> None:
    instaorder(tmp_path)
    found = coco_instances("val2017")
    path = tmp_path / "annotations/instances_val2017.json"
    document(path, found | {"annotations": [{"id": 1}]})
    with pytest.raises(DataError, match="An entry is not as in COCO's instance annotations"):
        load_published("instaorder-depth", tmp_path)
    del found["categories"]
    document(path, found)
    with pytest.raises(DataError, match="Not a JSON object with 'categories'"):
        load_published("instaorder-depth", tmp_path)


PAIRS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2)).filter(lambda pair: pair[0] != pair[1]),
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PAIRS, st.sampled_from("<="))
def test_answers_follow_from_the_orders(
    tmp_path: Path, pairs: list[tuple[int, int]], sign: str
) -> None:
    changed = {
        "occlusion": [{"order": f"{i}<{j}"} for i, j in pairs],
        "depth": [{"order": f"{i}{sign}{j}"} for i, j in pairs],
    }
    instaorder(tmp_path, [INSTAORDER[0] | changed, INSTAORDER[1]])
    hidden = load_published("instaorder-occlusion", tmp_path)
    yes = {r.id.rsplit(":", 1)[1] for r in hidden if r.label == "yes"}
    assert yes == {f"{i}-{j}" for i, j in pairs}
    assert len(hidden) == 3 * 2 + 2
    near = load_published("instaorder-depth", tmp_path)[:-1]
    assert [r.id.rsplit(":", 1)[1] for r in near] == [f"{min(p)}-{max(p)}" for p in pairs]
    assert [r.label for r in near] == ["yes" if sign == "<" and i < j else "no" for i, j in pairs]


@pytest.mark.parametrize(
    ("kind", "order"), [("depth", "0<1 & 1<0"), ("occlusion", "0=1"), ("occlusion", "0<1 & 1=0")]
)
def test_an_order_that_contradicts_itself_is_said(tmp_path: Path, kind: str, order: str) -> None:
    """It would be two records with one name, one answered "yes" and the other "no"."""
    instaorder(tmp_path, [INSTAORDER[0] | {kind: [{"order": order}]}, INSTAORDER[1]])
    with pytest.raises(DataError, match=f"not '{order}'"):
        load_published(f"instaorder-{kind}", tmp_path)


@pytest.mark.parametrize("task", ["occlusion", "depth"])
def test_every_record_has_a_name_of_its_own(tmp_path: Path, task: str) -> None:
    records = load_published(f"instaorder-{task}", instaorder(tmp_path))
    assert len({r.id for r in records}) == len(records)


def test_corners_are_shares_of_width_and_height(tmp_path: Path) -> None:
    """Left and right of the width, top and bottom of the height: a wide picture tells them."""
    instaorder(tmp_path)
    found = coco_instances("val2017")
    for image in found["images"]:
        image |= {"width": 400, "height": 80}
    found["annotations"][0]["bbox"] = [100, 8, 200, 56]
    document(tmp_path / "annotations/instances_val2017.json", found)
    place = "[0.25, 0.10, 0.75, 0.80]"
    assert any(f"person at position {place}" in question for question in asked(tmp_path, "depth"))


def test_a_row_without_orders_has_no_depth_questions_but_all_others(tmp_path: Path) -> None:
    instaorder(tmp_path, [INSTAORDER[1] | {"depth": []}, INSTAORDER[0]])
    assert len(load_published("instaorder-depth", tmp_path)) == 3
    assert len(load_published("instaorder-occlusion", tmp_path)) == 6 + 2


def test_train_is_read_from_its_own_files(tmp_path: Path) -> None:
    instaorder(tmp_path, year="train2017")
    records = load_published("instaorder-occlusion", tmp_path, "train")
    assert records[0].images == (tmp_path / "train2017/000000000001.jpg",)
    assert records[0].id.startswith("annotations/InstaOrder_train2017.json:1:")
