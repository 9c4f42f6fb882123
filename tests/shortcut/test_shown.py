from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

from html_tables import read_html
from pictures import bright_records
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.shortcut.search_scores import Accuracies
from superneurons.vlm.model import VLM


def _shown(value: object) -> str:
    """What a notebook asks for."""
    if hasattr(value, "_repr_mimebundle_"):
        return value._repr_mimebundle_()["text/html"]
    return value._repr_html_()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def fitted(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava).fit(bright_records(24))


def test_unfitted_it_shows_what_was_set_and_not_the_model(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(
        llava, max_layer=2, prompt_template="<b>{pictures}{question}"
    )
    rows = dict(read_html(_shown(classifier)).rows)
    assert rows["max_layer"] == "2"
    assert rows["prompt_template"] == "'<b>{pictures}{question}'"
    assert rows["model"] == str(llava)
    assert "batch_size" not in rows
    assert max(len(_shown(classifier)), 4 * len(repr(classifier))) < 2000


def test_a_model_by_name_is_not_opened_to_be_shown() -> None:
    classifier = SuperNeuronClassifier("no/such-model")
    assert dict(read_html(_shown(classifier)).rows) == {"model": "no/such-model"}
    assert "no/such-model" in repr(classifier)


def test_fitted_it_shows_what_is_read(fitted: SuperNeuronClassifier) -> None:
    found = dict(read_html(_shown(fitted)).rows)
    assert found["labels"] == "no, yes"
    assert found["exit layer"] == str(fitted.exit_layer_)
    assert found["neurons"].startswith(f"{len(fitted.neurons_):,} (layer ")
    assert found["question"] == "Is it bright?"
    assert "24 records" in found["fitted on"]
    assert fitted._repr_html_() == _shown(fitted)


def test_what_comes_from_data_is_escaped(fitted: SuperNeuronClassifier) -> None:
    from copy import copy

    hostile = copy(fitted)
    hostile.question_ = "<img src=x onerror=alert(1)>"
    hostile.classes_ = np.array(["<script>", "yes"])
    found = dict(read_html(_shown(hostile)).rows)
    assert found["question"] == "<img src=x onerror=alert(1)>"
    assert found["labels"] == "<script>, yes"


def test_scikit_learns_own_setting_and_diagrams_hold(fitted: SuperNeuronClassifier) -> None:
    with config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert set(fitted._repr_mimebundle_()) == {"text/plain"}
    assert set(fitted._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert "SuperNeuronClassifier" in estimator_html_repr(fitted)
    assert "SuperNeuronClassifier" in make_pipeline(fitted)._repr_html_()


def test_a_cascade_shows_its_stages(llava: VLM) -> None:
    cascade = Cascade(llava, layers=[1, 4], base_answer=False)
    assert "not fitted" in read_html(_shown(cascade)).texts[0]
    cascade.fit(bright_records(48))
    found = read_html(_shown(cascade))
    assert [row[0] for row in found.rows] == ["layers run", "1", "4"]
    assert [row[1] for row in found.rows[1:]] == [
        f"{len(stage.neurons):,} neurons" for stage in cascade.stages_
    ]
    assert f"{cascade.verified_.accuracy:.1%} right" in found.texts[-1]


def _search(n: int) -> ShortcutSearch:
    right = np.arange(n)[:, None] >= np.arange(n)[None] % n  # each point is right once more
    accuracies = Accuracies.of(right, np.arange(n) % 2, np.arange(n))
    points = tuple(
        Point(None, "residual", "last_prompt", "picture-first", k + 1, value, 0.01,
              (value, value), k + 1.0, 10 / (k + 1))
        for k, value in enumerate(accuracies.values.tolist())
    )  # fmt: skip
    return ShortcutSearch(points, accuracies, {})


def test_a_search_shows_its_front_and_the_choice() -> None:
    search = _search(6)
    found = read_html(_shown(search))
    assert len(found.rows) == 1 + len(search.front())
    (chosen,) = [row for row in found.rows if "(chosen by default)" in row[0]]
    assert chosen[0].startswith(f"residual, layer {search.choose().depth} ")
    assert [float(row[4]) for row in found.rows[1:]] == [p.cost_ms for p in search.front()]


def test_a_long_front_says_what_it_leaves_out() -> None:
    search = _search(30)
    hidden = len(search.front()) - 20
    found = read_html(_shown(search))
    assert len(found.rows) == 21
    assert f"{hidden} cheaper points" in found.texts[-1]


def test_a_search_without_points_is_shown() -> None:
    search = replace(_search(2), points=())
    assert read_html(_shown(search)).rows[0][0] == "reads"
