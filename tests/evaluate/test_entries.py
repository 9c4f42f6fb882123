from __future__ import annotations

import pytest

from superneurons.activations.site import Site
from superneurons.errors import DataError
from superneurons.evaluate.entries import ENTRIES, chosen_entries, entry_sites
from superneurons.probes.registry import READ_OUTS, make_read_out


def test_every_entry_can_be_made_and_is_named_once() -> None:
    for entry in ENTRIES:
        make_read_out(entry.read_out, **entry.params)
    for field in ("key", "name"):
        values = [getattr(entry, field) for entry in ENTRIES]
        assert len(set(values)) == len(values)


def test_every_read_out_of_activations_takes_part() -> None:
    assert {entry.read_out for entry in ENTRIES} == set(READ_OUTS) - {"logits", "calibrated-logits"}


def test_what_knows_two_answers_is_asked_per_option_when_there_are_more() -> None:
    by_key = {entry.key: entry for entry in ENTRIES}
    assert by_key["paper"].form("direct", many=False) == "direct"
    assert by_key["paper"].form("direct", many=True) == "unrolled"
    assert by_key["super-neurons"].form("lettered", many=True) == "lettered"
    assert by_key["super-neurons-by-option"].form("lettered", many=True) == "unrolled"


def test_asking_per_option_is_left_out_where_it_is_the_same() -> None:
    two, more = ({e.key for e in chosen_entries(None, many=many)} for many in (False, True))
    assert more - two == {"super-neurons-by-option"}


def test_some_can_be_chosen_and_come_in_their_own_order() -> None:
    chosen = chosen_entries(["savs", "paper"], many=False)
    assert [entry.key for entry in chosen] == ["paper", "savs"]
    assert entry_sites(chosen) == (Site(), Site("heads"))


def test_an_unknown_one_is_named_with_what_is_near() -> None:
    with pytest.raises(DataError, match="Unknown read-outs") as caught:
        chosen_entries(["sav", "paper", "zzz"], many=False)
    assert [problem.where for problem in caught.value.problems] == ["sav", "zzz"]
    assert "savs" in caught.value.problems[0].what
    with pytest.raises(DataError, match="No read-outs"):
        chosen_entries([], many=False)


def test_one_that_never_is_read_at_a_generated_token_unless_asked_for() -> None:
    assert all(entry.site.position == "last_prompt" for entry in chosen_entries(None, many=True))


def test_what_is_of_no_use_for_two_answers_is_refused_if_named() -> None:
    with pytest.raises(DataError, match="more than two answers only") as caught:
        chosen_entries(["super-neurons-by-option", "paper"], many=False)
    assert [problem.where for problem in caught.value.problems] == ["super-neurons-by-option"]
    assert len(chosen_entries(["super-neurons-by-option", "paper"], many=True)) == 2
