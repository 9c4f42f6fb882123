from __future__ import annotations

import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    Qwen2Config,
)

from fresh import fresh_processes, script
from pictures import bright_records
from superneurons.errors import ModelError, ResourceError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm import source
from superneurons.vlm.answer import generate_answers
from superneurons.vlm.family import families, family_of
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.partial import check_depth, first_layers, map_tensors, tower_kept
from superneurons.vlm.source import locate
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind
from superneurons.vlm.tower import layers_read
from tiny_families import savers as tiny_families
from tiny_models import SAVERS

INDEX = "model.safetensors.index.json"
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def layer_of(name: str) -> int | None:
    found = re.search(r"language_model\.(?:model\.)?layers\.(\d+)\.", name)
    return int(found[1]) + 1 if found else None


def tower_layer_of(name: str) -> int:
    found = re.search(r"vision_tower\.encoder\.layers\.(\d+)\.|visual\.blocks\.(\d+)\.", name)
    return int(found[1] or found[2]) + 1 if found else 0


def shard_of(name: str) -> str:
    """One file per decoder layer, one for what follows them, one for all the rest."""
    if (layer := layer_of(name)) is not None:
        return f"layer-{layer}.safetensors"
    follows = re.search(r"language_model\.(?:model\.)?norm\.|lm_head", name)
    return "last.safetensors" if follows else "rest.safetensors"


def write_shards(
    whole: Path, path: Path, *, renamed: Callable[[str], str] = lambda name: name
) -> Path:
    """Copy a checkpoint of one file into shards, its tensors by other names."""
    shutil.copytree(whole, path)
    shards: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in load_file(path / "model.safetensors").items():
        shards[shard_of(name)][renamed(name)] = tensor
    (path / "model.safetensors").unlink()
    for file, tensors in shards.items():
        save_file(tensors, path / file, {"format": "pt"})
    names = {name: file for file, tensors in shards.items() for name in tensors}
    (path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return path


@pytest.fixture
def shards(model_path: Path, tmp_path: Path) -> Path:
    return write_shards(model_path, tmp_path / "model")


def spoil(path: Path, *, but: int) -> list[str]:
    """Take away every shard that the first layers don't need, by turns gone, noise or cut off."""
    kept = {"rest.safetensors", *(f"layer-{n}.safetensors" for n in range(1, but + 1))}
    spoilt = sorted(file.name for file in path.glob("*.safetensors") if file.name not in kept)
    for number, name in enumerate(spoilt):
        file = path / name
        whole = file.read_bytes()
        file.unlink()
        if number % 3:
            file.write_bytes(b"\1" * 64 if number % 3 == 1 else whole[:-8])
    return spoilt


def assert_same_states(
    one: VLM, two: VLM, records: list[Record], kinds: Sequence[Kind] | None = None
) -> None:
    kinds = kinds or (KINDS if two.depth else PICTURE_KINDS)
    inputs = [vlm.encode(records[:3]) for vlm in (one, two)]
    found, expected = (
        vlm.last_states(given, kinds).parts for vlm, given in zip((one, two), inputs, strict=True)
    )
    for kind in kinds:
        assert torch.equal(found[kind], expected[kind]), kind


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_its_states_are_those_of_the_whole_model_cut_off(
    shards: Path, vlm: VLM, records: list[Record], depth: int
) -> None:
    assert len(spoil(shards, but=depth)) == 5 - depth
    part = open_vlm(str(shards), device="cpu", depth=depth)
    assert (part.depth, part.n_layers, part.hidden_size) == (depth, 4, vlm.hidden_size)
    assert f"4 layers, first {depth} kept" in repr(part)
    cut = vlm.truncated(depth)
    assert_same_states(part, cut, records)
    assert fingerprint(part, depth) == fingerprint(vlm, depth)
    for kind in KINDS:
        assert part.shape(kind) == cut.shape(kind)


def test_it_can_be_cut_off_again(shards: Path, vlm: VLM, records: list[Record]) -> None:
    part = open_vlm(str(shards), device="cpu", depth=3)
    assert_same_states(part.truncated(1), vlm.truncated(1), records)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_can_be_chosen(llava_path: Path, records: list[Record], dtype: str) -> None:
    part = open_vlm(str(llava_path), device="cpu", dtype=dtype, depth=2)
    assert {parameter.dtype for parameter in part.model.parameters()} == {getattr(torch, dtype)}
    whole = open_vlm(str(llava_path), device="cpu", dtype=dtype)
    assert_same_states(part, whole.truncated(2), records)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_opens_on_a_gpu(model_path: Path, records: list[Record]) -> None:
    part = open_vlm(str(model_path), device="cuda", depth=2)
    assert {parameter.device.type for parameter in part.model.parameters()} == {"cuda"}
    assert_same_states(part, open_vlm(str(model_path), device="cuda").truncated(2), records)


def test_nothing_is_held_but_what_runs(shards: Path, vlm: VLM) -> None:
    part = open_vlm(str(shards), device="cpu", depth=1)
    names = set(dict(part.model.named_parameters()))
    expected = {
        name
        for name in dict(vlm.model.named_parameters())
        if (layer_of(name) or 1) == 1
        and "lm_head" not in name
        and "language_model.norm" not in name
        and tower_layer_of(name) <= layers_read(cast(Any, vlm.model).config, vlm.family)
    }
    assert names == expected
    tensors = [*part.model.parameters(), *part.model.buffers()]
    assert not any(tensor.is_meta or tensor.requires_grad for tensor in tensors)
    assert not part.model.training


def test_without_decoder_layers_pictures_can_be_read(
    shards: Path, vlm: VLM, records: list[Record]
) -> None:
    spoil(shards, but=0)
    part = open_vlm(str(shards), device="cpu", depth=0)
    assert (part.depth, len(part.layers)) == (0, 0)
    inputs = part.encode(records[:3])
    for kind in PICTURE_KINDS:
        found = part.last_states(inputs, [kind]).parts[kind]
        assert torch.equal(found, vlm.last_states(inputs, [kind]).parts[kind])
        assert part.shape(kind) == vlm.shape(kind)
    assert fingerprint(part, 0) == fingerprint(vlm, 0)
    for kind in set(KINDS) - set(PICTURE_KINDS):
        assert part.shape(kind)[0] == 0
        with pytest.raises(ModelError, match="without decoder layers") as caught:
            part.last_states(inputs, [kind, "vision"])
        assert "depth" in str(caught.value.mend)


@pytest.mark.parametrize("layers", [1, 2])
def test_of_the_tower_too_only_what_is_read_is_opened(
    shards: Path, vlm: VLM, records: list[Record], layers: int
) -> None:
    part = open_vlm(str(shards), device="cpu", depth=0, tower_layers=layers)
    assert part.shape("vision")[0] == layers
    assert_same_states(part, vlm.seeing(layers), records, kinds=["vision"])
    assert fingerprint(part, 0, tower=layers) == fingerprint(vlm, 0, tower=layers)
    tensors = map_tensors(locate(str(shards)), vlm.family, 0, layers)
    whole = map_tensors(locate(str(shards)), vlm.family, 0)
    assert set(tensors) == {name for name in whole if tower_layer_of(name) <= layers}
    assert {tower_layer_of(name) for name in whole} == set(range(vlm.shape("vision")[0] + 1))
    if layers_read(cast(Any, vlm.model).config, vlm.family) <= layers:
        assert_same_states(part, vlm.seeing(layers), records)


def test_a_tower_that_is_no_use_is_refused(shards: Path, vlm: VLM) -> None:
    there = vlm.shape("vision")[0]
    for wrong in (-1, there + 1):
        with pytest.raises(ModelError, match=f"tower of {there} layers"):
            open_vlm(str(shards), device="cpu", depth=0, tower_layers=wrong)
    with pytest.raises(ModelError, match=r"need the first . layers of the vision tower, not 0"):
        open_vlm(str(shards), device="cpu", depth=1, tower_layers=0)


@pytest.mark.parametrize(("depth", "asked", "kept"), [(0, None, 2), (1, None, 1), (1, 2, 2)])
def test_the_tower_ends_where_the_decoder_reads_it(
    llava: VLM, depth: int, asked: int | None, kept: int
) -> None:
    config = cast(Any, llava.model).config
    assert tower_kept(config, llava.family, depth, asked) == kept
    part = open_vlm(llava.name, device="cpu", depth=depth, tower_layers=asked)
    assert part.shape("vision")[0] == kept


def test_only_the_whole_model_answers(shards: Path, records: list[Record]) -> None:
    part = open_vlm(str(shards), device="cpu", depth=2)
    inputs = part.encode(records[:1], padding_side="left")
    asked: dict[str, Callable[[], object]] = {
        "logits": lambda: part.last_states(inputs, logits=True),
        "text": lambda: generate_answers(part, inputs),
        "head": lambda: fingerprint(part, 2, head=True),
    }
    for what, ask in asked.items():
        with pytest.raises(ModelError, match=rf"layer 2 of 4 gives no .*{what}"):
            ask()


def test_all_layers_are_the_whole_model(model_path: Path, vlm: VLM, records: list[Record]) -> None:
    whole = open_vlm(str(model_path), device="cpu", depth=4)
    inputs = vlm.encode(records[:2])
    expected = vlm.last_states(inputs, logits=True).logits
    assert expected is not None
    assert torch.equal(whole.last_states(inputs, logits=True).logits, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [-1, 5, 32])
def test_a_depth_that_the_model_lacks_is_refused(model_path: Path, depth: int) -> None:
    with pytest.raises(ModelError, match=f"first {depth} decoder layers.*it has 4") as caught:
        open_vlm(str(model_path), device="cpu", depth=depth)
    assert "from 0 to 4" in str(caught.value.mend)
    assert [check_depth(locate(str(model_path)), good) for good in (0, 4)] == [4, 4]


def test_every_shard_that_is_missing_is_named(shards: Path) -> None:
    (shards / "layer-1.safetensors").unlink()
    (shards / "layer-2.safetensors").write_bytes(b"")
    (shards / "layer-4.safetensors").unlink()
    with pytest.raises(ModelError, match="not complete") as caught:
        open_vlm(str(shards), device="cpu", depth=3)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["model/layer-1.safetensors", "model/layer-2.safetensors"]


@pytest.mark.parametrize("content", ["{", '{"weight_map": []}', "\x00"])
def test_a_damaged_index_is_said(shards: Path, content: str) -> None:
    (shards / INDEX).write_text(content)
    with pytest.raises(ModelError, match="list of shards") as caught:
        open_vlm(str(shards), device="cpu", depth=1)
    assert (caught.value.where, bool(caught.value.mend)) == (str(shards / INDEX), True)


def test_a_damaged_shard_that_is_needed_is_said(shards: Path) -> None:
    whole = (shards / "layer-2.safetensors").read_bytes()
    (shards / "layer-2.safetensors").write_bytes(whole[:-8])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_vlm(str(shards), device="cpu", depth=2)
    assert open_vlm(str(shards), device="cpu", depth=1).depth == 1


def test_an_index_that_lost_tensors_is_noticed(shards: Path) -> None:
    index = json.loads((shards / INDEX).read_text())
    lost = sorted(name for name in index["weight_map"] if layer_of(name) == 2)[:2]
    for name in lost:
        del index["weight_map"][name]
    (shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="lacks weights") as caught:
        open_vlm(str(shards), device="cpu", depth=2)
    places = sorted(problem.where for problem in caught.value.problems)
    assert [place.split("layers.")[1] for place in places] == [n.split("layers.")[1] for n in lost]
    assert open_vlm(str(shards), device="cpu", depth=1).depth == 1


def test_an_index_that_puts_a_tensor_into_the_wrong_file_is_noticed(shards: Path) -> None:
    index = json.loads((shards / INDEX).read_text())
    name = next(name for name in index["weight_map"] if layer_of(name) == 1)
    index["weight_map"][name] = "layer-3.safetensors"
    (shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_vlm(str(shards), device="cpu", depth=1)


def test_weights_of_another_shape_are_refused(shards: Path) -> None:
    file = shards / "layer-1.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("down_proj.weight"))
    save_file({**tensors, name: tensors[name][:, :-1].contiguous()}, file, {"format": "pt"})
    for depth in (None, 1):
        with pytest.raises(ModelError, match="lacks weights") as caught:
            open_vlm(str(shards), device="cpu", depth=depth)
        (problem,) = caught.value.problems
        assert problem.where.endswith("language_model.layers.0.mlp.down_proj.weight")
        assert problem.what == "has shape (32, 63), not (32, 64)"


def test_what_does_not_fit_is_refused_only_if_it_is_loaded(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {file.name: file.stat().st_size for file in shards.glob("*.safetensors")}
    free = int((sizes["rest.safetensors"] + sizes["layer-1.safetensors"]) * 1.2)
    monkeypatch.setattr(source, "_free_memory", lambda: free)
    assert open_vlm(str(shards), device="cpu", depth=1).depth == 1
    for depth in (None, 3):
        with pytest.raises(ResourceError, match="GiB are free"):
            open_vlm(str(shards), device="cpu", depth=depth)


def of_the_hub(name: str) -> str:
    """The names in checkpoints of LLaVA-1.5 on the hub, written by earlier releases."""
    for now, then in (
        ("model.language_model.", "language_model.model."),
        ("lm_head.", "language_model.lm_head."),
        ("model.vision_tower.", "vision_tower.vision_model."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
    ):
        if name.startswith(now):
            return then + name.removeprefix(now).removeprefix("vision_model.")
    raise AssertionError(name)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_older_names_of_tensors_are_understood(
    llava: VLM, tmp_path: Path, records: list[Record], depth: int
) -> None:
    tensors = {name: value.clone() for name, value in llava.model.state_dict().items()}
    current = Path(shutil.copytree(llava.name, tmp_path / "current"))
    save_file(tensors, current / "model.safetensors", {"format": "pt"})
    old = write_shards(current, tmp_path / "old", renamed=of_the_hub)
    index = json.loads((old / INDEX).read_text())["weight_map"]
    assert index["language_model.model.layers.0.mlp.up_proj.weight"] == "layer-1.safetensors"
    spoil(old, but=depth)
    part = open_vlm(str(old), device="cpu", depth=depth)
    if depth:
        assert_same_states(part, llava.truncated(depth), records)
    assert fingerprint(part, depth) == fingerprint(llava, depth)


def test_shards_of_transformers_are_understood(
    vlm: VLM, tmp_path: Path, records: list[Record]
) -> None:
    path = Path(shutil.copytree(vlm.name, tmp_path / "model"))
    (path / "model.safetensors").unlink()
    vlm.model.save_pretrained(path, max_shard_size="20KB")  # type: ignore[operator]
    needed = set(json.loads((path / INDEX).read_text())["weight_map"].values())
    opened = map_tensors(locate(str(path)), vlm.family, 1)
    used = {json.loads((path / INDEX).read_text())["weight_map"][name] for name in opened}
    assert used < needed
    for file in needed - used:
        (path / file).unlink()
    assert_same_states(open_vlm(str(path), device="cpu", depth=1), vlm.truncated(1), records)


def test_a_name_that_is_not_understood_costs_no_more_than_a_look(
    llava_path: Path, tmp_path: Path, llava: VLM, records: list[Record]
) -> None:
    path = write_shards(llava_path, tmp_path / "model")
    save_file({"brand.new": torch.ones(3)}, path / "new.safetensors", {"format": "pt"})
    index = json.loads((path / INDEX).read_text())
    index["weight_map"]["brand.new"] = "new.safetensors"
    (path / INDEX).write_text(json.dumps(index))
    part = open_vlm(str(path), device="cpu", depth=1)
    assert_same_states(part, llava.truncated(1), records)


def test_a_name_that_transformers_passes_over_is_not_even_looked_at(tmp_path: Path) -> None:
    path = tiny_families()["qwen3_5"](tmp_path / "model")
    index = dict.fromkeys(load_file(path / "model.safetensors"), "model.safetensors")
    index["mtp.layers.0.mlp.up_proj.weight"] = "guessing-ahead.safetensors"
    (path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))
    assert open_vlm(str(path), device="cpu", depth=1).depth == 1


@pytest.mark.parametrize("name", sorted(tiny_families()))
def test_of_every_family_no_more_is_mapped_than_is_used(tmp_path: Path, name: str) -> None:
    source = locate(str(tiny_families()[name](tmp_path / "model")))
    family = family_of(source.config)
    for depth in (1, 2):
        tower = tower_kept(source.config, family, depth)
        mapped = map_tensors(source, family, depth, tower)
        used = open_vlm(source.name, device="cpu", depth=depth).model.state_dict().values()
        assert sum(t.numel() for t in mapped.values()) <= sum(t.numel() for t in used)


def test_tied_embeddings_cost_nothing(llava_path: Path, tmp_path: Path) -> None:
    tied = Path(shutil.copytree(llava_path, tmp_path / "tied"))
    config = json.loads((tied / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (tied / "config.json").write_text(json.dumps(config))
    tensors = load_file(tied / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if "lm_head" not in name}
    save_file(kept, tied / "model.safetensors", {"format": "pt"})
    one, two = (open_vlm(str(path), device="cpu", depth=1) for path in (llava_path, tied))
    assert fingerprint(one, 1) == fingerprint(two, 1)
    sizes = [sum(p.numel() for p in vlm.model.parameters()) for vlm in (one, two)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("text", [Qwen2Config, MistralConfig])
def test_other_language_models_in_a_family_can_be_cut(text: type) -> None:
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=24, patch_size=8,
        ),
        text_config=text(
            vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2,
        ),
    )  # fmt: skip
    whole = LlavaForConditionalGeneration(config)
    tensors = {name: value for name, value in whole.state_dict().items() if "lm_head" not in name}
    model, report = first_layers(config, families()["llava"][-1], 2, tensors, torch.float32)
    assert not report["missing_keys"]
    assert len(model.get_submodule("model.language_model.layers")) == 2
    assert config.text_config.num_hidden_layers == 3


MEASURE = """
import sys, torch
from pathlib import Path
from safetensors import safe_open
from superneurons.vlm.opening import open_vlm
import transformers.models.llava.modeling_llava, transformers.models.clip.modeling_clip

def resident(clear=False):
    if clear:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

open_vlm(sys.argv[1], device="cpu", depth=1)
before = resident(clear=True)
open_vlm(sys.argv[2], device="cpu", depth=1)
opened = resident() - before
with safe_open(Path(sys.argv[2]) / "model.safetensors", framework="pt") as file:
    file.get_tensor(sys.argv[3]).sum()
print(opened, resident() - before)
"""


@linux_only
def test_of_a_single_file_only_what_is_needed_is_read(llava_path: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(llava_path, tmp_path / "model"))
    heavy = "model.language_model.layers.3.mlp.heavy.weight"
    extra = torch.zeros(32 * 2**20)
    save_file(
        {**load_file(path / "model.safetensors"), heavy: extra}, path / "model.safetensors",
        {"format": "pt"},
    )  # fmt: skip
    said = tmp_path / "said"
    process = fresh_processes().Process(
        target=script, args=(MEASURE, said, llava_path, path, heavy)
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    opened, read = map(int, said.read_text().split())
    assert opened < extra.nbytes / 4
    assert read > extra.nbytes * 0.9  # so it would have shown


@pytest.fixture
def cached(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The checkpoint as the hub's cache keeps it, without network."""
    root = tmp_path / "hub" / "models--some--model"
    snapshot = root / "snapshots" / ("c0ffee" + "0" * 34)
    snapshot.parent.mkdir(parents=True)
    shards.rename(snapshot)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return "some/model", snapshot


def test_a_hub_model_needs_no_other_shard_in_the_cache(
    cached: tuple[str, Path], vlm: VLM, records: list[Record]
) -> None:
    name, snapshot = cached
    spoil(snapshot, but=2)
    part = open_vlm(name, device="cpu", depth=2)
    assert part.revision == snapshot.name
    assert_same_states(part, vlm.truncated(2), records)
    named = open_vlm(name, device="cpu", depth=1, revision=snapshot.name)
    assert named.revision == snapshot.name
    (snapshot / "layer-1.safetensors").unlink()
    (snapshot / "layer-2.safetensors").unlink()
    with pytest.raises(ModelError, match="not complete") as caught:
        open_vlm(name, device="cpu", depth=2)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["model/layer-1.safetensors", "model/layer-2.safetensors"]


def test_a_hub_model_is_downloaded_only_as_far_as_needed(
    cached: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, snapshot = cached
    remote = tmp_path / "remote"
    remote.mkdir()
    for file in snapshot.glob("*.safetensors"):
        file.rename(remote / file.name)
    local, downloaded = huggingface_hub.hf_hub_download, []

    def download(repo: str, file: str, **options: object) -> str:
        if (remote / file).is_file() and not (snapshot / file).is_file():
            downloaded.append(file)
            shutil.copy(remote / file, snapshot / file)
        return str(local(repo, file, **options))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for _ in range(2):
        assert open_vlm(name, device="cpu", depth=1).depth == 1
    assert sorted(downloaded) == ["layer-1.safetensors", "rest.safetensors"]


def test_a_classifier_opens_only_what_it_runs(model_path: Path, tmp_path: Path) -> None:
    path = write_shards(model_path, tmp_path / "model")
    fitted = SuperNeuronClassifier(str(path), device="cpu", max_layer=2).fit(bright_records(24))
    fitted.save_pretrained(tmp_path / "clf")
    spoil(path, but=fitted.exit_layer_)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert (loaded.vlm.depth, loaded.vlm.n_layers) == (fitted.exit_layer_, 4)
    records = bright_records(8, seed=1)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()


@pytest.mark.parametrize("family", sorted(SAVERS))
def test_a_classifier_of_pictures_opens_no_decoder_layer(tmp_path: Path, family: str) -> None:
    path = write_shards(SAVERS[family](tmp_path / "whole"), tmp_path / "model")
    fitted = SuperNeuronClassifier(str(path), device="cpu", site="projector")
    fitted.fit(bright_records(24)).save_pretrained(tmp_path / "clf")
    spoil(path, but=0)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert loaded.vlm.depth == 0
    records = bright_records(8, seed=1)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
