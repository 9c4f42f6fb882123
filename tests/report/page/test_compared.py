from __future__ import annotations

from typing import Any

import pytest

from report.drawn import Page
from report.runs import OURS, comparison, full_run, sparse_run
from superneurons.report.page.compared import compared_sections
from superneurons.report.page.section import placed_section


def _page(told: dict[str, Any]) -> Page:
    (section,) = compared_sections(full_run(comparison=told))
    return Page(placed_section(section))


def test_without_a_comparison_there_is_no_table() -> None:
    assert list(compared_sections(sparse_run())) == []


def test_each_row_has_its_scores_with_intervals() -> None:
    page = _page(comparison())
    rows = comparison()["rows"]
    assert len([a for a in page.of("th") if a.get("scope") == "row"]) == len(rows)
    assert "94.3 (91.8–96.8)" in page.text("tbody")
    assert page.text("b") == OURS
    assert "same 300 records, which it was not fitted on" in page.text("p", class_="finding")


def test_intervals_are_drawn_in_the_rows_on_one_scale() -> None:
    page = _page(comparison())
    strips = page.of("svg", class_="strip")
    assert len(strips) == len(comparison()["rows"])
    assert all(strip["aria-hidden"] == "true" for strip in strips)
    assert "40 % – 100 %" in page.text("thead")


def test_rows_without_scores_have_dashes_and_say_why() -> None:
    told = comparison()
    told["rows"][3] |= {"scores": None, "ms": None, "note": "The label words can't be told apart."}
    page = _page(told)
    assert len(page.of("svg", class_="strip")) == len(told["rows"]) - 1
    assert "The label words can't be told apart." in page.text("li")


@pytest.mark.parametrize(
    ("field", "heading"),
    [("agreement", "as base, %"), ("exit_layer", "exit layer"), ("best_neuron", "best neuron, %"),
     ("speed_up_over_generate", "× generate")],
)  # fmt: skip
def test_columns_of_which_nothing_is_known_are_left_out(field: str, heading: str) -> None:
    told = comparison()
    assert heading in _page(told).text("thead")
    told["rows"] = [row | {field: None} for row in told["rows"]]
    assert heading not in _page(told).text("thead")


def test_no_scores_at_all() -> None:
    told = comparison()
    told["rows"] = [row | {"scores": None} for row in told["rows"]]
    page = _page(told)
    assert not page.of("svg")
    assert "read-outexit layer" in page.text("thead")


def test_chance_is_told_below() -> None:
    page = _page(comparison())
    assert "balanced accuracy with shuffled labels 42.7 %; chance maximum 58.8 %" in page.text("p")
    assert "Beside them" not in _page(comparison() | {"null": {}}).text("p")


def test_values_are_sorted_in_full_precision() -> None:
    told = comparison()
    told["rows"][0]["scores"]["balanced_accuracy"] = 0.123456
    values = [a.get("data-value") for a in _page(told).of("td")]
    assert values.count("0.123456") == 2


def test_each_column_has_its_own_value() -> None:
    scores = {
        "n": 40, "accuracy": 0.11, "accuracy_interval": [0.1, 0.12], "balanced_accuracy": 0.21,
        "balanced_accuracy_interval": [0.2, 0.22], "f1": 0.31, "ece": 0.041,
    }  # fmt: skip
    row = {
        "name": "one", "scores": scores, "exit_layer": 0, "neurons": 1234, "note": "",
        "ms": {"median": 5.5, "low": 5.0, "high": 6.0}, "speed_up_over_generate": 6.5,
        "speed_up_over_prefill": 7.5, "agreement": 0.81, "best_neuron": 0.91, "null_maximum": 0.61,
    }  # fmt: skip
    page = _page({"rows": [row]})
    assert page.text("thead").endswith(
        "balanced accuracy, %accuracy, %F1, %ECE, %exit layerneurons"
        "ms× generate× one tokenas base, %best neuron, %null max, %"
    )
    values = [cell.get("data-value") for cell in page.of("td")]
    assert values == [
        "0.21", "0.21", "0.11", "0.31", "0.041", "0", "1234", "5.5", "6.5", "7.5", "0.81", "0.91",
        "0.61",
    ]  # fmt: skip
    assert page.text("tbody").endswith(
        "21.0 (20.0–22.0)11.0 (10.0–12.0)31.04.101,2345.56.57.581.091.061.0"
    )


def test_records_are_those_of_the_first_row_that_was_scored() -> None:
    told = comparison()
    told["rows"][0] |= {"scores": None}
    told["rows"][1]["scores"]["n"] = 1
    assert "Each scored on the same 1 record," in _page(told).text("p", class_="finding")


def test_the_base_model_and_what_is_recommended_have_their_looks() -> None:
    page = _page(comparison())
    dots = [a["class"] for a in page.of("circle", class_="dot")]
    rows = [row["name"] for row in comparison()["rows"]]
    assert len(dots) == len(rows)
    assert dots[rows.index(OURS)] == "dot ours"
    assert dots.count("dot ours") == dots.count("dot base") == 1


def test_a_row_whose_name_is_markup_is_text() -> None:
    told = comparison()
    told["rows"][0] |= {"name": "<img src=x onerror=alert(1)>", "note": "<script>alert(2)</script>"}
    page = _page(told)
    assert not page.of("img")
    assert not page.of("script")
    assert "<img src=x onerror=alert(1)>" in page.text("tbody")
    assert "<script>alert(2)</script>" in page.text("li")
