"""The check on a lean pass: what an early exit computes against what the whole model does."""

from __future__ import annotations

import torch

from superneurons.vlm.checks.check import Check, rounding
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM, Inputs, LastStates
from superneurons.vlm.taps import PICTURE_KINDS

__all__ = ["lean_pass"]


@torch.inference_mode()
def lean_pass(vlm: VLM, found: Lean, inputs: Inputs, full: LastStates) -> Check:
    """Compare an early exit after the first, a middle and the last layer with the whole pass.

    Parameters
    ----------
    vlm
        The whole model.
    found
        Its lean pass.
    inputs, full
        A batch, and what the whole model leaves of it.
    """
    shares, allowed = {}, rounding(vlm.dtype, vlm.device)
    for depth in sorted({1, vlm.n_layers // 2 or 1, vlm.n_layers}):
        kinds = [kind for kind in full.parts if kind not in PICTURE_KINDS]
        start = found.start(inputs.tensors, kinds, deepest=depth)
        end = found.advance(start, depth, last=True)
        shares[depth] = max(
            allowed.apart(full.parts[kind][:, :depth], end.at(kind)) for kind in kinds
        )
    worst = max(shares, key=lambda depth: shares[depth])
    detail = f"relative {shares[worst]:.1e} (layer {worst} of {', '.join(map(str, shares))})"
    return Check("lean", shares[worst] <= allowed.limit, detail)
