from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import bright_records, choices, shades
from superneurons.errors import DataError
from superneurons.evaluate.robustness.crossing import Domain
from superneurons.evaluate.robustness.gathered import NEURONS
from superneurons.evaluate.robustness.shift import study_shift
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

Turned = Callable[[Sequence[Record]], list[Record]]


def darker(records: Sequence[Record]) -> list[Record]:
    """The same question under less light: what is bright here is dark elsewhere."""
    made = []
    for record in records:
        pixels = np.asarray(record.images[0]).astype(float) * 0.4
        made.append(replace(record, images=(Image.fromarray(pixels.astype(np.uint8)),)))
    return made


def test_four_pairs_of_two_distributions(llava: VLM) -> None:
    light = Domain("light", bright_records(24), bright_records(12, seed=1))
    dim = Domain("dim", darker(bright_records(24, seed=2)), darker(bright_records(12, seed=3)))
    found = study_shift(llava, [light, dim])
    assert found.what == "shift"
    assert len([cell for cell in found.cells if cell.way == NEURONS[1]]) == 4
    for name in ("light", "dim"):
        assert found.cell(NEURONS[1], name, name).scores.balanced_accuracy > 0.9
    taken = found.cell(NEURONS[1], "light", "dim")
    assert taken.loss is not None
    assert taken.loss.difference < -0.2  # all of it is dark to what was found in the light


def test_a_test_picture_of_one_in_the_probing_set_of_the_other_is_a_leak(
    llava: VLM, questions_run: list[Record]
) -> None:
    first = Domain("a", bright_records(12), bright_records(6, seed=1))
    second = Domain("b", bright_records(12, seed=2), bright_records(12)[:6])
    with pytest.raises(DataError, match="share a picture"):
        study_shift(llava, [first, second])
    assert not questions_run


@pytest.mark.parametrize("names", [("a",), ("a", "a"), ()])
def test_two_distributions_with_names_are_needed(llava: VLM, names: tuple[str, ...]) -> None:
    domains = [
        Domain(name, bright_records(12, seed=2 * i), bright_records(6, seed=2 * i + 1))
        for i, name in enumerate(names)
    ]
    with pytest.raises(DataError, match="names of their own"):
        study_shift(llava, domains)


@pytest.mark.parametrize("make", [shades, choices])
def test_other_answers_are_another_question(llava: VLM, make: Callable[..., list[Record]]) -> None:
    first = Domain("a", bright_records(12), bright_records(6, seed=1))
    with pytest.raises(DataError, match="same labels") as caught:
        study_shift(llava, [first, Domain("b", make(12, seed=4), make(6, seed=5))])
    assert "a: no, yes" in str(caught.value)
