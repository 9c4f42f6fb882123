"""The benchmark of truncated loading, on a model that is tiny but written like a large one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import truncated_loading

from pictures import bright_records
from superneurons.vlm.opening import open_vlm

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
INDEX = "model.safetensors.index.json"


def tiny(layers: int) -> LlavaConfig:
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=24, patch_size=8,
        ),
        text_config=LlamaConfig(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=layers,
            num_attention_heads=4,
        ),
        image_token_index=0, vision_feature_layer=-2, vision_feature_select_strategy="default",
        dtype="float16",
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truncated") / "model"
    size = truncated_loading.write_checkpoint(path, tiny(3), most=50_000)
    assert size == sum(file.stat().st_size for file in path.glob("*.safetensors"))
    truncated_loading.write_classifier(path)
    return path


def test_shards_keep_the_order_and_stay_within_bounds() -> None:
    tensors = {name: torch.zeros(n) for name, n in zip("abcdef", [4, 4, 9, 1, 1, 1], strict=True)}
    parts = list(truncated_loading.in_shards(tensors, 16))
    assert [list(part) for part in parts] == [["a", "b"], ["c"], ["d", "e", "f"]]


def test_random_numbers_are_repeated_to_fill_a_tensor() -> None:
    random = torch.arange(7, dtype=torch.float16)
    filled = truncated_loading.filled(torch.Size([2, 5]), random)
    assert filled.tolist() == [[0, 1, 2, 3, 4], [5, 6, 0, 1, 2]]
    assert filled.dtype == torch.float16


def test_the_shape_is_that_of_seven_billion_parameters() -> None:
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(truncated_loading.of_7b(32))
    parts = {"vision_tower": 0.304e9, "language_model": 6.607e9, "multi_modal_projector": 0.021e9}
    for name, expected in parts.items():
        module = model.get_submodule(f"model.{name}")
        assert sum(p.numel() for p in module.parameters()) == pytest.approx(expected, rel=2e-2)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(7.06e9, rel=1e-3)


def test_the_checkpoint_is_one_of_the_hub(written: Path) -> None:
    names = json.loads((written / INDEX).read_text())["weight_map"]
    assert "language_model.model.layers.0.mlp.up_proj.weight" in names
    assert {name.split(".")[0] for name in names} == {
        "language_model", "multi_modal_projector", "vision_tower",
    }  # fmt: skip
    files = {file.name: load_file(file) for file in written.glob("model-*.safetensors")}
    assert {name: file for file, tensors in files.items() for name in tensors} == names
    assert len(files) > 2
    assert {t.dtype for tensors in files.values() for t in tensors.values()} == {torch.float16}
    vlm = open_vlm(str(written), device="cpu")
    assert vlm.last_states(vlm.encode(bright_records(2))).residual.isfinite().all()


@linux_only
def test_each_way_holds_what_it_should(written: Path) -> None:
    found = {way: truncated_loading.measured(written, way) for way in truncated_loading.WAYS}
    whole, first, classifier = found.values()
    tensors = {k: v for f in written.glob("model-*") for k, v in load_file(f).items()}

    def size(names: Mapping[str, torch.Tensor]) -> int:
        return sum(tensor.nbytes for tensor in names.values())

    needed = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith(("language_model.lm_head", "language_model.model.norm"))
        and (".model.layers." not in name or ".model.layers.0." in name)
        and "vision_model.encoder.layers.1." not in name  # the one before it is read
    }
    assert whole["held bytes"] == size(tensors)
    assert first["held bytes"] == classifier["held bytes"] == size(needed)
    assert [line["layers"] for line in found.values()] == [3, 1, 1]
    names = json.loads((written / INDEX).read_text())["weight_map"]
    assert whole["shards"] == sorted(set(names.values()))
    assert first["shards"] == classifier["shards"] == sorted({names[name] for name in needed})
    assert len(first["shards"]) < len(whole["shards"])
    for line in found.values():
        assert 0 < line["seconds to open"] <= line["seconds to read all"]
        assert line["peak bytes"] > 0
        assert line["rchar bytes"] > 0
        assert line["device bytes"] == line["device peak bytes"] == 0  # no GPU


@linux_only
def test_it_prints_markdown_writes_json_and_cleans_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = f"first {truncated_loading.DEPTH}"  # each takes a process
    monkeypatch.setattr(truncated_loading, "WAYS", {way: truncated_loading.WAYS[way]})
    out, path = tmp_path / "made" / "found.json", tmp_path / "checkpoint"
    arguments = [str(path), "--layers=2", "--shard-gb=0.00005", f"--out={out}"]
    truncated_loading.main(arguments, shape=tiny)
    assert not path.exists()
    header, _, *table = capsys.readouterr().out.splitlines()
    assert header.startswith("2 decoder layers, 0.0 GB, float16, in ")
    assert "shards; cpu; torch" in header
    assert {row.count("|") for row in table} == {12}
    found = json.loads(out.read_text())
    assert [row.split("|")[1].strip() for row in table[2:]] == [way]
    assert ([line["way"] for line in found["lines"]], found["layers"]) == ([way], 2)


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(SystemExit, match="there already"):
        truncated_loading.main([str(tmp_path)])
    assert (tmp_path / "mine").exists()
