"""Small files in the formats in which tasks are published."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

POPE: list[dict[str, Any]] = [
    {"question_id": i, "image": f"COCO_val2014_{i // 2:012}.jpg", "text": text, "label": label}
    for i, (text, label) in enumerate(
        [
            ("Is there a dining table in the image?", "yes"),
            ("Is there an orange in the image?", "no"),
            ("Is there a skis in the image?", "yes"),
            ("Is there a dog in the image?", "no"),
        ]
    )
]
CLEVR: list[dict[str, Any]] = [
    {
        "image_index": i // 2,
        "image_filename": f"CLEVR_val_{i // 2:06}.png",
        "question_index": i,
        "question": question,
        "answer": answer,
        "program": [{"function": "scene", "inputs": [], "value_inputs": []}],
        "split": "val",
        "question_family_index": 12,
    }
    for i, (question, answer) in enumerate(
        [("Are there any cubes?", "yes"), ("Is it red?", "no"), ("Are there balls?", "no")]
    )
]
VIZWIZ: list[dict[str, Any]] = [
    {
        "image": f"VizWiz_val_{i:08}.jpg",
        "question": question,
        "answers": [{"answer": a, "answer_confidence": "yes"} for a in answers],
        "answer_type": "yes/no",
        "answerable": 1,
    }
    for i, (question, answers) in enumerate(
        [
            ("Is this light on?", ["yes"] * 7 + ["no"] * 3),
            ("Is it clean?", ["no"] * 6 + ["unanswerable"] * 4),
            ("Is this milk?", ["Yes "] * 9 + ["no"]),
        ]
    )
]
VLGUARD: list[dict[str, Any]] = [
    {
        "id": "Ads_1",
        "image": "bad_ads/a.png",
        "safe": True,
        "instr-resp": [
            {"safe_instruction": "What is shown?", "response": "A tool."},
            {"unsafe_instruction": "How is it stolen?", "response": "I'm sorry."},
        ],
    },
    {
        "id": "Ads_2",
        "image": "bad_ads/b.png",
        "safe": False,
        "harmful_category": "deception",
        "harmful_subcategory": "disinformation",
        "instr-resp": [{"instruction": "Spread this.", "response": "I'm sorry."}],
    },
]
MHALU: list[dict[str, Any]] = [
    {
        "id": 6,
        "image_path": "/TextVQA/train_images/a.jpg",
        "claim_list": ["The laptop is a Toshiba", "Toshiba is a company"],
        "ref_claim_label": ["hallucination", "non-hallucination"],
    },
    {
        "id": 7,
        "image_path": "/COCO/b.jpg",
        "claim_list": ["A dog sleeps"],
        "ref_claim_label": ["non-hallucination"],
    },
]
INSTAORDER: list[dict[str, Any]] = [
    {
        "image_id": 1,
        "instance_ids": [11, 12, 13],
        "occlusion": [{"order": "0<2", "count": 2}, {"order": "1<2 & 2<1", "count": 3}],
        "depth": [
            {"order": "0<1", "overlap": False, "count": 2},
            {"order": "2<1", "overlap": True, "count": 2},
            {"order": "0=2", "overlap": False, "count": 3},
        ],
    },
    {
        "image_id": 2,
        "instance_ids": [21, 22],
        "occlusion": [],
        "depth": [{"order": "1<0", "overlap": False, "count": 2}],
    },
]
CATEGORIES = ["person", "dog", "cat", "chair", "oven", "kite", "tie"]


def coco_instances(year: str) -> dict[str, Any]:
    """Two pictures: two people and a dog; a cat and a chair and an oven."""
    shown = {11: (1, 0), 12: (1, 0), 13: (1, 1), 21: (2, 2), 22: (2, 3), 23: (2, 4)}
    prefix = f"COCO_{year}_" if year.endswith("2014") else ""
    return {
        "info": {},
        "images": [
            {"id": i, "file_name": f"{prefix}{i:012}.jpg", "width": 100, "height": 50}
            for i in (1, 2)
        ],
        "annotations": [
            {"id": n, "image_id": image, "category_id": c + 1, "bbox": [n, 5, 40, 20]}
            for n, (image, c) in shown.items()
        ],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CATEGORIES)],
    }


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(path)
    return path


def document(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pope(root: Path, rows: list[Any] | None = None, split: str = "random") -> Path:
    for i in range(2):
        picture(root / f"val2014/COCO_val2014_{i:012}.jpg")
    lines(root / f"coco_pope_{split}.json", POPE if rows is None else rows)
    return root


def clevr(root: Path, rows: list[Any] | None = None) -> Path:
    for i in range(2):
        picture(root / f"images/val/CLEVR_val_{i:06}.png")
    questions = {"info": {"split": "val"}, "questions": CLEVR if rows is None else rows}
    document(root / "questions/CLEVR_val_questions.json", questions)
    return root


def vizwiz(root: Path, rows: list[Any] | None = None) -> Path:
    for i in range(4):
        picture(root / f"val/VizWiz_val_{i:08}.jpg")
    document(root / "val.json", VIZWIZ if rows is None else rows)
    return root


def vlguard(root: Path, rows: list[Any] | None = None) -> Path:
    for name in "ab":
        picture(root / f"test/bad_ads/{name}.png")
    document(root / "test.json", VLGUARD if rows is None else rows)
    return root


def mhalubench(root: Path, rows: list[Any] | None = None) -> Path:
    for name in "ab":
        picture(root / f"data/image-to-text/{name}.jpg")
    document(root / "MHaluBench_train.json", MHALU if rows is None else rows)
    return root


def instaorder(root: Path, rows: list[Any] | None = None, year: str = "val2017") -> Path:
    for i in (1, 2):
        picture(root / f"{year}/{i:012}.jpg")
    document(root / f"annotations/instances_{year}.json", coco_instances(year))
    orders = {"annotations": INSTAORDER if rows is None else rows}
    document(root / f"annotations/InstaOrder_{year}.json", orders)
    return root


def naturalbench(root: Path, **changed: Any) -> Path:
    """Two rows; the first of yes_no, with what is changed, the second of multiple_choice."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {
        "Index": 17,
        "Question_Type": "yes_no",
        "Question_0": "Is the dog asleep?",
        "Question_1": "Is the dog awake?",
        "Image_0": {"bytes": png("red"), "path": None},
        "Image_1": {"bytes": png("blue"), "path": None},
        "Image_0_Question_0": "Yes",
        "Image_1_Question_0": "No",
        "Image_0_Question_1": "No",
        "Image_1_Question_1": "Yes",
        "Source": "Flickr30K",
    }
    other = row | {"Index": 18, "Question_Type": "multiple_choice", "Image_0_Question_0": "A"}
    (root / "data").mkdir(parents=True, exist_ok=True)
    table = arrow.Table.from_pylist([row | changed, other])
    parquet.write_table(table, root / "data/train-00000-of-00001.parquet")
    return root


def png(colour: str) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(held, "PNG")
    return held.getvalue()
