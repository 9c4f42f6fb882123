from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import published_files as files
from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.published.probing import probing_records


def asked(image: int, answer: str) -> dict[str, Any]:
    return {
        "image": f"VizWiz_{image:08}.jpg",
        "question": f"Is it {image}?",
        "answers": [{"answer": answer}],
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Thirty questions to probe on, ten of them yes; pictures 0 and 1 are also scored on."""
    rows = [asked(i, "no" if i % 3 else "yes") for i in range(30)]
    files.document(tmp_path / "train.json", rows)
    files.document(tmp_path / "val.json", [asked(0, "yes"), asked(1, "no")])
    for i in range(30):
        files.picture(tmp_path / f"train/VizWiz_{i:08}.jpg")
    return tmp_path


def test_it_is_balanced_and_of_the_wanted_size(root: Path) -> None:
    records = probing_records("vizwiz", root, n=12)
    assert Counter(r.label for r in records) == {"yes": 6, "no": 6}
    assert [r.id for r in records] == sorted((r.id for r in records), key=lambda i: int(i[11:]))


def test_the_seed_decides(root: Path) -> None:
    first = probing_records("vizwiz", root, n=12)
    assert first == probing_records("vizwiz", root, n=12, seed=0)
    assert first != probing_records("vizwiz", root, n=12, seed=1)


def test_pictures_that_are_scored_on_are_left_out(root: Path) -> None:
    with pytest.warns(DataWarning, match="18 records to probe on, not 942"):
        records = probing_records("vizwiz", root)
    assert Counter(r.label for r in records) == {"yes": 9, "no": 9}
    assert not {"vizwiz/VizWiz_00000000.jpg", "vizwiz/VizWiz_00000001.jpg"} & {
        str(r.group) for r in records
    }


def test_files_to_score_on_need_not_be_there(root: Path) -> None:
    (root / "val.json").unlink()
    with pytest.warns(DataWarning, match="20 records to probe on"):
        assert len(probing_records("vizwiz", root, n=100)) == 20


def test_nothing_left_is_refused(root: Path) -> None:
    (root / "val.json").write_text((root / "train.json").read_text())
    with pytest.raises(DataError, match="All pictures of"):
        probing_records("vizwiz", root)


def test_bad_rows_are_left_out_before_drawing(root: Path) -> None:
    (root / "train/VizWiz_00000003.jpg").unlink()
    with pytest.raises(DataError, match="1 picture cannot be found"):
        probing_records("vizwiz", root, n=4)
    with pytest.warns(DataWarning, match="1 record without pictures"):
        records = probing_records("vizwiz", root, n=16, skip_bad=True)
    assert Counter(r.label for r in records) == {"yes": 8, "no": 8}


def test_a_task_without_a_split_to_probe_on_is_refused(tmp_path: Path) -> None:
    files.naturalbench(tmp_path)
    with pytest.raises(DataError, match="has no split to probe on"):
        probing_records("naturalbench", tmp_path)
    assert len(probing_records("naturalbench", tmp_path, "test", n=2)) == 2


def test_splits_that_share_pictures_to_score_on_can_be_drawn_from(tmp_path: Path) -> None:
    files.pope(tmp_path, split="popular")
    files.pope(tmp_path)
    records = probing_records("pope", tmp_path, "random", n=2)
    assert Counter(r.label for r in records) == {"yes": 1, "no": 1}


def test_one_more_than_can_be_shared_out_is_no_shortage(root: Path) -> None:
    assert len(probing_records("vizwiz", root, n=19)) == 18
    with pytest.warns(DataWarning, match="18 records to probe on, not 20"):
        probing_records("vizwiz", root, n=20)


def test_options_that_differ_are_drawn_half_as_many_where_they_are_unrolled(
    tmp_path: Path,
) -> None:
    rows = [
        {
            "split": "train",
            "image_id": i,
            "question_id": f"q{i}",
            "question": "What?",
            "choices": [f"a{i}", f"b{i}", f"c{i}", f"d{i}"],
            "correct_choice_idx": i % 4,
        }
        for i in range(8)
    ]
    files.document(tmp_path / "aokvqa_v1p0_train.json", rows)
    for i in range(8):
        files.picture(tmp_path / f"train2017/{i:012}.jpg")
    assert len(probing_records("aokvqa", tmp_path, n=6)) == 3


@pytest.mark.filterwarnings("ignore::superneurons.task.labels.DataWarning")
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(["yes", "no"]), min_size=4, max_size=30).filter(
        lambda answers: len(set(answers)) == 2
    ),
    st.integers(2, 40),
    st.integers(0, 3),
)
def test_a_draw_is_balanced_unique_and_in_the_files_order(
    root: Path, answers: list[str], n: int, seed: int
) -> None:
    (root / "val.json").unlink(missing_ok=True)
    files.document(root / "train.json", [asked(i, answer) for i, answer in enumerate(answers)])
    records = probing_records("vizwiz", root, n=n, seed=seed)
    rarest = min(Counter(answers).values())
    share = min(n // 2, rarest)
    assert Counter(r.label for r in records) == {"yes": share, "no": share}
    places = [int(r.id.rsplit(":", 1)[1]) for r in records]
    assert places == sorted(set(places))
    assert [r.label for r in records] == [answers[place - 1] for place in places]
