"""The demo model: a small LLaVA, put together once on the user's machine.

A CLIP vision tower and a projector trained by ``recipes/demo_vlm`` and a low-rank update (LoRA,
Hu et al. 2022) of SmolLM2-135M-Instruct travel with the package; the language model's own weights
come from elsewhere (`superneurons.demo.language_model`). The result is a plain directory which
``AutoProcessor`` and ``LlavaForConditionalGeneration`` open like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from safetensors import safe_open
from transformers import (
    CLIPVisionConfig,
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from superneurons.demo.cache import built_once
from superneurons.demo.language_model import (
    GGUF_SHA256,
    LanguageModel,
    file_sha256,
    find_language_model,
    read_language_model,
)
from superneurons.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = [
    "CHAT_TEMPLATE",
    "IMAGE_TOKEN",
    "assemble",
    "demo_model_path",
    "demo_processor",
    "merge_lora",
    "new_model",
    "save_model",
]

IMAGE_TOKEN = "<filename>"  # a special token SmolLM2 has and chat never uses
IMAGE_SIZE = 128
PATCH_SIZE = 16
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + IMAGE_TOKEN + "{% else %}{{ part['text'] }}{% endif %}"
    "{% if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_FORMAT = "1"
_DISK_BYTES = 700_000_000  # twice the finished directory: a damaged one may lie beside the new one


def demo_model_path(*, language_model: str | Path | None = None, root: Path | None = None) -> Path:
    """Return the directory of the demo model; build it on first use.

    The first call takes tens of seconds and about 300 MB of the user's cache directory. Later
    calls only check the files' hashes.

    Parameters
    ----------
    language_model
        Where SmolLM2's GGUF file is; see `superneurons.demo.language_model.find_language_model`.
        Asked for only when the directory has to be built.
    root
        Where to keep the directory; see `superneurons.demo.cache.cache_root`.

    Raises
    ------
    ModelNotFoundError
        When the language model is not installed.
    ModelError
        When it is not the expected one.
    MissingExtraError
        When ``gguf`` is not installed.
    OutputError
        When the cache directory cannot be written or the disk is full.

    Examples
    --------
    >>> from transformers import AutoProcessor, LlavaForConditionalGeneration
    >>> path = demo_model_path()  # doctest: +SKIP
    >>> model = LlavaForConditionalGeneration.from_pretrained(path)  # doctest: +SKIP
    >>> processor = AutoProcessor.from_pretrained(path)  # doctest: +SKIP
    """
    with as_file(files("superneurons.demo") / "data" / "weights.safetensors") as weights:
        inputs = {
            "format": _FORMAT,
            "language model": GGUF_SHA256,
            "weights": file_sha256(weights),
            "transformers": transformers.__version__,
        }

        def build(directory: Path) -> None:
            parts = read_language_model(find_language_model(language_model))
            save_model(assemble(parts, weights), parts.tokenizer, directory)

        return built_once("demo", inputs, build, root=root, needs_bytes=_DISK_BYTES)


def new_model(parts: LanguageModel) -> LlavaForConditionalGeneration:
    """Return a float32 LLaVA around a language model, its vision tower and projector untrained.

    The tower sees 128×128 pixels as 64 patches and has 10.1 M parameters. Its last layer feeds
    the projector, without CLIP's final norm, and without the class token.
    """
    vision = CLIPVisionConfig(
        hidden_size=320,
        intermediate_size=1280,
        num_hidden_layers=8,
        num_attention_heads=5,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        projection_dim=320,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=parts.config,
        image_token_id=parts.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=(IMAGE_SIZE // PATCH_SIZE) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
        tie_word_embeddings=True,
        pad_token_id=parts.tokenizer.pad_token_id,
        bos_token_id=parts.tokenizer.bos_token_id,
        eos_token_id=parts.tokenizer.eos_token_id,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(parts.state_dict)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=8,
        eos_token_id=parts.tokenizer.eos_token_id,
        pad_token_id=parts.tokenizer.pad_token_id,
    )
    return model.eval()


def merge_lora(
    state_dict: Mapping[str, torch.Tensor], lora: Mapping[str, torch.Tensor], scale: float
) -> dict[str, torch.Tensor]:
    """Return the weights with ``W + scale · B A`` in place of ``W`` (Hu et al. 2022, eq. 3).

    Parameters
    ----------
    state_dict
        Weights by name: ``layers.0.mlp.up_proj.weight``, shape ``(out, in)``.
    lora
        ``layers.0.mlp.up_proj.lora_A``, shape ``(rank, in)``, and ``….lora_B``, ``(out, rank)``.
    scale
        LoRA's α divided by the rank.
    """
    merged = dict(state_dict)
    for name, down in lora.items():
        if name.endswith(".lora_A"):
            stem = name.removesuffix(".lora_A")
            update = lora[f"{stem}.lora_B"].float() @ down.float()
            merged[f"{stem}.weight"] = merged[f"{stem}.weight"] + scale * update
    return merged


def assemble(parts: LanguageModel, weights: Path) -> LlavaForConditionalGeneration:
    """Return the demo model in float32, with the trained parts in place.

    Parameters
    ----------
    parts
        The language model as published.
    weights
        The trained parts: a safetensors file with the prefixes ``vision_tower.``,
        ``multi_modal_projector.`` and ``language_model.`` (LoRA) and ``lora_scale`` in its
        metadata.

    Raises
    ------
    ModelError
        When the file does not fit the model.
    """
    with safe_open(weights, framework="pt") as file:
        scale = float(file.metadata()["lora_scale"])
        trained = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    model = new_model(parts)
    try:
        _load_tower(model.model.vision_tower, _under("vision_tower.", trained))
        model.model.multi_modal_projector.load_state_dict(_under("multi_modal_projector.", trained))
        merged = merge_lora(parts.state_dict, _under("language_model.", trained), scale)
        model.model.language_model.load_state_dict(merged)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"The demo model's trained weights do not fit: {error}",
            where=str(weights),
            mend="Install this package again.",
        ) from error
    return model


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _load_tower(tower: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    # Some releases of transformers wrap the tower's layers in one more module, `vision_model`.
    nested = any(name.startswith("vision_model.") for name in tower.state_dict())
    prefix = "vision_model." if nested else ""
    tower.load_state_dict({f"{prefix}{name}": tensor for name, tensor in tensors.items()})


def demo_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Return the processor: pictures to 128×128, whatever their shape, and 64 tokens for each.

    Nothing is cropped away: a picture that is not square is squeezed.
    """
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    square = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    image_processor = CLIPImageProcessorPil(
        size=square,
        crop_size=square,
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's class token, which "default" takes away again
        image_token=IMAGE_TOKEN,
        chat_template=CHAT_TEMPLATE,
    )


def save_model(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, directory: Path
) -> None:
    """Write model (float16), processor and generation settings as one Hugging Face directory."""
    model.half().save_pretrained(directory)
    demo_processor(tokenizer).save_pretrained(directory)
