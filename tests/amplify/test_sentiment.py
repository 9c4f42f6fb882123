from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.amplify.sentiment import read_sentiment, sentiment_task
from superneurons.errors import DataError


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_the_embedded_sentences_are_balanced_and_differ() -> None:
    found = read_sentiment()
    assert len({sentence for sentence, _ in found}) == len(found) == 40
    assert sum(positive for _, positive in found) == 20


def test_the_official_format_is_read_as_it_is(tmp_path: Path) -> None:
    text = 'sentence\tlabel\nit \'s a " charming " film \t1\r\nthe x\u2028y gets old , fast .\t0\n'
    assert read_sentiment(write(tmp_path / "dev.tsv", text)) == [
        ('it \'s a " charming " film', True),
        ("the x\u2028y gets old , fast .", False),
    ]


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    text = "sentence\tlabel\ngood\t1\nbad\nugly\t2\n\t0\na\tb\t1\n"
    with pytest.raises(DataError) as caught:
        read_sentiment(write(tmp_path / "train.tsv", text))
    assert [str(problem) for problem in caught.value.problems] == [
        "train.tsv:3: has 1 columns",
        "train.tsv:4: label is '2'",
        "train.tsv:5: has no sentence",
        "train.tsv:6: has 3 columns",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("index\tsentence\n0\tgood\n", "the header is"),
        ("sentence\tlabel\n", "no file of sentences"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read_sentiment(write(tmp_path / "test.tsv", text))
    with pytest.raises(DataError, match="cannot be read"):
        read_sentiment(tmp_path / "none.tsv")


def test_the_task_asks_for_the_sentiment_and_its_controls_do_not() -> None:
    task = sentiment_task()
    assert set(task.targets) == {" positive", " negative"}
    for prompt, target, control, (sentence, positive) in zip(
        task.prompts, task.targets, task.controls, read_sentiment(), strict=True
    ):
        assert sentence in prompt
        assert sentence in control
        assert "sentiment" in prompt
        assert "sentiment" not in control
        assert (target == " positive") is positive


def test_some_sentences_are_as_many_of_both_sentiments() -> None:
    task = sentiment_task(most=10)
    assert len(task) == 10
    assert task.targets.count(" positive") == 5
