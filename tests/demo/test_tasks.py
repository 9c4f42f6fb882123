from __future__ import annotations

from collections import Counter

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
