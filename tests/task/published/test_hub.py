from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from superneurons.errors import DataError
from superneurons.task.labels import is_multiple_choice
from superneurons.task.read import read_records
from superneurons.task.record import Record

datasets = pytest.importorskip("datasets")

RED, BLUE = (Image.new("RGB", (3, 2), colour) for colour in ("red", "blue"))
TEXT, TEXTS, PICTURE = datasets.Value("string"), [datasets.Value("string")], datasets.Image()
Make = Callable[..., str]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from the network, and from the user's cache."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a dataset as the hub keeps it: ``OWNER/NAME[/CONFIG]/SPLIT-….parquet``."""

    def write(name: str, features: dict[str, Any], *rows: tuple[Any, ...], split: str) -> str:
        columns = {key: [row[i] for row in rows] for i, key in enumerate(features)}
        table = datasets.Dataset.from_dict(columns, datasets.Features(features))
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        table.to_parquet(tmp_path / name / f"{split}-00000-of-00001.parquet")
        return name

    return write


def shown(record: Record) -> list[tuple[int, ...]]:
    return [image.getpixel((0, 0)) for image in record.images]  # type: ignore[union-attr, misc]


POPE = {
    "id": TEXT,
    "question_id": TEXT,
    "question": TEXT,
    "answer": TEXT,
    "image_source": TEXT,
    "image": PICTURE,
    "category": TEXT,
}


def test_pope_needs_no_columns(make: Make) -> None:
    source = "COCO_val2014_000000310196"
    make(
        "lmms-lab/POPE/data",
        POPE,
        ("0", "1", "Is there a snowboard in the image?", "yes", source, RED, "adversarial"),
        ("1", "2", "Is there a car in the image?", "no", source, BLUE, "adversarial"),
        split="test",
    )
    first, second = read_records("hf:lmms-lab/POPE@test")
    assert (first.question, first.label) == ("Is there a snowboard in the image?", "yes")
    assert (second.label, second.options, second.id) == ("no", None, "lmms-lab/POPE@test:2")
    assert first.group == second.group == "coco/000000310196"
    assert shown(first) == [(255, 0, 0)]
    assert [r.label for r in read_records("hf:lmms-lab/POPE@test[:1]")] == ["yes"]


def test_aokvqa_names_the_choice_its_index_points_to(make: Make) -> None:
    features = {
        "image": PICTURE,
        "question_id": TEXT,
        "question": TEXT,
        "choices": TEXTS,
        "correct_choice_idx": datasets.Value("int8"),
        "direct_answers": TEXT,
        "difficult_direct_answer": datasets.Value("bool"),
        "rationales": TEXTS,
    }
    choices = ["skateboarder", "train", "delivery", "cab"]
    rows = [(RED, f"q{i}", "Awaiting what?", choices, i, "[]", False, []) for i in (3, 0, None)]
    make("HuggingFaceM4/A-OKVQA/data", features, *rows[:2], split="validation")
    make("HuggingFaceM4/A-OKVQA/data", features, rows[2], split="test")
    first, second = read_records("hf:HuggingFaceM4/A-OKVQA@validation")
    assert (first.label, first.options, first.id) == ("cab", tuple(choices), "q3")
    assert second.label == "skateboarder"
    [asked] = read_records("hf:HuggingFaceM4/A-OKVQA@test", require_labels=False)
    assert asked.label is None
    with pytest.raises(DataError, match="no 'label'"):
        read_records("hf:HuggingFaceM4/A-OKVQA@test")


def test_scienceqa_leaves_out_what_has_no_picture(make: Make) -> None:
    features = {
        "image": PICTURE,
        "question": TEXT,
        "choices": TEXTS,
        "answer": datasets.Value("int8"),
        "hint": TEXT,
        "lecture": TEXT,
    }
    make(
        "derek-thomas/ScienceQA/data",
        features,
        (None, "Text only?", ["yes", "no"], 0, "", ""),
        (RED, "Which?", ["solid", "liquid", "gas"], 2, "a hint", ""),
        split="train",
    )
    [record] = read_records("hf:derek-thomas/ScienceQA@train")
    assert (record.question, record.label) == ("Which?", "gas")
    assert record.id == "derek-thomas/ScienceQA@train:2"


CARD = """---
configs:
- config_name: Multi-view_Reasoning
  data_files:
  - split: val
    path: Multi-view_Reasoning/val-*
  - split: test
    path: Multi-view_Reasoning/test-*
---
"""


def test_blink_is_asked_as_its_files_are(make: Make) -> None:
    features = {
        "idx": TEXT,
        "question": TEXT,
        "sub_task": TEXT,
        **{f"image_{i}": PICTURE for i in range(1, 5)},
        "choices": TEXTS,
        "answer": TEXT,
        "prompt": TEXT,
    }

    def row(answer: str, *pictures: Any) -> tuple[Any, ...]:
        padded = (*pictures, None, None, None, None)[:4]
        return ("val_1", "Which fits?", "", *padded, ["second", "third"], answer, "long")

    folder = "BLINK-Benchmark/BLINK/Multi-view_Reasoning"
    make(folder, features, row("(B)", RED, BLUE), row("(A)", BLUE), split="val")
    make(folder, features, row("hidden", BLUE), split="test")
    Path("BLINK-Benchmark/BLINK/README.md").write_text(CARD)
    first, second = read_records("hf:BLINK-Benchmark/BLINK:Multi-view_Reasoning@val")
    assert shown(first) == [(255, 0, 0), (0, 0, 255)]
    assert shown(second) == [(0, 0, 255)]
    asked = "Which fits? Select from the following options. (A) second (B) third"
    assert (first.question, first.label, first.options, first.id) == (asked, "B", None, "val_1")
    assert second.label == "A"
    source = "hf:BLINK-Benchmark/BLINK:Multi-view_Reasoning@test"
    [hidden] = read_records(source, require_labels=False)
    assert (hidden.label, hidden.question) == (None, asked)


@pytest.mark.parametrize("owner", ["timm/eurosat-rgb", "timm/oxford-iiit-pet"])
def test_classes_have_their_names_and_one_question(make: Make, owner: str) -> None:
    features = {
        "image": PICTURE,
        "label": datasets.ClassLabel(names=["Forest", "River"]),
        "image_id": TEXT,
    }
    make(f"{owner}/data", features, (RED, 1, "River_7"), (BLUE, 0, "Forest_2"), split="test")
    records = read_records(f"hf:{owner}@test")
    assert [record.label for record in records] == ["River", "Forest"]
    assert all("Answer with the class name." in record.question for record in records)


def test_a_local_directory_with_columns_of_ones_own(make: Make, tmp_path: Path) -> None:
    features = {
        "left": PICTURE,
        "right": PICTURE,
        "kind": datasets.ClassLabel(names=["same", "different"]),
        "asked": TEXT,
    }
    name = make("mine", features, (RED, BLUE, 1, "Same?"), (RED, RED, 0, "Same?"), split="train")
    source = f"hf:{tmp_path / name}@train?image=left,right&label=kind&question=asked"
    records = read_records(source)
    assert [record.label for record in records] == ["different", "same"]
    assert shown(records[0]) == [(255, 0, 0), (0, 0, 255)]
    assert records[0].question == "Same?"
    assert not is_multiple_choice(records)


def test_fields_by_their_own_names_and_one_question_for_all(make: Make) -> None:
    features = {"images": [PICTURE], "label": TEXT, "group": TEXT}
    make("me/mine", features, ([RED, BLUE], "yes", "g1"), ([BLUE], "no", "g2"), split="train")
    records = read_records("hf:me/mine", question="Same?")
    assert [len(record.images) for record in records] == [2, 1]
    assert [record.group for record in records] == ["g1", "g2"]
    assert {record.question for record in records} == {"Same?"}


def test_a_known_datasets_columns_can_be_told_otherwise(make: Make) -> None:
    row = ("0", "1", "Is there a dog?", "yes", "s", RED, "popular")
    make("lmms-lab/POPE/data", POPE, row, split="test")
    [record] = read_records("hf:lmms-lab/POPE@test?label=category&id=id&group=question_id")
    assert (record.label, record.id, record.group) == ("popular", "0", "1")


def test_optional_columns_of_a_mirror_may_be_missing(make: Make) -> None:
    features = {key: POPE[key] for key in ("question", "answer", "image")}
    make("lmms-lab/POPE/data", features, ("Is there a dog?", "no", RED), split="test")
    [record] = read_records("hf:lmms-lab/POPE@test")
    assert (record.label, record.group) == ("no", None)


def test_saved_datasets_with_one_split_and_with_several(tmp_path: Path) -> None:
    features = datasets.Features({"image": PICTURE, "question": TEXT, "label": TEXT})
    one = datasets.Dataset.from_dict(
        {"image": [RED], "question": ["Red?"], "label": ["yes"]}, features
    )
    one.save_to_disk("one")
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk("both")
    for source in ("hf:one", "hf:one@train", f"hf:{tmp_path}/both@test"):
        assert [record.label for record in read_records(source)] == ["yes"]
    with pytest.raises(DataError, match=r"several splits; it has train, test"):
        read_records("hf:both")
    with pytest.raises(DataError, match=r"no split 'val'; it has train, test"):
        read_records("hf:both@val")


def test_several_splits_are_not_guessed_between(make: Make) -> None:
    row = ("0", "1", "Is there a dog?", "yes", "s", RED, "popular")
    for split in ("train", "test"):
        make("some/dataset", POPE, row, split=split)
    with pytest.raises(DataError, match="several splits") as caught:
        read_records("hf:some/dataset")
    assert "hf:some/dataset@" in (caught.value.mend or "")


def test_wrong_splits_configurations_and_columns_are_named(make: Make) -> None:
    row = ("0", "1", "Is there a dog?", "yes", "s", RED, "popular")
    make("some/dataset", POPE, row, split="test")
    with pytest.raises(DataError, match=r"Unknown split .train."):
        read_records("hf:some/dataset@train")
    with pytest.raises(DataError, match=r"BuilderConfig .full. not found"):
        read_records("hf:some/dataset:full@test")
    with pytest.raises(DataError, match=r"no column 'shot' or 'kind'; there are id, question_id"):
        read_records("hf:some/dataset@test?label=kind&image=shot")
    with pytest.raises(DataError, match=r"no 'label' .found 'answer'"):
        read_records("hf:some/dataset@test")


def test_every_row_that_cannot_be_used_is_listed(make: Make) -> None:
    features = {
        "image": PICTURE, "question": TEXT, "choices": TEXTS, "answer": datasets.Value("int8")
    }  # fmt: skip
    make(
        "lmms-lab/ScienceQA/data",
        features,
        (RED, "Which?", ["a", "b"], 2),
        (RED, "Which?", ["a", "b"], 1),
        (RED, None, ["a", "a"], 0),
        split="test",
    )
    with pytest.raises(DataError) as caught:
        read_records("hf:lmms-lab/ScienceQA@test")
    assert [p.where for p in caught.value.problems] == [
        "lmms-lab/ScienceQA@test:1",
        "lmms-lab/ScienceQA@test:3",
        "lmms-lab/ScienceQA@test:3",
    ]
    assert "label '2' is not one of the options 'a', 'b'" in str(caught.value)


def test_offline_is_said_in_plain_words() -> None:
    with pytest.raises(DataError, match="Offline mode is on, and 'nobody/none'") as caught:
        read_records("hf:nobody/none@test")
    assert "HF_HUB_OFFLINE" in (caught.value.mend or "")


def test_a_directory_without_data_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be read as a dataset"):
        read_records("hf:empty@train")


def test_a_source_given_as_a_path_is_read_alike(make: Make) -> None:
    row = ("0", "1", "Is there a dog?", "yes", "s", RED, "popular")
    make("lmms-lab/POPE/data", POPE, row, split="test")
    assert len(read_records(Path("hf:lmms-lab/POPE@test"))) == 1
