from __future__ import annotations

import pytest
from transformers import LlamaConfig

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


def test_models_are_as_large_as_their_names_say() -> None:
    """Parameters of a decoder are about 12 L D² for these shapes, embeddings apart."""
    for model, (_, layers, width) in MODELS.items():
        billions = float(model.split("-")[-1].removesuffix("b"))
        assert 12 * layers * width**2 / 1e9 == pytest.approx(billions, rel=0.4), model
        assert width % 128 == 0, "heads are 128 wide"
    assert MODELS["llava-7b"][1:] == (LlamaConfig().num_hidden_layers, LlamaConfig().hidden_size)
    assert MODELS["llava-13b"][1:] == (40, 5120)
    assert (MODELS["qwen3-vl-4b"][1:], MODELS["qwen3-vl-32b"][1:]) == ((36, 2560), (64, 5120))


def test_one_near_name_is_offered_or_none() -> None:
    with pytest.raises(DataError) as refused:
        check_row("llava-17b")
    assert str(refused.value).count("Did you mean") == 1
    assert str(refused.value).count("llava-7b") + str(refused.value).count("llava-13b") == 3
    with pytest.raises(DataError) as refused:
        check_row("zzz")
    assert "Did you mean" not in str(refused.value)
    assert "It has: llava-7b, llava-13b, qwen3-vl-4b, qwen3-vl-32b." in str(refused.value)


def test_ablations_are_never_taken_for_the_main_setting() -> None:
    """Shuffled pictures, other words, timed runs: rows with a detail stand for themselves."""
    special = [row for row in PAPER_ROWS if row.detail]
    assert special
    for row in special:
        found = printed_row(
            row.task, row.model, row.method, metric=row.metric, scored_on=row.scored_on
        )
        assert found is None or not found.detail
    assert printed_row("pope-voc", "llava-7b", "either") is None  # both are of a named probing set
