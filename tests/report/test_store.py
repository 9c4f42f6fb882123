from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from report.runs import fitted_run, full_run, large_run, sparse_run, thumbnail
from superneurons.errors import ArtefactError, OutputError
from superneurons.report.run import (
    Agreement,
    Bin,
    Chosen,
    Confusion,
    Curve,
    Example,
    Run,
    Selection,
    Tradeoff,
)  # fmt: skip
from superneurons.report.store import read_run, write_run

full = cache(full_run)
Change = Callable[[dict[str, Any]], Any]


def assert_same(found: Any, expected: Any) -> None:
    """Compare runs, of whose scores only so much is kept that no picture shows what is not."""
    if is_dataclass(expected):
        assert type(found) is type(expected)
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray):
        step = (float(expected.max()) - float(expected.min())) / 255
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= step / 2 + 1e-6
    elif isinstance(expected, tuple):
        assert isinstance(found, tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("make", [full_run, sparse_run, fitted_run])
def test_what_is_read_is_what_was_written(make: Callable[[], Run], tmp_path: Path) -> None:
    run = make()
    path = write_run(tmp_path, run)
    assert path == tmp_path / "run.json"
    assert_same(read_run(tmp_path), run)
    assert_same(read_run(path), run)


def test_the_scores_of_a_large_model_take_little_room(tmp_path: Path) -> None:
    run = large_run()
    assert run.selection is not None
    stored = json.loads(write_run(tmp_path, run).read_text())
    assert len(json.dumps(stored["selection"]["scores"])) < 0.2e6
    assert len(json.dumps(stored["selection"])) < 0.25e6
    found = read_run(tmp_path).selection
    assert found is not None
    assert_same(found, run.selection)


shares = st.floats(0, 1)
words = st.text(max_size=8)
names = words.filter(lambda text: not re.search("[\ud800-\udfff]", text))
intervals = st.tuples(shares, shares).map(lambda ends: (min(ends), max(ends)))
times = st.floats(1e-3, 1e6)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    scores = draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    place = st.tuples(st.integers(1, shape[0]), st.integers(0, shape[1] - 1))
    chosen = draw(st.lists(st.tuples(place, shares, st.floats(-1e9, 1e9)), max_size=3))
    neurons = tuple(Chosen(*where, score, weight) for where, score, weight in chosen)
    maxima = tuple(draw(st.lists(shares, max_size=3)))
    return Selection("mlp", "image_max", scores, neurons, maxima, draw(st.integers(0, 99)), "some")


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    layers = sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=4)))
    n = len(layers)
    values = draw(st.tuples(*[shares] * n))
    bounds = draw(st.one_of(st.just(()), st.tuples(*[intervals] * n)))
    return Curve(draw(names), tuple(layers), values, bounds, draw(st.integers(0, 9)), True)


examples = st.builds(
    Example, names, names, names, names, shares, st.sampled_from(["", thumbnail(90)]), names
)


@st.composite
def confusions(draw: st.DrawFn) -> Confusion:
    labels = tuple(draw(st.lists(names, max_size=3)))
    row = st.tuples(*[st.integers(0, 10**6)] * len(labels))
    counts = draw(st.tuples(*[row] * len(labels)))
    some = st.lists(examples, max_size=2).map(tuple)
    return Confusion(labels, counts, draw(some), draw(some), draw(some))


runs = st.builds(
    Run,
    kind=st.sampled_from(["fit", "compare", "demo", "search", "eval"]),
    title=names,
    questions=st.lists(names, max_size=2).map(tuple),
    labels=st.lists(names, max_size=2).map(tuple),
    command=names,
    setting=st.dictionaries(names, st.one_of(names, st.integers(), shares, st.none()), max_size=3),
    selection=st.one_of(st.none(), selections()),
    curves=st.lists(curves(), max_size=2).map(tuple),
    tradeoffs=st.lists(
        st.builds(
            Tradeoff, names, shares, intervals, times,
            st.tuples(times, times).map(lambda ends: (min(ends), max(ends))),
            st.one_of(st.none(), st.integers(0, 99)), st.booleans(), st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    bins=st.lists(
        intervals.flatmap(
            lambda ends: st.builds(
                Bin, st.just(ends[0]), st.just(ends[1]), st.integers(0, 9), shares, shares
            )
        ),
        max_size=2,
    ).map(tuple),
    ece=st.one_of(st.none(), shares),
    confusion=st.one_of(st.none(), confusions()),
    agreement=st.one_of(st.none(), st.builds(Agreement, *[st.integers(0, 10**9)] * 4)),
    notes=st.lists(names, max_size=2).map(tuple),
    subject=names,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(run=runs)
def test_any_run_survives(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("run")
    write_run(directory, run)
    assert_same(read_run(directory), run)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_run(tmp_path / name, full_run()) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_what_no_json_holds_is_written_as_what_it_holds(tmp_path: Path) -> None:
    setting = {"lost": float("nan"), "n": np.int64(3), "place": Path("a"), "odd": "caf\udce9"}
    write_run(tmp_path, sparse_run(setting=setting, title="caf\udce9"))
    found = read_run(tmp_path)
    assert found.setting == {"lost": None, "n": 3, "place": "a", "odd": "caf?"}
    assert found.title == "caf?"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        write_run(tmp_path / "file", sparse_run())


def changed(directory: Path, change: Change) -> Path:
    """Write a full run, and edit the file as somebody might."""
    path = write_run(directory, full())
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_later_format_asks_for_an_update(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda run: run.update(format=2, kind="dream"))
    with pytest.raises(ArtefactError, match="format 2; this version reads up to 1") as said:
        read_run(path)
    assert said.value.mend == "Update superneurons."


def _set(place: str, value: Any) -> Change:
    *way, last = [int(part) if part.isdigit() else part for part in place.split(".")]

    def change(content: Any) -> None:
        for part in way:
            content = content[part]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("format", "1", "format: is '1', not 1"),
        ("format", True, "format: is True, not 1"),
        ("kind", "dream", "kind: is 'dream', not 'fit' or"),
        ("kind", ["fit"], r"kind: is \['fit'\]"),
        ("title", 3, "title: is 3, not text"),
        ("questions", "Is it?", "questions: is 'Is it.', not a list"),
        ("setting", [], "setting: is .., not an object"),
        ("ece", True, "ece: is True, not a finite number"),
        ("ece", 10**400, "ece: is 1000.*, not a finite number"),
        ("ece", 1.5, "ece: 1.5 is not from 0 to 1"),
        ("selection.n", 1.5, "selection.n: is 1.5, not a whole number"),
        ("selection.n", -1, "selection.n: -1 is below 0"),
        ("selection.scores.shape", [30, 577], "selection.scores.values: .* bytes in base64"),
        ("selection.scores.shape", [-30, -576], "selection.scores.values"),
        ("selection.scores.shape", [17280], "selection.scores: shape .17280,., not layers by"),
        ("selection.scores.values", "####", "selection.scores.values: is '####'"),
        ("selection.scores.high", 7.0, "selection.scores: 7.0 is not from 0 to 1"),
        ("selection.scores.low", "0", "selection.scores.low: is '0', not a finite number"),
        ("selection.chosen.layer.3", 31, "selection.chosen: layer 31, column .* not among 30"),
        ("selection.chosen.column.0", -1, "selection.chosen: layer .*, column -1"),
        ("selection.chosen.layer", [1], "selection.chosen: is {.*, not a list"),
        ("selection.chosen.weight.1", "1", r"selection.chosen\[1\].weight: is '1'"),
        ("selection.null_maxima.0", -0.1, "selection.null_maxima: -0.1 is not"),
        ("curves.1.layers", [2, 1, 4, 8, 16, 30], r"curves\[1\].layers: .* don't ascend from 1"),
        ("curves.1.layers.0", 0, r"curves\[1\].layers: .* don't ascend from 1"),
        ("curves.0.layers", [1, 2], r"curves\[0\].layers: 2 of them, with 6 accuracies and 6"),
        ("curves.0.intervals.2", [0.9, 0.8], r"curves\[0\].intervals: .* ends before it begins"),
        ("curves.0.held_out", 1, r"curves\[0\].held_out: is 1, not true or false"),
        ("tradeoffs.0.ms", 0, r"tradeoffs\[0\].ms: 0.0 ms is not above 0"),
        ("tradeoffs.0.interval", [0.5], r"tradeoffs\[0\].interval: is \[0.5\], not a list of 2"),
        ("tradeoffs.0.exit_layer", -2, r"tradeoffs\[0\].exit_layer: -2 is below 0"),
        ("bins.0.low", 0.9, r"bins\[0\].low: .* ends before it begins"),
        ("confusion.counts", [[1, 2]], "confusion.counts: not a row and a column for each of 2"),
        ("confusion.counts.1.0", -1, "confusion.counts: -1 is below 0"),
        ("confusion.wrong.2.confidence", 2, r"confusion.wrong\[2\].confidence: 2.0 is not from"),
        ("agreement.only_base", -3, "agreement: -3 is below 0"),
        ("agreement", {"both_right": 1}, "agreement.only_ours: missing"),
        ("comparison.rows.0.name", None, r"comparison.rows\[0\].name: is None, not text"),
        ("comparison.rows.3.ms", {"median": 3}, r"comparison.rows\[3\].ms.low: missing"),
        ("comparison.rows", {}, "comparison.rows: is {}, not a list"),
        ("comparison.null", {"chance": "high"}, "comparison.null.chance: is 'high', not a finite"),
        ("comparison.recommendation", {"choice": 1}, "comparison.recommendation.sentence: missing"),
        ("comparison", [1], r"comparison: is \[1\], not an object"),
    ],
)
def test_what_was_edited_wrongly_is_named(
    place: str, value: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match="not a run that superneurons kept") as found:
        read_run(changed(tmp_path, _set(place, value)))
    assert re.search(said, str(found.value)), found.value
    assert found.value.where == str(tmp_path / "run.json")


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    def change(run: dict[str, Any]) -> None:
        run.update(kind=1, notes=[2], bins=None)
        del run["title"]

    with pytest.raises(ArtefactError) as found:
        read_run(changed(tmp_path, change))
    places = [problem.where for problem in found.value.problems]
    assert places == ["kind", "title", "bins", "notes[0]"]


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/seen.jpg",
        "javascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        f"data:image/jpeg;base64,{PNG}",
        thumbnail(90) + '" onerror="alert(1)',
        thumbnail(90) + "\n",
        "data:image/jpeg;base64,/9j/" + "A" * 200_000,
    ],
)
def test_only_small_jpegs_within_the_file_are_shown(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"right\[1\].thumbnail: no small JPEG"):
        read_run(changed(tmp_path, _set("confusion.right.1.thumbnail", uri)))


def test_thumbnails_may_be_left_out(tmp_path: Path) -> None:
    found = read_run(changed(tmp_path, _set("confusion.right.1.thumbnail", "")))
    assert found.confusion is not None
    assert found.confusion.right[1].thumbnail == ""


def test_fields_that_came_later_may_be_missing_and_unknown_ones_are_left_out(
    tmp_path: Path,
) -> None:
    def change(run: dict[str, Any]) -> None:
        del run["subject"], run["selection"]["read_out"], run["tradeoffs"][0]["held_out"]
        run["dreams"] = run["selection"]["dreams"] = "many"

    found = read_run(changed(tmp_path, change))
    assert (found.subject, found.title) == ("", "dark")
    assert found.selection is not None
    assert found.selection.read_out == ""
    assert found.tradeoffs[0].held_out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "There is no run"),
        ("{", "There is no run"),
        ("[" * 100_000, "There is no run"),
        ('{"format": NaN}', "NaN is no number of JSON"),
        ("[]", "format: is None, not 1"),
        ('{"task": "dark", "rows": []}', "selection|kind: missing"),
    ],
)
def test_another_file_is_no_run(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ArtefactError) as found:
        read_run(tmp_path)
    assert re.search(said, str(found.value)), found.value


def test_where_there_is_none_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.json"):
        with pytest.raises(ArtefactError, match="There is no run") as found:
            read_run(place)
        assert "--out" in str(found.value.mend)


def test_a_damaged_file_is_read_in_full_or_not_at_all(tmp_path: Path) -> None:
    text = write_run(tmp_path, replace(full_run(), confusion=None)).read_text()
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(text) - 3, 40).tolist():
        (tmp_path / "run.json").write_text(text[:cut])
        with pytest.raises(ArtefactError):
            read_run(tmp_path)
