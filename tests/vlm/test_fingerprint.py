from __future__ import annotations

from pathlib import Path

import torch

from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import save_llava


def test_a_cut_model_has_the_fingerprint_of_what_it_runs(vlm: VLM) -> None:
    assert fingerprint(vlm.truncated(2), 2) == fingerprint(vlm, 2)
    assert len({fingerprint(vlm, depth) for depth in (1, 2, 3, 4)}) == 4


def test_opening_again_gives_the_same(vlm: VLM) -> None:
    assert fingerprint(open_vlm(vlm.name, device="cpu"), 4) == fingerprint(vlm, 4)


def test_other_weights_or_another_dtype_give_another(llava: VLM, tmp_path: Path) -> None:
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    assert fingerprint(other, 1) != fingerprint(llava, 1)
    half = open_vlm(llava.name, device="cpu", dtype="float16")
    assert fingerprint(half, 1) != fingerprint(llava, 1)


def test_what_comes_after_the_exit_does_not_matter(tmp_path: Path) -> None:
    vlm = open_vlm(str(save_llava(tmp_path / "model")), device="cpu")
    before = [fingerprint(vlm, depth) for depth in (2, 3)]
    with torch.no_grad():
        vlm.layers[2].mlp.down_proj.weight += 1
    after = [fingerprint(vlm, depth) for depth in (2, 3)]
    assert after[0] == before[0]
    assert after[1] != before[1]
