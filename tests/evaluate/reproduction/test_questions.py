from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, shades
from superneurons.errors import DataError
from superneurons.evaluate.reproduction.questions import balanced_draw, digest, questions_of
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.task.images import image_key
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record

SETTINGS = Settings("pope")


def mostly(n: int, share: float, seed: int = 0) -> list[Record]:
    """Records of which so many are answered "yes"."""
    records = bright_records(4 * n, seed)
    yes = [r for r in records if r.label == "yes"][: round(share * n)]
    no = [r for r in records if r.label == "no"][: n - len(yes)]
    return [*yes, *no]


def test_the_probing_set_is_balanced_and_the_test_set_is_as_it_is() -> None:
    found = questions_of(mostly(20, 0.3), mostly(20, 0.8, seed=1), SETTINGS)
    assert Counter(r.label for r in found.probe) == {"yes": 6, "no": 6}
    assert Counter(r.label for r in found.test) == {"yes": 16, "no": 4}
    assert found.classes == found.labels == ("no", "yes")
    assert found.test == found.records
    assert found.unrolled is None


def test_no_more_are_drawn_than_are_wanted() -> None:
    few = replace(SETTINGS, n_probe=9, n_test=5)
    found = questions_of(bright_records(40), bright_records(30, seed=1), few)
    assert Counter(r.label for r in found.probe) == {"yes": 4, "no": 4}
    assert len(found.test) == 5
    places = [int(r.id.split(":")[1]) for r in found.test]
    assert places == sorted(places)


def test_the_seed_decides_which() -> None:
    probe, test = bright_records(40), bright_records(10, seed=1)
    drawn = [
        [r.id for r in questions_of(probe, test, replace(SETTINGS, n_probe=8, seed=s)).probe]
        for s in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_options_of_each_record_become_binary_questions() -> None:
    found = questions_of(choices(30), choices(12, seed=1), SETTINGS)
    assert found.classes == ("no", "yes")
    assert found.labels == ()
    assert found.unrolled is not None
    assert found.test == found.unrolled.records
    assert len(found.test) == sum(len(r.options or ()) for r in found.records) == 30
    assert Counter(r.label for r in found.probe) == {"yes": 30, "no": 30}
    assert all(r.question.endswith("Answer with yes or no.") for r in found.probe)


def test_common_labels_beyond_two_become_binary_questions_too() -> None:
    found = questions_of(shades(18), shades(9, seed=1), SETTINGS)
    assert found.labels == ("dark", "grey", "pale")
    assert len(found.test) == 27
    assert sum(r.label == "yes" for r in found.test) == 9


def test_each_yes_of_an_option_comes_with_a_no_of_its_question() -> None:
    found = questions_of(choices(60), choices(6, seed=1), replace(SETTINGS, n_probe=20))
    asked = Counter((image_key(r.images[0]), r.label) for r in found.probe)
    assert len(found.probe) == 20
    assert set(asked.values()) == {1}
    assert len({picture for picture, _ in asked}) == 10


def test_every_record_is_drawn_as_often_as_any_other() -> None:
    labels = ["no", "yes", "no", "no"] * 10
    counts = np.zeros(40)
    for seed in range(400):
        counts[balanced_draw(labels, 12, np.random.default_rng(seed))] += 1
    yes = np.array(labels) == "yes"
    assert counts.sum() == 400 * 12
    # 6 of 10 and 6 of 30, each within five standard errors.
    assert np.all(np.abs(counts[yes] / 400 - 0.6) < 5 * np.sqrt(0.24 / 400))
    assert np.all(np.abs(counts[~yes] / 400 - 0.2) < 5 * np.sqrt(0.16 / 400))


def test_one_answer_is_refused() -> None:
    with pytest.raises(DataError, match="1 different answers"):
        questions_of(mostly(10, 1.0), bright_records(10, seed=1), SETTINGS)


def test_what_is_scored_on_is_not_probed_on() -> None:
    probe = bright_records(16)
    with pytest.warns(DataWarning, match="4 of 16 records to probe on are left out"):
        found = questions_of(probe, probe[:4], SETTINGS)
    assert not {r.id for r in found.probe} & {r.id for r in found.test}
    assert len(found.probe) == 12


def test_a_shared_group_counts_as_a_shared_picture() -> None:
    probe = [replace(r, group=str(i // 2)) for i, r in enumerate(bright_records(16))]
    test = [replace(r, group="3") for r in bright_records(4, seed=1)]
    with pytest.warns(DataWarning, match="2 of 16"):
        found = questions_of(probe, test, SETTINGS)
    assert "3" not in {r.group for r in found.probe}


def test_when_all_are_scored_on_nothing_is_left() -> None:
    probe = bright_records(12)
    with pytest.raises(DataError, match="All 12 records to probe on"):
        questions_of(probe, probe, SETTINGS)


def test_a_picture_that_is_gone_is_refused(tmp_path: Path) -> None:
    gone = [Record((tmp_path / f"{i}.png",), "Is it?", ("no", "yes")[i % 2]) for i in range(4)]
    with pytest.raises(DataError, match="picture"):
        questions_of(gone, bright_records(8), SETTINGS)


def test_contradictions_are_said() -> None:
    probe = bright_records(12)
    probe += [replace(probe[0], label="yes"), replace(probe[1], label="no")]
    with pytest.warns(DataWarning, match="contradicting labels"):
        questions_of(probe, bright_records(4, seed=1), SETTINGS)


def test_a_digest_is_of_what_is_asked_not_of_where_it_lies(tmp_path: Path) -> None:
    record = bright_records(1)[0]
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "picture.png"
        record.images[0].save(path)  # type: ignore[union-attr]
        found.append(digest([replace(record, images=(path,))]))
    assert found[0] == found[1]
    assert digest([record]) != digest([replace(record, label="yes")])
    assert digest([record]) != digest([replace(record, question="Is it dark?")])
    assert digest([record]) != digest(bright_records(1, seed=1))


def test_a_test_file_of_another_task_is_refused() -> None:
    other = [replace(record, label=f"{record.label}!") for record in bright_records(8, seed=1)]
    with pytest.raises(DataError, match="labels that those to probe on lack") as caught:
        questions_of(bright_records(12), other, SETTINGS)
    assert "no!, yes!" in str(caught.value)
    assert "have no, yes" in str(caught.value)


@pytest.mark.parametrize(("probe", "test", "where"), [
    ([], bright_records(4), "data"), (bright_records(4), [], "test"), ([], [], "data and test")
])  # fmt: skip
def test_nothing_to_probe_or_score_on_is_said_as_that(
    probe: list[Record], test: list[Record], where: str
) -> None:
    with pytest.raises(DataError, match="There are no records") as caught:
        questions_of(probe, test, SETTINGS)
    assert caught.value.where == where


def test_records_that_are_not_scored_after_all_may_be_probed_on() -> None:
    """Only those test records count that are drawn."""
    records = bright_records(40)
    few = replace(SETTINGS, n_test=4)
    with pytest.warns(DataWarning, match="4 of 40 records to probe on are left out"):
        found = questions_of(records, records, few)
    assert len(found.test) == 4
    assert not {r.id for r in found.probe} & {r.id for r in found.test}
    assert len(found.probe) >= 32


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["no", "yes"]), min_size=2, max_size=40).filter(
        lambda drawn: len(set(drawn)) == 2
    ),
    most=st.integers(2, 50),
    seed=st.integers(0, 99),
)
def test_a_draw_is_even_ascending_and_as_large_as_it_can_be(
    labels: list[str], most: int, seed: int
) -> None:
    drawn = balanced_draw(labels, most, np.random.default_rng(seed)).tolist()
    counts = Counter(labels[i] for i in drawn)
    share = min(most // 2, labels.count("no"), labels.count("yes"))
    assert counts == ({"no": share, "yes": share} if share else {})
    assert drawn == sorted(set(drawn))


def test_an_odd_number_of_option_questions_is_one_fewer() -> None:
    found = questions_of(choices(30), choices(6, seed=1), replace(SETTINGS, n_probe=11))
    assert Counter(r.label for r in found.probe) == {"yes": 5, "no": 5}


def test_a_digest_hangs_on_the_order_and_on_every_picture(tmp_path: Path) -> None:
    one, other = bright_records(2)
    assert digest([one, other]) != digest([other, one])
    assert digest([replace(one, images=(*one.images, *other.images))]) != digest([one])
    assert digest([]) != digest([one])
    path = tmp_path / "a.png"
    other.images[0].save(path)  # type: ignore[union-attr]
    first = digest([replace(one, images=(path,))])
    one.images[0].save(path)  # type: ignore[union-attr]
    assert digest([replace(one, images=(path,))]) != first


def test_every_question_is_drawn_once_where_all_are_wanted() -> None:
    """Never with replacement: of forty records each gives its "yes" once."""
    for n_probe in (80, 3000):
        found = questions_of(choices(40), choices(6, seed=1), replace(SETTINGS, n_probe=n_probe))
        yes = [image_key(r.images[0]) for r in found.probe if r.label == "yes"]
        assert len(yes) == len(set(yes)) == 40
