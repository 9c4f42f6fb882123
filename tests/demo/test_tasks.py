from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from PIL.Image import Image
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from superneurons.demo import render
from superneurons.demo.atlas import load_atlas
from superneurons.demo.tasks import TASKS, make_task
from superneurons.errors import DataError
from superneurons.task.record import Record

YES_NO = [name for name, task in TASKS.items() if task.labels == ("yes", "no")]
SCENES = [name for name, task in TASKS.items() if task.parts]


def picture(record: Record) -> bytes:
    (image,) = record.images
    assert isinstance(image, Image)
    assert image.size == (128, 128)
    assert image.mode == "RGB"
    return image.tobytes()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the drawing of pictures that nobody looks at."""
    blank = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    monkeypatch.setattr(render, "render", lambda scenes, _: blank.expand(len(scenes), -1, -1, -1))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", YES_NO)
def test_the_question_alone_says_nothing(name: str) -> None:
    probe, test = make_task(name, n=600), make_task(name, n=600, split="test")
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+")
    train = words.fit_transform(r.question for r in probe)
    model = LogisticRegression(max_iter=1000).fit(train, [r.label for r in probe])
    accuracy = model.score(words.transform(r.question for r in test), [r.label for r in test])
    assert accuracy == pytest.approx(0.5, abs=0.03)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", YES_NO)
def test_every_string_has_both_answers_equally_often(name: str) -> None:
    counts: dict[str, Counter[str | None]] = {}
    for record in make_task(name, n=60, split="test"):
        counts.setdefault(record.question, Counter())[record.label] += 1
    assert all(c["yes"] == c["no"] for c in counts.values())


@pytest.mark.parametrize("name", SCENES)
def test_twins_share_group_and_question_but_neither_picture_nor_answer(name: str) -> None:
    pairs: dict[str | None, list[Record]] = {}
    for record in make_task(name, n=12):
        pairs.setdefault(record.group, []).append(record)
    assert len(pairs) == 6
    for first, second in pairs.values():
        assert first.question == second.question
        assert first.options == second.options
        assert first.label != second.label
        assert picture(first) != picture(second)


@pytest.mark.parametrize("name", TASKS)
def test_records_keep_to_the_task(name: str) -> None:
    records = make_task(name, n=20)
    assert len(records) == 20
    assert len({r.id for r in records}) == 20
    for record in records:
        assert record.label in (record.options or TASKS[name].labels)
        picture(record)


@pytest.mark.parametrize("name", TASKS)
def test_splits_and_sprite_sets_share_no_picture_and_no_group(name: str) -> None:
    probe, test = make_task(name, n=30), make_task(name, n=30, split="test")
    sets = [probe, test]
    if TASKS[name].parts:
        sets.append(make_task(name, n=30, sprites="unseen"))
    for i, first in enumerate(sets):
        for second in sets[i + 1 :]:
            assert not {picture(r) for r in first} & {picture(r) for r in second}
            assert not {r.group for r in first} & {r.group for r in second}


def test_the_same_seed_gives_the_same_records_and_another_seed_others() -> None:
    first, again = make_task("presence", n=12, seed=4), make_task("presence", n=12, seed=4)
    other = make_task("presence", n=12, seed=5)
    assert [(r.id, r.question, r.label, picture(r)) for r in first] == [
        (r.id, r.question, r.label, picture(r)) for r in again
    ]
    assert {picture(r) for r in first}.isdisjoint(picture(r) for r in other)


@pytest.mark.usefixtures("undrawn")
def test_presence_mixes_the_three_ways_evenly() -> None:
    records = make_task("presence", n=60)
    ways = Counter(r.id.split("/")[3] for r in records)
    assert ways == dict.fromkeys(
        ("presence-random", "presence-popular", "presence-adversarial"), 20
    )


def test_twins_are_not_parted_when_the_count_is_odd() -> None:
    assert len(make_task("dark", n=7)) == 6


def test_the_number_of_torch_threads_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    make_task("dark", n=2)
    assert torch.get_num_threads() == before


def test_five_kinds_were_never_trained() -> None:
    assert {t.name for t in TASKS.values() if not t.trained} == {
        "focus",
        "dark",
        "bigger",
        "hides",
        "exactly",
    }


@pytest.mark.usefixtures("undrawn")
def test_the_answers_to_many_way_tasks_are_about_even() -> None:
    for name in ("counting", "category"):
        counts = Counter(r.label for r in make_task(name, n=400))
        assert set(counts) == set(TASKS[name].labels)
        assert max(counts.values()) / 400 < 1.5 / len(TASKS[name].labels)


def test_unseen_sprites_are_drawn_for_classes_that_training_knows() -> None:
    atlas = load_atlas()
    known = {atlas.classes[c] for c in atlas.labels[atlas.seen]}
    held_out = {atlas.classes[c] for c in atlas.labels[~atlas.seen]}
    options = {o for r in make_task("choice", n=40, sprites="unseen") for o in r.options or ()}
    assert options <= held_out <= known
    assert np.count_nonzero(~atlas.seen) > 100


def test_an_unknown_task_is_refused_with_a_near_match() -> None:
    with pytest.raises(DataError, match=r"Did you mean 'presence'") as caught:
        make_task("presense", n=2)
    assert all(name in str(caught.value) for name in TASKS)


def test_a_published_task_is_told_from_an_unknown_one() -> None:
    with pytest.raises(DataError, match="'pope' is a published task") as caught:
        make_task("pope", n=2)
    assert "pope:DIR" in str(caught.value)
    with pytest.raises(DataError, match="no embedded task") as caught:
        make_task("pop", n=2)
    assert "Did you mean the published task 'pope'?" in str(caught.value)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("n", "parts"),
    [(0, (0, 0, 0)), (1, (0, 0, 0)), (2, (0, 1, 0)), (8, (1, 2, 1)), (20, (3, 4, 3))],
)
def test_pairs_are_shared_out_over_the_parts_of_a_task(n: int, parts: tuple[int, ...]) -> None:
    records = make_task("presence", n=n)
    assert len(records) == n // 2 * 2
    ways = Counter(r.id.split("/")[3] for r in records)
    assert tuple(ways[f"presence-{w}"] // 2 for w in ("random", "popular", "adversarial")) == parts


@pytest.mark.usefixtures("undrawn")
def test_records_are_named_by_task_split_sprites_part_and_twin() -> None:
    records = make_task("left", n=8, split="test", sprites="unseen")
    assert sorted(r.id for r in records) == [
        f"left/test/unseen/left/{pair:05d}{twin}" for pair in range(4) for twin in "ab"
    ]
    assert all(r.group == r.id[:-1] for r in records)
    assert [r.id for r in records] != sorted(r.id for r in records)  # shuffled
    assert all(r.options is None for r in records)


@pytest.mark.usefixtures("undrawn")
def test_every_name_split_and_sprite_set_has_a_stream_of_its_own() -> None:
    def questions(name: str, **more: Any) -> list[str]:
        return sorted(r.question for r in make_task(name, n=16, **more))

    made = [
        questions("presence-random"), questions("presence-random", split="test"),
        questions("presence-random", sprites="unseen"), questions("presence-random", seed=1),
        questions("presence-popular"),
    ]  # fmt: skip
    assert len({tuple(strings) for strings in made}) == len(made)
    with pytest.raises(ValueError, match="tuple"):
        make_task("dark", n=2, split="train")  # type: ignore[arg-type]


def test_the_first_twin_has_its_own_picture() -> None:
    for record in make_task("dark", n=8):
        (image,) = record.images
        assert (np.asarray(image).mean() < 75) == (record.label == "yes")
        assert record.id.endswith("a") == (record.label == "yes")


@pytest.mark.parametrize("n", [6, 7])
def test_easy_vqa_gives_pairs_of_answers_or_as_many_as_asked_for(n: int) -> None:
    pairs = make_task("easyvqa", n=n)
    assert len(pairs) == 6
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        assert first.question == second.question
        assert {first.label, second.label} == {"yes", "no"}
    shapes = make_task("easyvqa-shape", n=n)
    assert len(shapes) == n
    assert [r.id for r in shapes] == [f"easyvqa-shape/probe/{i:05d}" for i in range(n)]
    assert all(str(r.group).startswith("easyvqa/probe/") for r in shapes)


def test_threads_are_given_back_also_where_drawing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def failing(*_: object) -> None:
        seen.append(torch.get_num_threads())
        raise MemoryError

    monkeypatch.setattr(render, "render", failing)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(MemoryError):
            make_task("dark", n=2)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)
