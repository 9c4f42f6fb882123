from __future__ import annotations

import pytest

from superneurons.activations.site import Site
from superneurons.errors import DataError
from superneurons.evaluate.entries import ENTRIES, Entry, chosen_entries, entry_sites
from superneurons.probes.registry import READ_OUTS, make_read_out
from superneurons.shortcut.form import Form


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


SITES = {
    "super-neurons-mlp": Site("mlp"),
    "super-neurons-heads": Site("heads"),
    "savs": Site("heads"),
    "savs-soft": Site("heads"),
    "vision": Site("vision"),
    "vision-neurons": Site("vision"),
    "projector": Site("projector"),
    "super-neurons-generated": Site(position="first_generated"),
    "paper-generated": Site(position="first_generated"),
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_what_an_entry_reads_and_is_called_is_so(entry: Entry) -> None:
    assert entry.site == SITES.get(entry.key, Site())
    assert (entry.kind == "vision") == (entry.site.kind in {"vision", "projector"})
    assert (entry.kind == "probe") == (entry.key in {"logistic", "knn"})
    assert entry.on_request == (entry.site.position == "first_generated")
    assert ("mean" in entry.name) == (dict(entry.params).get("aggregation") == "mean")
    assert ("all layers" in entry.name) == ("tolerance" in entry.params)


def test_the_published_savs_are_not_the_improved_ones() -> None:
    by_key = {entry.key: entry for entry in ENTRIES}
    plain, soft = (
        make_read_out(by_key[key].read_out, **by_key[key].params).get_params()
        for key in ("savs", "savs-soft")
    )
    assert (plain["leave_one_out"], plain["soft"]) == (False, False)
    assert (soft["leave_one_out"], soft["soft"]) == (True, True)


def test_the_others_are_compared_with_the_improved_read_out() -> None:
    assert chosen_entries(None, many=False)[0].key == "super-neurons"
    assert ENTRIES[0].params == {}


@pytest.mark.parametrize("native", ["direct", "lettered"])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_two_answers_are_asked_as_they_are_whoever_asks(entry: Entry, native: Form) -> None:
    assert entry.form(native, many=False) == native
    asks_each = entry.key == "super-neurons-by-option" or entry.read_out == "paper"
    assert entry.form(native, many=True) == ("unrolled" if asks_each else native)


def test_one_named_twice_takes_part_once_and_may_read_the_generated_token() -> None:
    chosen = chosen_entries(["paper-generated", "savs", "savs"], many=False)
    assert [entry.key for entry in chosen] == ["savs", "paper-generated"]
    assert entry_sites(chosen) == (Site(), Site("heads"), Site(position="first_generated"))


def test_the_residual_stream_is_captured_for_the_lens_whatever_is_read() -> None:
    assert entry_sites(()) == (Site(),)
    vision = chosen_entries(["vision", "vision-neurons"], many=False)
    assert entry_sites(vision) == (Site(), Site("vision"))


def test_what_can_be_named_is_said() -> None:
    with pytest.raises(DataError) as caught:
        chosen_entries(["zzz"], many=True)
    assert caught.value.problems[0].what.endswith("none")
    assert all(entry.key in str(caught.value) for entry in ENTRIES)
