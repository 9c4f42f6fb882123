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


def test_blanks_around_a_sentence_are_not_its_own(tmp_path: Path) -> None:
    text = "\ufeffsentence\tlabel\r\n  so good  \t1\r\n"
    assert read_sentiment(write(tmp_path / "a.tsv", text)) == [("so good", True)]
    task = sentiment_task(tmp_path / "a.tsv")
    assert task.prompts == ("Review: so good\nThe sentiment of the review is",)
    assert task.controls == ("Review: so good\nThe length of the review is",)
    assert (task.name, task.field, task.targets) == ("sentiment", "sentiment", (" positive",))


def test_a_wrong_header_is_named_before_its_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_sentiment(write(tmp_path / "a.tsv", "index\tsentence\n0\tgood\n\n"))
    assert [problem.where for problem in caught.value.problems] == [
        "a.tsv:1", "a.tsv:2", "a.tsv:3",
    ]  # fmt: skip
    assert "'index\\tsentence'" in caught.value.problems[0].what
    with pytest.raises(DataError) as empty:
        read_sentiment(write(tmp_path / "b.tsv", "sentence\tlabel\n"))
    assert empty.value.where == str(tmp_path / "b.tsv")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"sentence\tlabel\n\xff\xfe\t1\n")
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_sentiment(tmp_path / "a.tsv")
    assert caught.value.where == str(tmp_path / "a.tsv")


def test_sentences_taken_are_the_first_of_each_sentiment_in_turn(tmp_path: Path) -> None:
    rows = [("a", 0), ("b", 0), ("c", 0), ("d", 1), ("e", 1)]
    text = "sentence\tlabel\n" + "".join(f"{s}\t{label}\n" for s, label in rows)
    path = write(tmp_path / "a.tsv", text)

    def taken(most: int | None) -> str:
        return "".join(p.split("\n")[0][-1] for p in sentiment_task(path, most=most).prompts)

    assert taken(None) == "abcde"
    assert [taken(most) for most in (3, 4, 9)] == ["dae", "daeb", "daeb"]
