from __future__ import annotations

from dataclasses import replace

from html_tables import read_html
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.metrics import score
from superneurons.evaluate.neurons import NeuronSeen, NeuronsSeen
from superneurons.evaluate.recommendation import Recommendation
from superneurons.evaluate.shown import comparison_html
from superneurons.shortcut.timing import Timing


def _comparison(recommendation: Recommendation | None = None) -> Comparison:
    scores = score(["no", "yes"] * 5, ["no", "yes"] * 4 + ["no", "no"], classes=["no", "yes"])
    rows = (
        Row(FIRST_TOKEN, None, 30, timing=Timing(1234.5, 1190, 1300, 5), note="same <first> token"),
        Row("ours", scores, 2, 7, Timing(50, 49, 51, 5)),
    )
    return Comparison(rows, {"test_records": 10}, {}, recommendation)


def test_each_way_of_answering_is_a_row() -> None:
    found = read_html(_comparison()._repr_html_())
    assert [row[0] for row in found.rows] == ["", FIRST_TOKEN, "ours"]
    base, ours = found.rows[1:]
    assert base[1:] == ["–", "–", "30", "–", "1,234", "same <first> token"]
    assert ours[1].startswith("90.0 (")
    assert ours[3:6] == ["2", "7", "50"]
    assert "Scored on 10 records" in found.texts


def test_the_recommendation_stands_below() -> None:
    said = Recommendation("Use <ours>.", "ours", {})
    assert read_html(comparison_html(_comparison(said))).texts[-1] == "Use <ours>."
    assert "p" not in read_html(comparison_html(_comparison())).tags


def test_neurons_are_rows_with_what_they_say() -> None:
    one = NeuronSeen(3, 41, -0.25, "<yes>", False, 1.5, 0.75, 0.875, (), (), ())
    votes = replace(one, weight=None, above=True)
    found = read_html(NeuronsSeen(8, 16, 0.9, None, (one, votes))._repr_html_())
    assert found.rows[1] == ["layer 3, neuron 41", "-0.25", "<yes> below 1.5", "75.0", "87.5"]
    assert found.rows[2][1:3] == ["–", "<yes> above 1.5"]
    assert "16 questions" in found.texts
    assert "90.0% balanced" in found.texts[-1]
