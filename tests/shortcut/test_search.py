from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, choices, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.errors import DataError, ModelError
from superneurons.shortcut.search import classifier_at, search_shortcuts
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.shortcut.search_scores import Accuracies, DepthTrial
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

SMALL = SearchSpace(kinds=("vision", "residual"), positions=("last_prompt", "image_mean"))


@pytest.fixture(scope="module")
def found(llava: VLM) -> ShortcutSearch:
    words = label_words(llava.processor, ["no", "yes"])
    return search_shortcuts(llava, bright_records(24), SMALL, repeats=1, words=words)


def places(found: ShortcutSearch) -> set[tuple]:
    return {(str(p.site), p.order, p.depth) for p in found.points}


def test_every_site_is_tried_at_every_depth(found: ShortcutSearch, llava: VLM) -> None:
    orders = ("picture-first", "question-first")
    tower = llava.shape("vision")[0]
    assert places(found) == {
        *(("vision", orders[0], depth) for depth in range(1, tower + 1)),
        *(
            (site, order, depth)
            for site in ("residual", "residual@image_mean")
            for order in orders
            for depth in range(1, llava.n_layers + 1)
        ),
    }
    assert len(found.points) == len(places(found))


def test_accuracies_are_those_of_one_pass_by_itself(found: ShortcutSearch, llava: VLM) -> None:
    probing = found.probing
    assert probing is not None
    site = Site(position="image_mean")
    sites = (Site(), site)
    first = capture(llava, probing.records, sites=sites)
    trial = DepthTrial.of(first.at(site).flat, probing.y, probing.groups, n_folds=5, seed=0)
    second = capture(llava, probing.records, sites=sites, prompt=Prompt("question-first"))
    right = trial.right(second.at(site).activations)
    expected = Accuracies.of(right, trial.codes, trial.groups)
    mine = [p for p in found.points if p.site == site and p.order == "question-first"]
    assert [p.accuracy for p in mine] == expected.values.tolist()
    assert [p.standard_error for p in mine] == expected.errors.tolist()


def test_intervals_hold_the_accuracy_within_its_range(found: ShortcutSearch) -> None:
    for point in found.points:
        low, high = point.interval
        assert 0 <= low <= point.accuracy <= high <= 1
        assert low < high


def test_costs_are_those_of_the_route(found: ShortcutSearch) -> None:
    """The order of the prompt changes no cost; the ratio is to the whole model in the same run."""
    by_place = {(str(p.site), p.depth, p.order): p for p in found.points}
    for (site, depth, _), point in by_place.items():
        assert point.cost_ms == by_place[site, depth, "picture-first"].cost_ms
        whole = found.settings["costs"]["whole_model"]["median"]
        assert point.ratio == pytest.approx(whole / point.cost_ms)


def test_the_easy_question_is_answered_and_said_as_json(found: ShortcutSearch) -> None:
    assert found.choose().accuracy > 0.9
    told = json.loads(json.dumps(found.as_dict()))
    assert told["settings"]["folds"] == 5
    assert told["settings"]["costs"]["batch"] == 1
    assert len(told["points"]) == len(found.points)


def test_the_base_model_is_heard_in_the_same_pass(found: ShortcutSearch, llava: VLM) -> None:
    assert found.probing is not None
    words = label_words(llava.processor, ["no", "yes"])
    alone = capture(llava, found.probing.records, words=words)
    np.testing.assert_array_equal(found.label_logits, alone.label_logits)


def test_the_order_of_the_records_does_not_matter(found: ShortcutSearch, llava: VLM) -> None:
    records = bright_records(24)
    order = np.random.default_rng(0).permutation(24)
    other = search_shortcuts(llava, [records[i] for i in order], SMALL, repeats=1, batch_size=24)
    again = search_shortcuts(llava, records, SMALL, repeats=1, batch_size=24)

    def scores(search: ShortcutSearch) -> list[float]:
        return [point.accuracy for point in search.points]

    assert scores(other) == scores(again)


def test_no_more_layers_run_than_are_tried(llava: VLM) -> None:
    space = replace(SMALL, kinds=("residual", "vision"), max_layer=2, orders=("question-first",))
    told: list[tuple[int, int]] = []
    found = search_shortcuts(
        llava, bright_records(16), space, repeats=1, batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert {point.depth for point in found.points} == {1, 2}
    assert {point.order for point in found.points} == {"question-first"}
    assert told == [(8, 16), (16, 16)]


def test_progress_counts_all_passes(llava: VLM) -> None:
    told: list[tuple[int, int]] = []
    search_shortcuts(
        llava, bright_records(16), SMALL, repeats=1, batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(8, 32), (16, 32), (24, 32), (32, 32)]


def test_pictures_alone_need_one_pass(llava: VLM) -> None:
    space = SearchSpace(kinds=("vision", "projector"))
    told: list[tuple[int, int]] = []
    found = search_shortcuts(
        llava, bright_records(16), space, repeats=1, batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(8, 16), (16, 16)]
    assert {point.exit_layer for point in found.points} == {0}


def test_more_than_two_answers_are_told_apart(llava: VLM) -> None:
    found = search_shortcuts(llava, shades(30), SMALL, repeats=1)
    assert found.settings["labels"] == ["dark", "grey", "pale"]
    assert found.choose().accuracy > 0.8


def test_options_are_asked_by_letter_where_they_are_seen(llava: VLM) -> None:
    found = search_shortcuts(llava, choices(30), SMALL, repeats=1)
    assert found.settings["form"] == "lettered"
    assert {point.kind for point in found.points} == {"residual"}
    with pytest.raises(DataError, match="see only pictures"):
        search_shortcuts(llava, choices(30), SearchSpace(kinds=("vision", "projector")))


def test_a_model_that_was_cut_off_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="cut off after layer 2"):
        search_shortcuts(llava.truncated(2), bright_records(12), SMALL)


def test_too_few_groups_are_refused(llava: VLM) -> None:
    records = [replace(r, group="one" if r.label == "no" else None) for r in bright_records(12)]
    with pytest.raises(DataError, match="group"):
        search_shortcuts(llava, records, SMALL)


def point_at(kind: str, depth: int, order: str = "picture-first") -> Point:
    position = "last_prompt" if kind == "vision" else "image_mean"
    return Point(None, kind, position, order, depth, 0.9, 0.1, (0.8, 1.0), 1.0, 2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["residual", "vision"])
def test_a_point_becomes_a_classifier_that_goes_no_deeper(
    llava: VLM, records: list[Record], kind: str
) -> None:
    point = point_at(kind, 2, "question-first")
    classifier = classifier_at(point, llava, random_state=3).fit(records)
    assert classifier.site_ == point.site
    assert classifier.prompt.order == "question-first"
    assert classifier.random_state == 3
    assert classifier.exit_layer_ <= point.exit_layer
    assert max(neuron.layer for neuron in classifier.neurons_) <= 2
    assert classifier.score(bright_records(12, seed=1)) > 0.9


def test_smaller_pictures_are_tried_on_their_own_activations(llava: VLM) -> None:
    """At another resolution a site is captured anew, and priced at that resolution."""
    small = llava.resolution // 3
    records = bright_records(24)
    space = replace(SMALL, resolutions=(small,), orders=("picture-first",), kinds=("residual",))
    found = search_shortcuts(llava, records, space, repeats=1)
    assert found.probing is not None
    X = capture(llava, found.probing.records, sites=[Site()]).flat
    states = capture(llava.at_resolution(small), found.probing.records, sites=[Site()])
    trial = DepthTrial.of(X, found.probing.y, found.probing.groups, n_folds=5, seed=0)
    expected = Accuracies.of(trial.right(states.activations), trial.codes, trial.groups)
    mine = [p for p in found.points if p.resolution == small and p.position == "last_prompt"]
    assert [p.accuracy for p in mine] == expected.values.tolist()
    routes = {row["route"] for row in found.settings["costs"]["exits"]}
    assert f"residual, {small} pixels" in routes
    assert len(found.points) == 2 * 2 * llava.n_layers


def test_a_point_at_another_resolution_becomes_a_classifier_there(
    llava: VLM, records: list[Record]
) -> None:
    small = llava.resolution // 3
    point = replace(point_at("residual", 2), resolution=small)
    classifier = classifier_at(point, llava).fit(records)
    view = llava.at_resolution(small)
    others = bright_records(12, seed=1)
    states = capture(view, others, sites=[point.site])
    layers = [neuron.layer - 1 for neuron in classifier.neurons_]
    columns = [neuron.index for neuron in classifier.neurons_]
    given = classifier.read_out_.predict(states.activations[:, layers, columns])
    assert classifier.predict(others).tolist() == given.tolist()


def test_a_template_is_searched_and_kept(llava: VLM) -> None:
    template, records = "{pictures} {question}:", bright_records(24)
    space = SearchSpace(kinds=("residual",), positions=("last_prompt",), template=template)
    found = search_shortcuts(llava, records, space, repeats=1)
    assert {(p.order, p.template) for p in found.points} == {("picture-first", template)}
    assert found.settings["prompt_template"] == template
    probing = found.probing
    assert probing is not None
    captured = capture(llava, probing.records, prompt=Prompt(template=template))
    trial = DepthTrial.of(captured.flat, probing.y, probing.groups, n_folds=5, seed=0)
    expected = Accuracies.of(trial.right(captured.activations), trial.codes, trial.groups)
    assert [p.accuracy for p in found.points] == pytest.approx(expected.values.tolist())
    fitted = classifier_at(found.points[0], llava)
    assert fitted.prompt == Prompt(template=template)
