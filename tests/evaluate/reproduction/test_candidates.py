from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pictures import bright_records
from superneurons.activations.capture import Captured, capture
from superneurons.activations.site import Site
from superneurons.evaluate.reproduction.candidates import (
    Candidate,
    Candidates,
    SingleNeuron,
    threshold_of,
)
from superneurons.evaluate.rivals import base_task
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

RECORDS = bright_records(24)
GENERATED = Site(position="first_generated")


@pytest.fixture(scope="module")
def captured(llava: VLM) -> Captured:
    words = base_task(llava, RECORDS, ("no", "yes")).words
    return capture(llava, RECORDS, sites=[Site(), GENERATED, Site("heads")], words=words)


@pytest.fixture(scope="module")
def fitted(llava: VLM, captured: Captured) -> Candidates:
    return Candidates(llava, RECORDS, captured, margin_step=0.01, seed=0)


@pytest.fixture(scope="module")
def all_of_them(fitted: Candidates) -> dict[str, Candidate]:
    found = [
        *fitted.of_logits(), *fitted.of_neurons("last_prompt"),
        *fitted.of_neurons("first_generated"), fitted.of_heads(),
    ]  # fmt: skip
    return {candidate.key: candidate for candidate in found}


def positive(records: list[Record]) -> NDArray[np.bool_]:
    return np.array([record.label == "yes" for record in records])


def test_everything_the_paper_has_is_there(all_of_them: dict[str, Candidate]) -> None:
    at_one = {
        "neuron-accuracy", "neuron-f1", "paper-accuracy-majority", "paper-accuracy-mean",
        "paper-f1-majority", "paper-f1-mean", "super-neurons", "logistic",
    }  # fmt: skip
    assert set(all_of_them) == {
        "base-first-token", "calibrated-logits", "savs", *at_one,
        *(f"{key}@first_generated" for key in at_one),
    }  # fmt: skip


def test_each_of_the_papers_rules_is_fitted_as_it_says(all_of_them: dict[str, Candidate]) -> None:
    for metric in ("accuracy", "f1"):
        for aggregation in ("majority", "mean"):
            candidate = all_of_them[f"paper-{metric}-{aggregation}"]
            fitted = candidate.decides
            assert isinstance(fitted, PaperSuperNeurons)
            assert (fitted.metric, fitted.aggregation) == (metric, aggregation)
            assert fitted.margin_step == 0.01
            assert (candidate.metric, candidate.method) == (metric, aggregation)
            threshold, margin = threshold_of(candidate)
            assert threshold is not None
            assert margin is not None
            assert threshold + margin == pytest.approx(fitted.best_score_)
    assert threshold_of(all_of_them["savs"]) == (None, None)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("site", [Site(), GENERATED], ids=str)
def test_the_best_neuron_is_the_best(
    all_of_them: dict[str, Candidate], captured: Captured, metric: str, site: Site
) -> None:
    suffix = "" if site == Site() else "@first_generated"
    single = all_of_them[f"neuron-{metric}{suffix}"]
    X = captured.at(site).flat
    scores = neuron_scores(X, positive(RECORDS), metric)  # type: ignore[arg-type]
    assert scores[single.decides.neurons_[0]] == scores.max()
    hits = single.decides.predict(single.columns(captured)) == np.array([r.label for r in RECORDS])
    if metric == "accuracy":
        assert np.mean(hits) == scores.max()


def test_each_reads_its_own_site(all_of_them: dict[str, Candidate], captured: Captured) -> None:
    flat = {site: captured.at(site).flat for site in captured.states}
    for candidate in all_of_them.values():
        X = candidate.columns(captured)
        wanted = captured.label_logits if candidate.site is None else flat[candidate.site]
        assert wanted is not None
        assert np.array_equal(X, wanted)
        assert ("@" in candidate.key) == (candidate.site == GENERATED)


def test_the_first_token_is_the_larger_logit(
    all_of_them: dict[str, Candidate], captured: Captured
) -> None:
    base = all_of_them["base-first-token"]
    logits = captured.label_logits
    assert logits is not None
    said = base.decides.predict(base.columns(captured))
    assert said.tolist() == [("no", "yes")[i] for i in logits.argmax(axis=1)]


def test_calibration_is_no_worse_on_what_it_was_fitted_to(
    all_of_them: dict[str, Candidate], captured: Captured
) -> None:
    truth = np.array([record.label for record in RECORDS])
    raw, calibrated = (
        np.mean(all_of_them[key].decides.predict(captured.label_logits) == truth)
        for key in ("base-first-token", "calibrated-logits")
    )
    assert calibrated >= raw


def test_in_sample_are_those_of_table_1(all_of_them: dict[str, Candidate]) -> None:
    in_sample = {key.split("@")[0] for key, c in all_of_them.items() if c.in_sample}
    assert in_sample == {"base-first-token", "neuron-accuracy", "neuron-f1"}


def test_a_single_neuron_says_yes_above_zero() -> None:
    single = SingleNeuron(1, ("no", "yes"))
    X = np.array([[1, -1], [-1, 0], [0, 2]], dtype=np.float16)
    assert single.predict(X).tolist() == ["no", "no", "yes"]
    assert single.decision_function(X).tolist() == [-1, 0, 2]


@pytest.mark.parametrize("key", ["super-neurons", "savs"])
def test_read_outs_are_what_a_classifier_would_have_been_fitted(
    llava: VLM, captured: Captured, key: str
) -> None:
    """With the seed, the width of a layer and the groups that a classifier gives them."""
    records = [replace(r, group=f"g{i // 4}") for i, r in enumerate(RECORDS)]
    mine = Candidates(llava, records, captured, margin_step=0.01, seed=5)
    found = {c.key: c for c in (*mine.of_neurons("last_prompt"), mine.of_heads())}[key]
    assert found.site is not None
    classifier = SuperNeuronClassifier(llava, read_out=key, site=found.site.kind, random_state=5)
    probing = probing_set(records, balanced=True, seed=5)
    classifier.fit_captured(probing, captured.at(found.site))
    width = captured.at(found.site).activations.shape[2]
    places = [(n.layer - 1) * width + n.index for n in classifier.neurons_]
    assert found.decides.neurons_.tolist() == places
    X = captured.at(found.site).flat
    reduced = classifier.read_out_.decision_function(X[:, places])
    np.testing.assert_allclose(found.decides.decision_function(X), reduced, rtol=1e-6)


def test_records_that_look_alike_are_doubtful_but_not_where_the_answer_is_read(
    llava: VLM, captured: Captured
) -> None:
    """After the same first token two records may look the same, whatever their labels."""
    same = [0, 0, *range(2, 24)]
    alike = replace(
        captured, states={site: x[same] for site, x in captured.states.items()}
    )  # fmt: skip
    mine = Candidates(llava, RECORDS, alike, margin_step=0.01, seed=0)
    assert len(list(mine.of_neurons("first_generated"))) == 8
    with pytest.warns(DataWarning, match="same activations"):
        list(mine.of_neurons("last_prompt"))


def test_the_second_answer_is_the_positive_one_however_records_are_ordered(
    llava: VLM, captured: Captured, fitted: Candidates
) -> None:
    order = np.random.default_rng(0).permutation(24)
    mixed = Candidates(
        llava, [RECORDS[i] for i in order], captured.rows(order), margin_step=0.01, seed=0
    )
    assert fitted.classes == mixed.classes == ("no", "yes")
    straight = {c.key: c for c in fitted.of_neurons("last_prompt")}
    for candidate in mixed.of_neurons("last_prompt"):
        neurons = straight[candidate.key].decides.neurons_
        assert sorted(candidate.decides.neurons_) == sorted(neurons), candidate.key
