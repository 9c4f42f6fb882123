from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.evaluate.reproduction.paper_rows import (
    MODELS,
    PAPER_ROWS,
    check_row,
    paper_model,
    paper_task,
    printed_row,
)


def test_every_row_is_of_a_known_task_and_model() -> None:
    for row in PAPER_ROWS:
        assert paper_task(row.task) == row.task
        assert row.model in MODELS


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("POPE", "pope"),
        ("InstaOrder (depth)", "instaorder-depth"),
        ("instaorder_occ", "instaorder-occlusion"),
        ("A-OKVQA", "aokvqa"),
        ("ScienceQA", "scienceqa"),
        ("presence", None),
        ("pope-gqa", None),
    ],
)
def test_a_task_is_known_however_it_is_spelt(name: str, task: str | None) -> None:
    assert paper_task(name) == task


def test_a_model_is_known_by_family_and_shape() -> None:
    for model, (family, layers, width) in MODELS.items():
        assert paper_model(family, layers, width) == model
    assert paper_model("LLaVA-1.5", 4, 32) is None
    assert paper_model("Qwen3-VL", 32, 4096) is None


def test_what_is_printed_is_found_in_its_main_setting() -> None:
    row = printed_row("pope", "llava-7b", "mean", metric="accuracy")
    assert row is not None
    # Table 5 has a mean of SNt .91, too, and Table 6 the last token.
    assert (row.table, row.accuracy, row.threshold) == ("2", 90.9, 92.0)
    larger = printed_row("pope", "llava-13b", "majority", metric="f1")
    assert larger is not None
    assert (larger.source, larger.recall) == ("Table 4", 87.2)
    probed = printed_row("clevr", "qwen3-vl-4b", "neuron", metric="f1", scored_on="probing")
    assert probed is not None
    assert (probed.table, probed.f1, probed.accuracy) == ("1", 89.0, None)


def test_what_is_not_printed_is_not_found() -> None:
    assert printed_row("pope", "llava-7b", "savs") is None
    assert printed_row("pope", "llava-7b", "majority", metric="f1") is None
    assert printed_row("pope", "qwen3-vl-32b", "base") is None


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    check_row("llava-7b")
    with pytest.raises(DataError, match="no rows of a model 'llava7b'") as refused:
        check_row("llava7b")
    assert "Did you mean 'llava-7b'?" in str(refused.value)
