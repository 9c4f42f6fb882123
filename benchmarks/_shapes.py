"""Models of exact size with random weights, made in seconds on the device, and inputs for them.

Times and memory don't depend on what the weights are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
)
from transformers.initialization import no_init_weights

from superneurons.vlm.family import family_of
from superneurons.vlm.model import VLM, Inputs

__all__ = [
    "SHAPES",
    "Shape",
    "build",
    "llava_config",
    "llava_processor",
    "pictures",
    "qwen3_vl_config",
    "random_inputs",
    "smooth_image",
    "vision_tower",
]

FIRST_WORD = 10  # below are special tokens
_CHAT = (
    "{% for m in messages %}{% for c in m['content'] %}"
    "{{ '<image>\n' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}"
)


@dataclass(frozen=True)
class Shape:
    """What a model is, and what one record is to it.

    Parameters
    ----------
    name
        As in tables.
    config
        The model's.
    height, width
        Of the pictures in pixels, as the model sees them.
    text
        Tokens of the prompt that are not the picture's.
    spread
        Standard deviation of the weights: more where it is narrow, or nothing is passed on.
    """

    name: str
    config: PreTrainedConfig
    height: int
    width: int
    text: int
    spread: float = 0.02

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of a picture, down and across."""
        patch = self.config.vision_config.patch_size
        return self.height // patch, self.width // patch

    @property
    def picture_tokens(self) -> int:
        """Positions that one picture takes in the prompt."""
        merge = getattr(self.config.vision_config, "spatial_merge_size", 1)
        return prod(self.grid) // merge**2

    @property
    def tokens(self) -> int:
        """Positions of a prompt."""
        return self.text + self.picture_tokens

    def with_layers(self, layers: int) -> Shape:
        """Return the same with fewer decoder layers: for what never runs the others."""
        config = type(self.config).from_dict(self.config.to_dict())
        text = config.get_text_config()
        text.num_hidden_layers = layers
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:layers]
        return replace(self, config=config)


def llava_config(*, tiny: bool = False, image_token: int = 0) -> LlavaConfig:
    """The shape of llava-hf/llava-1.5-7b-hf, or a tiny one of the same kind."""
    if tiny:
        vision = CLIPVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
            image_size=24, patch_size=8,
        )  # fmt: skip
        text = LlamaConfig(
            vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=4,
            num_attention_heads=4,
        )  # fmt: skip
    else:
        vision = CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
            image_size=336, patch_size=14, projection_dim=768,
        )  # fmt: skip
        text = LlamaConfig(
            vocab_size=32_064, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32,
            num_attention_heads=32, rms_norm_eps=1e-5, max_position_embeddings=4096,
        )  # fmt: skip
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=image_token,
        vision_feature_layer=-2, vision_feature_select_strategy="default",
    )  # fmt: skip


_QWEN_TEXT = {"4b": (2560, 9728, True), "8b": (4096, 12_288, False)}
_QWEN_VISION = {"4b": (24, 1024, 4096, [5, 11, 17]), "8b": (27, 1152, 4304, [8, 16, 24])}


def qwen3_vl_config(size: str) -> Qwen3VLConfig:
    """The shape of Qwen/Qwen3-VL-4B-Instruct (``4b``), of 8B (``8b``), or a ``tiny`` one."""
    if size == "tiny":
        return _tiny_qwen3_vl()
    width, inner, tied = _QWEN_TEXT[size]
    depth, vision_width, vision_inner, deepstack = _QWEN_VISION[size]
    return Qwen3VLConfig(
        text_config={
            "vocab_size": 151_936, "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "max_position_embeddings": 262_144,
            "tie_word_embeddings": tied, "rope_parameters": _rope([24, 20, 20], 5e6),
        },
        vision_config={
            "depth": depth, "hidden_size": vision_width, "intermediate_size": vision_inner,
            "num_heads": 16, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": width, "num_position_embeddings": 2304,
            "deepstack_visual_indexes": deepstack,
        },
        tie_word_embeddings=tied,
    )  # fmt: skip


def _tiny_qwen3_vl() -> Qwen3VLConfig:
    return Qwen3VLConfig(
        text_config={
            "vocab_size": 400, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "tie_word_embeddings": True, "rope_parameters": _rope([4, 2, 2], 1e4),
        },
        vision_config={
            "depth": 4, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4,
            "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": 64, "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1, 2],
        },
        image_token_id=396, video_token_id=397, vision_start_token_id=398,
        vision_end_token_id=399, tie_word_embeddings=True,
    )  # fmt: skip


def _rope(section: Sequence[int], theta: float) -> dict[str, Any]:
    return {
        "rope_type": "default",
        "rope_theta": theta,
        "mrope_section": list(section),
        "mrope_interleaved": True,
    }


SHAPES: dict[str, Shape] = {
    "llava-7b": Shape("LLaVA-1.5-7B", llava_config(), 336, 336, 64),
    "llava-tiny": Shape("tiny LLaVA", llava_config(tiny=True), 24, 24, 7, spread=0.2),
    "qwen3-vl-4b": Shape("Qwen3-VL-4B", qwen3_vl_config("4b"), 480, 640, 40),
    "qwen3-vl-8b": Shape("Qwen3-VL-8B", qwen3_vl_config("8b"), 480, 640, 40),
    "qwen3-vl-tiny": Shape("tiny Qwen3-VL", qwen3_vl_config("tiny"), 16, 24, 7, spread=0.2),
}


@contextmanager
def _made_on(device: torch.device | str, dtype: torch.dtype) -> Iterator[None]:
    """Construct modules with uninitialised weights; buffers are computed as ever."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights(), torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


@torch.no_grad()
def _fill(model: torch.nn.Module, spread: float, seed: int) -> None:
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter.fill_(1)  # of a norm
        else:
            parameter.normal_(std=spread, generator=generator)
        parameter.requires_grad_(False)


def build(
    shape: Shape,
    *,
    device: torch.device | str,
    dtype: torch.dtype,
    processor: Any = None,
    seed: int = 0,
) -> VLM:
    """Make a random model of a shape on the device."""
    family = family_of(shape.config)
    with _made_on(device, dtype):
        model = getattr(transformers, family.model_class)(shape.config)
    model.tie_weights()
    _fill(model, shape.spread, seed)
    model.generation_config.pad_token_id = 0
    layers = int(shape.config.get_text_config().num_hidden_layers)
    return VLM(model.eval(), processor, family, shape.name, n_layers=layers)


def vision_tower(
    shape: Shape, *, device: torch.device | str, dtype: torch.dtype
) -> torch.nn.Module:
    """Make the part of a LLaVA's vision tower that is used: without the layers after the one read.

    It is the tower of ``transformers``, to time alone.
    """
    vision = CLIPVisionConfig.from_dict(shape.config.vision_config.to_dict())
    vision.num_hidden_layers += shape.config.vision_feature_layer + 1
    with _made_on(device, dtype):
        tower = transformers.CLIPVisionModel(vision)
    _fill(tower, shape.spread, seed=0)
    return tower.eval()


def llava_processor(config: LlavaConfig) -> LlavaProcessor:
    """Make a processor of LLaVA's for a model whose image token is 0; a token is a character.

    Pictures are prepared as for llava-hf/llava-1.5-7b-hf. What the words are doesn't matter here.
    """
    words = ["<image>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    side = config.vision_config.image_size
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", additional_special_tokens=["<image>"]
        ),
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=_CHAT,
    )


def pictures(
    shape: Shape, batch: int, *, device: torch.device | str, dtype: torch.dtype, seed: int
) -> torch.Tensor:
    """Random smooth pictures with some noise, normalised: shape (B, 3, height, width).

    They differ in light, colour and what is where, unlike plain noise, which a patch average
    can hardly tell from other noise.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def noise(*size: int) -> torch.Tensor:
        return torch.randn(batch, 3, *size, device=device, generator=generator)

    size = (shape.height, shape.width)
    smooth = torch.nn.functional.interpolate(noise(6, 8), size, mode="bilinear")
    return (noise(1, 1) + smooth + 0.1 * noise(*size)).clamp(-2, 2).to(dtype)


def _as_patches(found: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Order pixels as Qwen's processor does: (B · patches, values of a patch)."""
    vision = shape.config.vision_config
    (down, across), side, merge = shape.grid, vision.patch_size, vision.spatial_merge_size
    cut = found.view(
        len(found), 3, down // merge, merge, side, across // merge, merge, side
    ).permute(0, 2, 5, 3, 6, 1, 4, 7)
    twice = cut.unsqueeze(6).expand(*cut.shape[:6], vision.temporal_patch_size, *cut.shape[6:])
    return twice.reshape(len(found) * down * across, -1)


def random_inputs(vlm: VLM, shape: Shape, batch: int, *, seed: int, question: int = 0) -> Inputs:
    """A batch of random pictures, on the model's device, asked the same random words.

    Parameters
    ----------
    vlm
        The model.
    shape
        What it is.
    batch
        B.
    seed
        Of the pictures.
    question
        Of the words; negative: each record has its own, but the last token is the same.
    """
    config, device = shape.config, vlm.device
    pixels = pictures(shape, batch, device=device, dtype=vlm.dtype, seed=seed)
    generator = torch.Generator().manual_seed(question if question >= 0 else seed)
    words = torch.randint(
        FIRST_WORD, min(config.get_text_config().vocab_size, 30_000) - FIRST_WORD,
        (1 if question >= 0 else batch, shape.text), generator=generator,
    ).expand(batch, -1)  # fmt: skip
    ids = torch.full((batch, shape.tokens), config.image_token_id)
    before = shape.text // 4
    ids[:, :before] = words[:, :before]
    ids[:, before + shape.picture_tokens :] = words[:, before:]
    ids[:, -1] = FIRST_WORD
    tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    if config.model_type == "qwen3_vl":
        ids[:, before - 1] = config.vision_start_token_id
        ids[:, before + shape.picture_tokens] = config.vision_end_token_id
        tensors |= {
            "pixel_values": _as_patches(pixels, shape),
            "image_grid_thw": torch.tensor([[1, *shape.grid]] * batch),
            "mm_token_type_ids": (ids == config.image_token_id).long(),
        }
    last = torch.full((batch,), shape.tokens - 1)
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Inputs(on_device, last, (1,) * batch)


def smooth_image(height: int, width: int, seed: int) -> Image.Image:
    """A random smooth picture with some noise, to be encoded."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (6, 8, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noisy = smooth + rng.normal(0, 4, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
