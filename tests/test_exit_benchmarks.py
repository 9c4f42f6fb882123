"""The benchmarks of exits, at a size where they prove nothing but still have to be right."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import _agreement
import _exits
import _gpu
import _shapes
import exit_llava
import exit_qwen3_vl
import jpeg_to_label
import many_questions
import probing_7b

from jpegs import Decoder, install
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.task.images import embedded_image
from superneurons.task.record import Record
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.model import VLM

TINY = ("llava-tiny", "qwen3-vl-tiny")
SMALL = ["--device=cpu", "--dtype=float32", "--repeats=2", "--warm=1", "--agree=8"]


def made(name: str, dtype: torch.dtype = torch.float32) -> VLM:
    shape = _shapes.SHAPES[name]
    llava = name.startswith("llava")
    processor = _shapes.llava_processor(shape.config) if llava else None
    return _shapes.build(shape, device="cpu", dtype=dtype, processor=processor)


@pytest.fixture(scope="module", params=TINY)
def tiny(request: pytest.FixtureRequest) -> tuple[VLM, _shapes.Shape]:
    return made(request.param), _shapes.SHAPES[request.param]


@pytest.mark.parametrize(
    ("name", "parameters", "tokens"),
    [("llava-7b", 7.063e9, 640), ("qwen3-vl-4b", 4.438e9, 340), ("qwen3-vl-8b", 8.767e9, 340)],
)
def test_shapes_are_those_of_the_models(name: str, parameters: float, tokens: int) -> None:
    shape = _shapes.SHAPES[name]
    with torch.device("meta"):
        family = _shapes.family_of(shape.config)
        model = getattr(transformers, family.model_class)(shape.config)
    model.tie_weights()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=1e-3)
    assert shape.tokens == tokens


def test_models_are_made_with_random_weights_and_true_buffers(
    tiny: tuple[VLM, _shapes.Shape],
) -> None:
    vlm, shape = tiny
    usual = getattr(transformers, vlm.family.model_class)(shape.config)
    theirs = dict(usual.named_buffers())
    assert theirs
    assert theirs.keys() == dict(vlm.model.named_buffers()).keys()
    for name, buffer in vlm.model.named_buffers():
        torch.testing.assert_close(buffer, theirs[name], rtol=0, atol=0)
    for name, parameter in vlm.model.named_parameters():
        of_norm = "norm" in name and name.endswith("weight")
        spread = 0 if of_norm else shape.spread
        assert parameter.std().item() == pytest.approx(spread, rel=0.6), name
        assert not parameter.requires_grad
    assert vlm.model.config.tie_word_embeddings == (
        vlm.model.lm_head.weight is vlm.model.get_input_embeddings().weight
    )


def test_buffers_keep_their_dtype_whatever_the_weights_are() -> None:
    vlm = made("qwen3-vl-tiny", torch.bfloat16)
    assert vlm.dtype == torch.bfloat16
    assert {b.dtype for _, b in vlm.model.named_buffers()} == {torch.float32}
    assert torch.get_default_dtype() == torch.float32


def test_fewer_layers_leave_the_shape_as_it_is() -> None:
    shape = _shapes.SHAPES["llava-7b"]
    assert shape.with_layers(2).config.text_config.num_hidden_layers == 2
    assert shape.config.text_config.num_hidden_layers == 32


def test_the_tower_alone_has_no_layer_that_is_not_read() -> None:
    shape = _shapes.SHAPES["llava-tiny"]
    tower = _shapes.vision_tower(shape, device="cpu", dtype=torch.float32)
    layers = [name for name, _ in tower.named_modules() if name.endswith("mlp")]
    assert len(layers) == shape.config.vision_config.num_hidden_layers - 1


def test_inputs_are_what_a_model_takes(tiny: tuple[VLM, _shapes.Shape]) -> None:
    vlm, shape = tiny
    same, other = (_shapes.random_inputs(vlm, shape, 3, seed=seed) for seed in (1, 2))
    ids = same.tensors["input_ids"]
    assert torch.equal(ids, other.tensors["input_ids"])
    assert (ids == shape.config.image_token_id).sum(1).tolist() == [shape.picture_tokens] * 3
    own = _shapes.random_inputs(vlm, shape, 3, seed=1, question=-1).tensors["input_ids"]
    assert not torch.equal(own[0], own[1])
    assert own[:, -1].tolist() == [_shapes.FIRST_WORD] * 3
    states = [vlm.last_states(inputs).residual for inputs in (same, other)]
    assert states[0].isfinite().all()
    assert (states[0] - states[1]).abs().max() > 1e-3  # what is in the picture arrives


def test_patches_lie_as_the_image_processor_lays_them() -> None:
    shape = _shapes.SHAPES["qwen3-vl-tiny"]
    vision = shape.config.vision_config
    pixels = np.random.default_rng(0).integers(0, 256, (shape.height, shape.width, 3), np.uint8)
    processor = Qwen2VLImageProcessorPil(
        patch_size=vision.patch_size, merge_size=vision.spatial_merge_size, temporal_patch_size=2,
        do_resize=False, do_rescale=False, do_normalize=False,
    )  # fmt: skip
    theirs = processor(images=[Image.fromarray(pixels)], return_tensors="pt")
    ours = _shapes._as_patches(torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), shape)
    torch.testing.assert_close(ours, theirs["pixel_values"].float(), rtol=0, atol=0)
    assert theirs["image_grid_thw"].tolist() == [[1, *shape.grid]]


def test_a_question_has_a_token_for_each_letter() -> None:
    vlm, shape = made("llava-tiny"), _shapes.SHAPES["llava-tiny"]
    records = probing_7b.records_of(3, shape.text - 1)
    assert vlm.encode(records).tensors["input_ids"].shape == (3, shape.tokens)
    assert len({record.question for record in records}) == 1
    assert len(probing_7b.records_of(1, 63)[0].question) == 63


def test_sides_take_turns_until_the_time_is_over() -> None:
    calls: list[tuple[str, int]] = []

    def side(name: str) -> Any:
        return lambda number: calls.append((name, number))

    found = _gpu.in_turns({n: side(n) for n in "ab"}, device="cpu", warm=1, repeats=3, seconds=9)
    assert [name for name, _ in calls] == list("ab" * 4)
    assert [number for _, number in calls] == [0, 0, 0, 0, 1, 1, 2, 2]
    assert found["a"].repeats == 3
    assert found["a"].low <= found["a"].ms <= found["a"].high
    assert _gpu.in_turns({"a": side("a")}, device="cpu", seconds=0)["a"].repeats == 5


def test_neurons_are_of_all_layers_to_the_exit() -> None:
    vlm = made("llava-tiny")
    layers, columns = _exits.neurons(vlm, 3, 50)
    assert len(layers) == len(columns) == 50
    assert set(layers) == {1, 2, 3}
    assert layers[-1] == 3
    assert set(columns) <= set(range(vlm.hidden_size))
    assert len(_exits.neurons(vlm, 1, 10**6)[0]) == vlm.hidden_size


def test_baselines_answer_as_the_model_does(tiny: tuple[VLM, _shapes.Shape]) -> None:
    vlm, shape = tiny
    inputs = _shapes.random_inputs(vlm, shape, 4, seed=3)
    logits = vlm.last_states(inputs, logits=True).logits
    assert logits is not None
    above = logits[:, _exits.YES] > logits[:, _exits.NO]
    assert _exits.prefilled(vlm)(inputs) == ["yes" if yes else "no" for yes in above]
    first = logits.argmax(dim=1) == _exits.YES
    assert _exits.generated(vlm)(inputs) == ["yes" if yes else "no" for yes in first]
    read_out = _exits.LinearReadOut(vlm.hidden_size, "cpu")
    trunk = vlm.truncated(2).model.get_submodule("model")
    with torch.inference_mode():
        last = trunk(**inputs.tensors, use_cache=False).last_hidden_state[:, -1]
        expected = [("no", "yes")[int(value > 0)] for value in last @ read_out.weights]
    assert _exits.cut(vlm, 2)(inputs) == expected


def test_ways_that_cannot_run_are_told_with_their_reason() -> None:
    vlm, shape = made("llava-tiny"), _shapes.SHAPES["llava-tiny"]
    first = [_shapes.random_inputs(vlm, shape, 2, seed=0)]
    ready, failed = _exits.open_all(vlm, [1, 1], [0, 1], ("off", "lean", "graphs"), first)
    assert [opened.exit.path for opened in ready] == ["off", "lean"]
    assert [row["way"] for row in failed] == ["graphs"]
    assert "CUDA" in failed[0]["reason"]
    ready, failed = _exits.open_all(vlm, [99], [0], ("lean",), first, site=Site("vision"))
    assert not ready
    assert failed[0]["kind"] == "vision"
    assert ModelError.__name__ in failed[0]["reason"]


class Upside(EarlyExit):
    """Says the opposite where it isn't the plain model."""

    def __call__(self, inputs: Any) -> torch.Tensor:
        found = super().__call__(inputs)
        return found if self.path == "off" else -found


def options_for(agree: int, ways: Sequence[str]) -> Any:
    return SimpleNamespace(agree=agree, agree_batch=4, neurons=40, accelerations=ways)


def test_decisions_are_compared_with_the_plain_pass(
    tiny: tuple[VLM, _shapes.Shape], monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, shape = tiny
    options = options_for(40, ("off", "lean"))
    for own_words in (False, True):
        rows, failed = _agreement.agreement(vlm, shape, 2, options, own_words=own_words)
        assert not failed
        assert [row["agree"] for row in rows] == [1, 1]
        assert rows[1]["noise"] < 1e-3
        assert 0.2 < rows[0]["share yes"] < 0.8
        assert rows[0]["records"] == 40
    monkeypatch.setattr(_exits, "EarlyExit", Upside)
    off, lean = _agreement.agreement(vlm, shape, 2, options, own_words=False)[0]
    assert off["agree"] == 1
    assert lean["agree"] < 0.9
    assert lean["flips"] == round((1 - lean["agree"]) * 40)
    assert lean["noise"] > 0.5


def printed_and_written(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Any]:
    return capsys.readouterr().out, json.loads(path.read_text())


def test_exits_of_llava_are_timed_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "found.json"
    more = ["--shape=tiny", "--batches", "1", "2", "--at", "vision:1:16", "residual@image_mean:2"]
    exit_llava.main([*SMALL, *more, f"--out={out}"])
    text, found = printed_and_written(out, capsys)
    assert text.startswith("tiny LLaVA, 16 tokens, float32")
    for batch in (1, 2):
        rows = {row["side"]: row for row in found["times"] if row["batch"] == batch}
        assert {"HF generate(1)", "HF prefill", "ours, off", "ours, lean"} <= rows.keys()
        lean, base = rows["ours, lean"], rows["HF generate(1)"]
        assert lean["x HF generate(1)"] == pytest.approx(base["ms"] / lean["ms"])
        tower = rows["tower alone, lean"]
        assert lean["/ tower alone"] == pytest.approx(lean["ms"] / tower["ms"])
        at = [side for side in rows if side.startswith("at ")]
        assert at == [
            f"at {place}, {way}"
            for place in ("vision, layer 1, 16 pixels",
                          "residual@image_mean, layer 2, own resolution")
            for way in ("off", "lean")
        ]  # fmt: skip
        assert all(f"| {batch} | {side} |" in text for side in rows)
    assert {(row["words"], row["way"], row["agree"]) for row in found["agreement"]} == {
        (words, way, 1.0) for words in ("same", "own") for way in ("off", "lean")
    }
    assert text.count("- graphs (residual)") == 1


def test_exits_of_qwen_are_timed_at_each_depth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    exit_qwen3_vl.main(
        [*SMALL, "--size=tiny", "--batches", "2", "--exits", "1", "3", f"--out={out}"]
    )
    text, found = printed_and_written(out, capsys)
    assert text.startswith("tiny Qwen3-VL, 13 tokens, float32")
    sides = ("HF generate(1)", "HF prefill", "HF cut to the exit", "ours, off", "ours, lean")
    assert [(row["exit"], row["side"]) for row in found["times"]] == [
        (depth, side) for depth in (1, 3) for side in sides
    ]
    assert {row["exit"] for row in found["agreement"]} == {1, 3}
    assert {row["agree"] for row in found["agreement"]} == {1}


def test_a_jpeg_is_prepared_as_the_processor_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    jpeg_to_label.main([*SMALL, "--shape=tiny", f"--out={out}"])
    _, found = printed_and_written(out, capsys)
    sides = {row["side"]: row for row in found["times"]}
    assert {"HF, Pillow", "ours, lean, Pillow", "ours, lean, on the device"} <= sides.keys()
    assert all("x HF, Pillow" in row for row in sides.values())
    agreed = next(row for row in found["agreement"] if row["way"] == "on the device")
    assert agreed["agree"] == 1
    vlm, shape = made("llava-tiny"), _shapes.SHAPES["llava-tiny"]
    ways, _ = jpeg_to_label.preparations(vlm, shape)
    content = jpeg_to_label.jpeg(5)
    image = jpeg_to_label.decoded(content)
    assert image.size == (jpeg_to_label.WIDTH, jpeg_to_label.HEIGHT)
    expected = vlm.encode([Record((image,), "x")]).tensors["pixel_values"]
    for prepare in ways.values():
        torch.testing.assert_close(prepare(content), expected, rtol=0, atol=0.02)


def test_a_jpeg_is_decoded_there_as_the_library_does_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    out = tmp_path / "found.json"
    jpeg_to_label.main([*SMALL, "--shape=tiny", f"--out={out}"])
    _, found = printed_and_written(out, capsys)
    assert "ours, lean, decoded there too" in {row["side"] for row in found["times"]}
    agreed = next(row for row in found["agreement"] if row["way"] == "decoded there too")
    assert agreed["records"] == 8
    assert agreed["noise"] > 0
    assert not any(row["kind"] == "preparation" and "there" in row["way"] for row in left(found))
    vlm, content = made("llava-tiny"), jpeg_to_label.jpeg(5)
    ways, _ = jpeg_to_label.preparations(vlm, _shapes.SHAPES["llava-tiny"])
    image = embedded_image(content)
    expected = replace(vlm, preparation="jpeg").encode([Record((image,), "x")])
    assert torch.equal(ways["decoded there too"](content), expected.tensors["pixel_values"])
    decoder.refuses = lambda _: True
    with pytest.raises(RuntimeError, match="not decoded on cpu"):
        ways["decoded there too"](content)


def test_what_is_not_decoded_there_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, None, on="cuda")
    out = tmp_path / "found.json"
    jpeg_to_label.main([*SMALL, "--shape=tiny", "--only", "time", f"--out={out}"])
    _, found = printed_and_written(out, capsys)
    reasons = {row["way"]: row["reason"] for row in left(found)}
    assert "needs a CUDA device" in reasons["decoded there too"]
    assert not any(row["side"].endswith("decoded there too") for row in found["times"])


def left(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found.get("not run", [])
    return rows


def test_probing_beside_bare_prefills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    numbers = ["--samples=10", "--batch=4", "--block=2", "--rounds=2"]
    probing_7b.main(["--shape=tiny", "--device=cpu", *numbers, f"--out={out}"])
    text, found = printed_and_written(out, capsys)
    assert found["activations"] == [10, 4, 64]
    assert found["batches"] == 3
    bare = found["seconds per batch"]["HF prefills"]
    assert found["seconds of bare prefills, scaled"] == pytest.approx(3 * bare)
    assert found["ratio for all"] == pytest.approx(found["seconds for all"] / (3 * bare))
    assert {len(values) for values in found["all rounds"].values()} == {2}
    assert "10 samples in batches of 4, all 4 layers" in text


def test_questions_share_a_picture_and_keep_their_words() -> None:
    vlm = made("llava-tiny")
    shape = many_questions.with_words_after(_shapes.SHAPES["llava-tiny"], 5)
    asked = many_questions.questions_of(vlm, shape, 3, 5, depth=2, n_neurons=8)
    inputs = _shapes.random_inputs(vlm, shape, 2, seed=1)
    ids = [many_questions.asking(inputs, q.words).tensors["input_ids"] for q in asked]
    stem = many_questions.stem_of(shape)
    assert (inputs.tensors["input_ids"][:, stem - 1] == shape.config.image_token_id).all()
    assert {len(row[stem:]) for batch in ids for row in batch} == {5}
    assert all(torch.equal(batch[:, :stem], ids[0][:, :stem]) for batch in ids)
    assert not torch.equal(ids[0], ids[1])
    exits = [EarlyExit(vlm, q.layers, q.columns, acceleration="off") for q in asked]
    sides = (
        many_questions.together(vlm, stem, asked)(inputs),
        many_questions.apart(exits, asked)(inputs),
    )
    torch.testing.assert_close(*sides, atol=2e-4, rtol=2e-4)
    heads = many_questions.same(vlm, asked)(inputs)
    assert heads.shape == sides[0].shape
    torch.testing.assert_close(heads[:, :8], sides[0][:, :8], atol=2e-4, rtol=2e-4)
    assert (heads[:, 8:] - sides[0][:, 8:]).abs().max() > 1e-3  # other words


def test_further_questions_are_timed_beside_asking_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    numbers = ["--exits", "1", "3", "--batches", "2", "--questions", "1", "2", "4", "--words=5"]
    more = ["--neurons=20", "--own=2", "--agree=16", "--repeats=2", "--warm=1"]
    many_questions.main(
        ["--shape=tiny", "--device=cpu", "--dtype=float32", *numbers, *more, f"--out={out}"]
    )
    text, found = printed_and_written(out, capsys)
    assert text.startswith("tiny LLaVA, 10 tokens in common, 5 of each question")
    for depth in (1, 3):
        rows = {
            (row["side"], row["questions"]): row for row in found["times"] if row["exit"] == depth
        }
        assert len(rows) == 9
        four, one = rows["together", 4], rows["together", 1]
        further = (four["ms"] - one["ms"]) / 3 / 2
        assert four["ms per further question"] == pytest.approx(further)
        again = rows["one after another", 4]
        assert four["one after another / it"] == pytest.approx(again["ms"] / four["ms"])
        alone = rows["one after another", 1]
        assert again["x one question"] == pytest.approx(again["ms"] / alone["ms"])
    assert [row["agree"] for row in found["agreement"]] == [1, 1]
    assert "not run" not in found


def test_fitted_questions_are_answered_together_as_alone(
    llava_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    numbers = ["--probe=16", "--test=6", "--repeats=2", "--warm=1", "--max-layer=2"]
    many_questions.main(
        [f"--model={llava_path}", "--tasks", "dark", "focus", "--device=cpu", *numbers,
         f"--out={out}"]
    )  # fmt: skip
    text, found = printed_and_written(out, capsys)
    assert [row["task"] for row in found["agreement"]] == ["dark", "focus"]
    assert {row["agree"] for row in found["agreement"]} == {1}
    assert {(row["side"], row["questions"]) for row in found["times"]} == {
        (side, n) for side in ("together", "one after another") for n in (1, 2)
    }
    assert "- dark, layer" in text
