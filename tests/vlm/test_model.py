from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from superneurons.errors import DataError, ModelError
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt


@pytest.fixture(scope="module")
def mixed(records: list[Record]) -> list[Record]:
    """Different lengths, and one record with two pictures."""
    longer = replace(records[1], question="Is it bright, or would you rather say that it is dark?")
    double = replace(records[2], images=records[2].images + records[3].images)
    return [records[0], longer, double]


def test_the_states_are_those_that_the_model_itself_reports(
    vlm: VLM, records: list[Record]
) -> None:
    inputs = vlm.encode(records[:1])
    reported = vlm.model(**inputs.tensors, output_hidden_states=True, use_cache=False)
    states = vlm.last_states(inputs, logits=True)
    for layer in range(1, vlm.n_layers):
        torch.testing.assert_close(
            states.residual[:, layer - 1], reported.hidden_states[layer][:, -1]
        )
    assert states.logits is not None
    torch.testing.assert_close(states.logits, reported.logits[:, -1])


def test_the_last_state_is_not_the_normed_one(vlm: VLM, records: list[Record]) -> None:
    inputs = vlm.encode(records[:1])
    reported = vlm.model(**inputs.tensors, output_hidden_states=True, use_cache=False)
    last = vlm.last_states(inputs).residual[:, -1]
    norm = vlm.model.get_submodule(vlm.family.decoder).norm
    torch.testing.assert_close(norm(last), reported.hidden_states[-1][:, -1])
    assert not torch.allclose(last, reported.hidden_states[-1][:, -1])


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations([0, 1, 2]), side=st.sampled_from(["left", "right"]))
def test_neither_order_nor_padding_nor_company_moves_a_record(
    vlm: VLM, mixed: list[Record], order: list[int], side: str
) -> None:
    alone = torch.cat([vlm.last_states(vlm.encode([record])).residual for record in mixed])
    together = vlm.encode([mixed[i] for i in order], padding_side=side)
    states = vlm.last_states(together).residual
    torch.testing.assert_close(states, alone[order], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_cut_model_leaves_what_the_whole_one_does(
    vlm: VLM, mixed: list[Record], depth: int
) -> None:
    whole = vlm.last_states(vlm.encode(mixed)).residual
    cut = vlm.truncated(depth)
    assert torch.equal(cut.last_states(cut.encode(mixed)).residual, whole[:, :depth])
    assert (cut.depth, cut.n_layers, vlm.depth) == (depth, 4, 4)


def test_only_the_whole_model_has_logits(vlm: VLM, records: list[Record]) -> None:
    cut = vlm.truncated(2)
    with pytest.raises(ModelError, match="layer 2 of 4 gives no logits"):
        cut.last_states(cut.encode(records[:1]), logits=True)


def test_no_hook_is_left_behind_even_after_a_failure(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = vlm.encode(records[:1])
    before = [len(layer._forward_hooks) for layer in vlm.layers]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(vlm.layers[-1], "forward", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        vlm.last_states(inputs)
    assert [len(layer._forward_hooks) for layer in vlm.layers] == before


def test_copying_an_estimator_does_not_copy_a_model(vlm: VLM) -> None:
    assert copy.deepcopy(vlm) is vlm


def test_its_repr_is_short(vlm: VLM) -> None:
    assert "4 layers, first 2 kept" in repr(vlm.truncated(2))
    assert len(repr(vlm)) < 250


def picture(mode: str) -> Image.Image:
    """Something that every mode can show: black and white halves."""
    halves = Image.new("L", (28, 20), 255)
    halves.paste(0, (0, 0, 14, 20))
    return halves.convert("RGB").convert(mode)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr", "HSV"])
def test_the_mode_of_a_picture_does_not_matter(vlm: VLM, mode: str) -> None:
    plain, other = (
        vlm.last_states(vlm.encode([Record((picture(m),), "Is it bright?")])).residual
        for m in ("RGB", mode)
    )
    torch.testing.assert_close(other, plain, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("form", ["png", "bmp", "gif", "tiff", "webp"])
def test_a_picture_by_path_is_the_picture(vlm: VLM, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"picture.{form}"
    picture("RGB").save(path, **({"lossless": True} if form == "webp" else {}))
    shown, named = (
        vlm.last_states(vlm.encode([Record((source,), "Why?")])).residual
        for source in (picture("RGB"), path)
    )
    assert torch.equal(shown, named)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (3, 50), (50, 3), (300, 200)])
def test_pictures_of_any_size_can_be_shown(vlm: VLM, size: tuple[int, int]) -> None:
    one = Record((Image.new("RGB", size, "red"),), "Is it red?")
    other = Record((Image.new("RGB", size, "blue"),), "Is it red?")
    states = vlm.last_states(vlm.encode([one, other])).residual
    assert states.isfinite().all()
    assert not torch.allclose(states[0], states[1])


def test_every_picture_of_a_record_counts_and_so_does_their_order(
    vlm: VLM, records: list[Record]
) -> None:
    dark, bright = records[0].images[0], records[1].images[0]
    asked = [Record(pictures, "Same?") for pictures in ((dark, bright), (bright, dark), (dark,))]
    states = [vlm.last_states(vlm.encode([record])).residual for record in asked]
    assert not torch.allclose(states[0], states[1])
    assert not torch.allclose(states[0], states[2])


def test_the_question_counts_in_either_order(vlm: VLM, records: list[Record]) -> None:
    bright, dark = records[0], replace(records[0], question="Is it dark?")
    for order in ("picture-first", "question-first"):
        prompt = Prompt(order)  # type: ignore[arg-type]
        states = vlm.last_states(vlm.encode([bright, dark], prompt)).residual
        assert not torch.allclose(states[0], states[1])
    first = vlm.last_states(vlm.encode([bright])).residual
    last = vlm.last_states(vlm.encode([bright], Prompt("question-first"))).residual
    assert not torch.allclose(first, last)


@pytest.mark.parametrize(
    "question", ["Ist es grün? 是不是?", "¿Está allí? 🙂", "a" * 400, "{x} %s"]
)
def test_any_text_is_a_question(vlm: VLM, records: list[Record], question: str) -> None:
    asked = [replace(records[0], question=question), records[1]]
    states = vlm.last_states(vlm.encode(asked)).residual
    assert states.isfinite().all()
    alone = vlm.last_states(vlm.encode(asked[:1])).residual
    torch.testing.assert_close(states[:1], alone, atol=2e-4, rtol=2e-4)


def test_a_mark_for_a_picture_within_a_question_is_refused(vlm: VLM, records: list[Record]) -> None:
    token = vlm.model.config.image_token_id
    mark = vlm.processor.tokenizer.convert_ids_to_tokens(token)
    marked = replace(records[1], question=f"{mark}\nIs it bright?")
    with pytest.raises(DataError, match="own mark for a picture") as caught:
        vlm.encode([records[0], marked, replace(marked, id="")])
    assert [p.where for p in caught.value.problems] == ["bright:1", "record 2"]
    assert mark in str(caught.value.mend)


def test_a_picture_that_the_processor_refuses_is_said(vlm: VLM) -> None:
    strip = Record((Image.new("RGB", (1000, 2)),), "Is it bright?", id="a.jsonl:7")
    if vlm.family.picture_tokens is None:  # squeezed into a square, whatever its shape
        assert len(vlm.encode([strip])) == 1
    else:
        with pytest.raises(DataError, match="aspect ratio") as caught:
            vlm.encode([strip])
        assert "a.jsonl:7" in str(caught.value)


def test_threads_do_not_disturb_each_other(vlm: VLM, records: list[Record]) -> None:
    models = [vlm, vlm.truncated(2), vlm.truncated(3)] * 3
    inputs = [vlm.encode([records[i]]) for i in range(9)]
    alone = [m.last_states(i).residual for m, i in zip(models, inputs, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda m, i: m.last_states(i).residual, models, inputs))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def sized() -> list[Record]:
    """Pictures of many sizes, two in one record."""
    rng = np.random.default_rng(5)
    sizes = [(28, 28), (50, 41), (30, 90), (28, 28), (7, 100), (1, 1)]
    shown = [Image.fromarray(rng.integers(0, 256, (*s, 3), dtype=np.uint8)) for s in sizes]
    return [
        *(Record((picture,), f"Is it number {i}?") for i, picture in enumerate(shown)),
        Record((shown[1], shown[2]), "Are they the same?"),
    ]


def test_pictures_prepared_on_the_device_give_the_same_states(
    vlm: VLM, sized: list[Record]
) -> None:
    there = replace(vlm, preparation="device")
    for padding_side in ("right", "left"):
        by_processor, by_us = (v.encode(sized, padding_side=padding_side) for v in (vlm, there))
        assert by_us.pictures == by_processor.pictures
        assert torch.equal(by_us.last, by_processor.last)
        expected = vlm.last_states(by_processor, logits=True)
        found = there.last_states(by_us, logits=True)
        torch.testing.assert_close(found.residual, expected.residual)
        assert found.logits is not None
        assert expected.logits is not None
        assert torch.equal(found.logits.argmax(1), expected.logits.argmax(1))


@pytest.mark.parametrize(
    ("preparation", "asked"), [("auto", True), ("processor", True), ("device", False)]
)
def test_on_a_cpu_the_processor_prepares_unless_asked(
    llava: VLM, records: list[Record], preparation: Preparation, asked: bool
) -> None:
    llava.encode(records[:1])
    replace(llava, preparation="device").encode(records[:1])  # compared with the processor by now
    with patch.object(
        type(llava.processor), "__call__", autospec=True, side_effect=type(llava.processor).__call__
    ) as called:
        replace(llava, preparation=preparation).encode(records[:1])
    assert called.called is asked


def test_a_picture_that_the_processor_refuses_is_refused_on_the_device_too(
    vlm: VLM, records: list[Record]
) -> None:
    if vlm.family.picture_tokens is None:
        pytest.skip("its pictures all get one size")
    narrow = replace(records[0], images=(Image.new("RGB", (1, 300)),))
    for preparation in ("processor", "device"):
        with pytest.raises(DataError, match="aspect ratio"):
            replace(vlm, preparation=preparation).encode([records[1], narrow])


@pytest.mark.parametrize("preparation", ["processor", "device"])
def test_many_threads_may_encode_at_once(
    vlm: VLM, sized: list[Record], preparation: Preparation
) -> None:
    """Tokenizers with settings of their own for each call are not made for that."""
    vlm = replace(vlm, preparation=preparation)
    calls = [(sized[: 1 + i % 4], ("right", "left")[i % 2]) for i in range(24)]
    alone = [vlm.encode(batch, padding_side=side) for batch, side in calls]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda c: vlm.encode(c[0], padding_side=c[1]), calls))
    for found, expected in zip(together, alone, strict=True):
        for name, wanted in expected.tensors.items():
            assert torch.equal(found.tensors[name], wanted)
