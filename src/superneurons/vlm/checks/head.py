"""Checks on what makes logits of the last state: the final norm and the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from superneurons.vlm.checks.check import Check, rounding
from superneurons.vlm.checks.own_pass import OwnPass
from superneurons.vlm.family import part
from superneurons.vlm.model import VLM

__all__ = ["logits", "norm"]


def logits(vlm: VLM, found: torch.Tensor, own: Sequence[OwnPass]) -> Check:
    """Whether the logits that are scored are the model's own.

    Parameters
    ----------
    vlm
        The whole model.
    found
        As :meth:`VLM.last_states` gives them, one row for each own pass, shape (N, V).
    own
        The model's own passes, all with logits.
    """
    expected = torch.cat([cast(torch.Tensor, each.logits) for each in own])
    allowed = rounding(vlm.dtype, vlm.device)
    share = allowed.apart(expected[:, None], found[:, None])
    return Check("logits", share <= allowed.limit, f"relative {share:.1e}")


@torch.inference_mode()
def norm(vlm: VLM, own: Sequence[OwnPass]) -> Check:
    """Whether the last state is the one before the final norm, and that one the head's.

    The norm of the last state has to be what the head is given; and the last state itself must be
    something else, by more than rounding: else it was normed already.
    """
    missing = [
        name
        for name, given in (("final norm", own[0].to_norm), ("head", own[0].to_head))
        if given is None
    ]
    if missing:
        return Check("norm", False, f"the {' and the '.join(missing)} did not run")
    final = part(vlm.model, vlm.family.norm, family=vlm.family.name)
    state = torch.cat([each.left[:, -1] for each in own])
    given = torch.cat([cast(torch.Tensor, each.to_head) for each in own])
    head = cast(Any, vlm.model).get_output_embeddings()
    by_head = head(given)[:, None]
    allowed = rounding(vlm.dtype, vlm.device)
    normed, plain = (allowed.apart(by_head, head(x)[:, None]) for x in (final(state), state))
    noise = rounding(torch.float32, torch.device("cpu")).limit
    passed = normed <= allowed.limit and plain > max(noise, 2 * normed)
    return Check("norm", passed, f"relative {normed:.1e} with it, {plain:.1e} without")
