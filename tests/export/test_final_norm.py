"""Final norms that scale nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from superneurons.export.final_norm import final_norm
from superneurons.vlm.family import family_of
from superneurons.vlm.source import locate
from tiny_families import savers


@pytest.mark.parametrize(
    ("name", "weight", "keeps"),
    [("llava", 1.0, True), ("gemma3", 0.0, True), ("aya_vision", 1.0, False)],
)
def test_directions_stay_where_the_norm_is_an_rms(
    name: str, weight: float, keeps: bool, tmp_path: Path
) -> None:
    config = locate(str(savers()[name](tmp_path / name))).config
    norm = final_norm(config, family_of(config))
    assert norm.keeps_direction == keeps
    assert {float(value.unique()) for value in norm.tensors.values()} == {weight}
    states = torch.randn(5, 32, generator=torch.Generator().manual_seed(0)) * 50 + 3
    cosines = torch.cosine_similarity(norm(states), states)
    assert bool((cosines > 1 - 1e-5).all()) == keeps
    assert norm(states).dtype == torch.float32


def test_the_configuration_stays_as_it_was(llava_path: Path) -> None:
    config = locate(str(llava_path)).config
    before = config.to_dict()
    final_norm(config, family_of(config))
    assert config.to_dict() == before
