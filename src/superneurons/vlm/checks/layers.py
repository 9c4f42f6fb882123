"""Checks on the decoder: its layers, what comes between them, where it is cut and gone on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from superneurons.vlm.checks.check import Check, exact, rounding
from superneurons.vlm.checks.own_pass import Cut, OwnPass, restarted
from superneurons.vlm.model import VLM, Inputs

__all__ = ["between", "cut_off", "depths_of", "layers", "restart"]


def depths_of(vlm: VLM) -> list[int]:
    """Return the layers at which a model is cut: the first and a middle one."""
    return sorted({1, vlm.n_layers // 2 or 1})


def layers(vlm: VLM, own: Sequence[OwnPass]) -> Check:
    """As many layers as the configuration says, each run once and in order, in each pass."""
    wanted = int(cast(Any, vlm.model).config.get_text_config().num_hidden_layers)
    ran = {each.order for each in own}
    passed = len(vlm.layers) == wanted and ran == {tuple(range(1, wanted + 1))}
    detail = f"{len(vlm.layers)} found, {wanted} by config.json"
    if ran != {tuple(range(1, len(vlm.layers) + 1))}:
        orders = " or ".join(", ".join(map(str, order)) or "none" for order in sorted(ran))
        detail += f"; ran: {orders}"
    return Check("layers", passed, detail)


def between(own: Sequence[OwnPass]) -> Check:
    """Whether each layer, and the final norm, is given what the one before it left."""
    changed = sorted(
        {
            number
            for each in own
            for number in range(1, each.left.shape[1] + 1)
            if not _handed_on(each, number)
        }
    )
    detail = f"changed after layer {', '.join(map(str, changed))}" if changed else "equal"
    return Check("between", not changed, detail)


def _handed_on(own: OwnPass, number: int) -> bool:
    left = own.left[:, number - 1]
    last = number == own.left.shape[1]
    given = own.to_norm if last else own.given[:, number]
    # Equal, or neither a number: that is another check's to say.
    return given is not None and torch.equal(left.nan_to_num(), given.nan_to_num())


def cut_off(vlm: VLM, cuts: Sequence[Sequence[Cut]], own: Sequence[OwnPass]) -> Check:
    """Whether the model cut off leaves at the last token what the whole one does, exactly.

    Parameters
    ----------
    vlm
        The whole model.
    cuts, own
        Of each record, what the model leaves cut off and whole.
    """
    allowed = exact(vlm.dtype, vlm.device)
    share = max(
        allowed.apart(whole.left[:, : cut.depth], cut.residual)
        for of_record, whole in zip(cuts, own, strict=True)
        for cut in of_record
    )
    return Check("cut-off", share <= allowed.limit, _detail(vlm, share))


def restart(
    vlm: VLM, inputs: Sequence[Inputs], cuts: Sequence[Sequence[Cut]], own: Sequence[OwnPass]
) -> Check:
    """Whether what the model cut off leaves, and its remaining layers, give its own logits."""
    allowed = rounding(vlm.dtype, vlm.device)
    share = max(
        allowed.apart(
            cast(torch.Tensor, whole.logits)[:, None],
            cast(torch.Tensor, restarted(vlm, cut, each))[:, None],
        )
        for each, of_record, whole in zip(inputs, cuts, own, strict=True)
        for cut in of_record
    )
    return Check("restart", share <= allowed.limit, _detail(vlm, share))


def _detail(vlm: VLM, share: float) -> str:
    return f"relative {share:.1e} at layers {', '.join(map(str, depths_of(vlm)))}"
