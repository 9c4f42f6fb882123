"""Numbers with labels."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from superneurons.serve.figures import Figure


def test_a_number_needs_no_labels_and_stays_as_it_was() -> None:
    figure = Figure("psi", 0.5)
    assert figure.labels == {}
    assert figure == Figure("psi", 0.5, {})
    with pytest.raises(FrozenInstanceError):
        figure.value = 1.0  # type: ignore[misc]
