from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from published_files import MHALU, document, mhalubench, picture
from superneurons.errors import DataError
from superneurons.task.published.load import load_published

ASKED = "Is the Claim hallucinating? Answer the question with Yes or No."


def test_each_claim_is_asked_for(tmp_path: Path) -> None:
    records = load_published("mhalubench", mhalubench(tmp_path), "train")
    assert [(r.question, r.label) for r in records] == [
        (f"Claim:The laptop is a Toshiba. {ASKED}", "yes"),
        (f"Claim:Toshiba is a company. {ASKED}", "no"),
        (f"Claim:A dog sleeps. {ASKED}", "no"),
    ]
    assert [r.group for r in records] == ["mhalubench/a.jpg"] * 2 + ["mhalubench/b.jpg"]
    assert records[1].id == "MHaluBench_train.json:1:2"


def test_pictures_are_found_by_name_in_either_folder_or_where_they_are_said_to_be(
    tmp_path: Path,
) -> None:
    mhalubench(tmp_path)
    (tmp_path / "data/image-to-text/a.jpg").unlink()
    given = picture(tmp_path / "TextVQA/train_images/a.jpg")
    assert load_published("mhalubench", tmp_path, "train")[0].images == (given,)
    drawn = picture(tmp_path / "data/text-to-image/a.jpg")
    assert load_published("mhalubench", tmp_path, "train")[0].images == (drawn,)


def test_a_picture_that_is_nowhere_is_looked_for_in_the_download(tmp_path: Path) -> None:
    mhalubench(tmp_path)
    (tmp_path / "data/image-to-text/a.jpg").unlink()
    with pytest.raises(DataError, match=r"data/image-to-text/: 1 picture missing: a\.jpg; from"):
        load_published("mhalubench", tmp_path, "train")


def test_whole_responses_are_read_where_there_are_no_claims(tmp_path: Path) -> None:
    mhalubench(tmp_path)
    rows = [
        {"image_path": "/x/a.jpg", "response": "A cat.", "label": "hallucination"},
        {"image_path": "/x/b.jpg", "response": "A dog.", "label": "non-hallucination"},
        {"image_path": "/x/b.jpg", "response": "A dog.", "label": "unsure"},
    ]
    document(tmp_path / "MHaluBench_val-v0.1.json", rows[:2])
    records = load_published("mhalubench", tmp_path)
    assert [(r.question, r.label, r.id) for r in records] == [
        (f"Claim:A cat.. {ASKED}", "yes", "MHaluBench_val-v0.1.json:1"),
        (f"Claim:A dog.. {ASKED}", "no", "MHaluBench_val-v0.1.json:2"),
    ]
    document(tmp_path / "MHaluBench_val-v0.1.json", rows)
    with pytest.raises(DataError, match=r"v0\.1\.json:3: 'label' must be 'hallucination' or"):
        load_published("mhalubench", tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ref_claim_label": ["hallucination"]}, "lists of one length"),
        ({"claim_list": ["A", 5]}, "'claim_list' must hold texts only"),
        ({"ref_claim_label": ["hallucination", "no"]}, "'ref_claim_label' must hold"),
        ({"image_path": None}, "'image_path' must be text"),
    ],
)
def test_a_row_whose_lists_do_not_fit_is_said(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    mhalubench(tmp_path, [MHALU[1], MHALU[0] | changed])
    with pytest.raises(DataError) as caught:
        load_published("mhalubench", tmp_path, "train")
    assert [p.where for p in caught.value.problems] == ["MHaluBench_train.json:2"]
    assert said in caught.value.problems[0].what


def test_every_claim_is_missed_that_has_no_picture(tmp_path: Path) -> None:
    mhalubench(tmp_path)
    (tmp_path / "data/image-to-text/a.jpg").unlink()
    with pytest.warns(UserWarning, match="2 records without pictures"):
        (record,) = load_published("mhalubench", tmp_path, "train", skip_bad=True)
    assert "A dog sleeps" in record.question


def test_claims_keep_their_own_answers_and_numbers(tmp_path: Path) -> None:
    turned = MHALU[0] | {
        "claim_list": MHALU[0]["claim_list"][::-1],
        "ref_claim_label": [f" {label} " for label in MHALU[0]["ref_claim_label"][::-1]],
    }
    records = load_published("mhalubench", mhalubench(tmp_path, [turned, MHALU[1]]), "train")
    assert [(r.id.rsplit(":", 1)[1], r.label) for r in records] == [
        ("1", "no"), ("2", "yes"), ("1", "no")
    ]  # fmt: skip
    assert records[0].group == records[1].group != records[2].group
