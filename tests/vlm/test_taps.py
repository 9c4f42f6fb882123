from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind, shape_of


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_shape_that_is_announced(
    vlm: VLM, records: list[Record], kind: Kind
) -> None:
    states = vlm.last_states(vlm.encode(records[:3]), [kind])
    assert states.parts[kind].shape == (3, *vlm.shape(kind))
    assert states.parts[kind].isfinite().all()
    assert list(states.parts) == [kind]


def test_all_kinds_come_from_one_pass(vlm: VLM, records: list[Record]) -> None:
    inputs = vlm.encode(records[:3])
    together = vlm.last_states(inputs, KINDS)
    for kind in KINDS:
        alone = vlm.last_states(inputs, [kind]).parts[kind]
        torch.testing.assert_close(together.parts[kind], alone, rtol=1e-4, atol=1e-4)


def test_no_hook_stays_behind(vlm: VLM, records: list[Record]) -> None:
    def hooks() -> list[int]:
        return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in vlm.model.modules()]

    before = hooks()
    vlm.last_states(vlm.encode(records[:2]), KINDS)
    assert hooks() == before


def test_no_hook_stays_behind_where_a_part_is_missing(vlm: VLM, records: list[Record]) -> None:
    before = [len(layer._forward_hooks) for layer in vlm.layers]  # some of them of transformers
    other = replace(vlm, family=replace(vlm.family, projector=("model.nowhere",)))
    with pytest.raises(ModelError, match=r"model\.nowhere"):
        other.last_states(vlm.encode(records[:1]), ["residual", "projector"])
    assert [len(layer._forward_hooks) for layer in vlm.layers] == before


def test_mlp_neurons_are_what_the_down_projection_gets(vlm: VLM, records: list[Record]) -> None:
    """The last layer's output is what went into its MLP's norm plus the projected neurons."""
    inputs = vlm.encode(records[:2])
    layer = cast(Any, vlm.layers[-1])
    caught: list[torch.Tensor] = []
    handle = layer.post_attention_layernorm.register_forward_pre_hook(
        lambda _m, given: caught.append(given[0])
    )
    states = vlm.last_states(inputs, ["mlp", "residual"])
    handle.remove()
    before = caught[0][torch.arange(2), inputs.last]
    with torch.inference_mode():
        rebuilt = before + layer.mlp.down_proj(states.parts["mlp"][:, -1])
    torch.testing.assert_close(rebuilt, states.residual[:, -1], rtol=1e-4, atol=1e-4)


def test_heads_are_those_of_the_queries_side_by_side(vlm: VLM, records: list[Record]) -> None:
    """Grouped queries share keys and values; each still has a head of its own."""
    text = cast(Any, vlm.model).config.get_text_config()
    assert vlm.shape("heads") == (vlm.depth, text.num_attention_heads * vlm.head_dim)
    assert text.num_key_value_heads < text.num_attention_heads
    inputs = vlm.encode(records[:1])
    attention = cast(Any, vlm.layers[0]).self_attn
    caught: list[torch.Tensor] = []
    handle = attention.register_forward_hook(lambda _m, _given, out: caught.append(out[0]))
    heads = vlm.last_states(inputs, ["heads"]).parts["heads"][:, 0]
    handle.remove()
    with torch.inference_mode():
        torch.testing.assert_close(attention.o_proj(heads), caught[0][:, inputs.last[0]])


def test_attention_rows_mix_the_values_of_their_own_group(vlm: VLM, records: list[Record]) -> None:
    """Re-derived from queries' weights: eager attention times the repeated values."""
    config = cast(Any, vlm.model).config.get_text_config()
    before, config._attn_implementation = config._attn_implementation, "eager"
    inputs = vlm.encode(records[:1])
    attention = cast(Any, vlm.layers[0]).self_attn
    values: list[torch.Tensor] = []
    weights: list[torch.Tensor] = []
    handles = [
        attention.v_proj.register_forward_hook(lambda _m, _g, out: values.append(out[0])),
        attention.register_forward_hook(lambda _m, _g, out: weights.append(out[1][0])),
    ]
    try:
        heads = vlm.last_states(inputs, ["heads"]).parts["heads"][0, 0]
    finally:
        config._attn_implementation = before
        for handle in handles:
            handle.remove()
    last, width = int(inputs.last[0]), vlm.head_dim
    per_group = config.num_attention_heads // config.num_key_value_heads
    for number, head in enumerate(heads.split(width)):
        group = number // per_group
        of_group = values[0][:, group * width : (group + 1) * width]
        torch.testing.assert_close(head, weights[0][number, last] @ of_group, rtol=1e-4, atol=1e-5)


def test_pictures_alone_run_no_decoder_layer(vlm: VLM, records: list[Record]) -> None:
    ran: list[int] = []
    handle = vlm.layers[0].register_forward_hook(lambda *_: ran.append(1))
    inputs = vlm.encode(records[:2])
    alone = vlm.last_states(inputs, PICTURE_KINDS)
    assert not ran
    beside = vlm.last_states(inputs, [*PICTURE_KINDS, "residual"])
    assert ran
    handle.remove()
    for kind in PICTURE_KINDS:
        torch.testing.assert_close(alone.parts[kind], beside.parts[kind])


def test_the_question_does_not_reach_the_pictures(vlm: VLM, records: list[Record]) -> None:
    other = [replace(record, question="Quite another one?") for record in records[:2]]
    for kind in PICTURE_KINDS:
        one, two = (
            vlm.last_states(vlm.encode(r), [kind]).parts[kind] for r in (records[:2], other)
        )
        torch.testing.assert_close(one, two)


def test_the_projectors_average_is_that_of_the_tokens_the_decoder_gets(
    vlm: VLM, records: list[Record]
) -> None:
    inputs = vlm.encode(records[:2])
    caught: list[torch.Tensor] = []
    handle = vlm.layers[0].register_forward_pre_hook(
        lambda _m, given, named: caught.append(given[0] if given else named["hidden_states"]),
        with_kwargs=True,
    )
    found = vlm.last_states(inputs, ["projector", "residual"]).parts["projector"][:, 0]
    handle.remove()
    places = inputs.tensors["input_ids"] == cast(Any, vlm.model).config.image_token_id
    expected = torch.stack([caught[0][row][places[row]].mean(dim=0) for row in range(2)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_without_that_part_is_refused(llava: VLM) -> None:
    mixture = replace(llava.family, mlp_output="mlp.experts")
    with pytest.raises(ModelError, match=r"mlp\.experts"):
        shape_of(llava.model, mixture, "mlp")
