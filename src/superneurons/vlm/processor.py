"""Pictures and text into model inputs: the family's own processor, or its two halves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from PIL.Image import Image

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, PictureTokens, ProcessorLoader
from superneurons.vlm.hub import offline_hint
from superneurons.vlm.source import refuse_untrusted

__all__ = ["PictureProcessor", "load_processor", "processor_settings", "settings_apart"]

_SETTINGS = (
    "crop_size", "crop_to_patches", "do_center_crop", "do_image_splitting", "do_normalize",
    "do_pad", "do_rescale", "do_resize", "downsample_factor", "encoder_patch_size",
    "image_grid_pinpoints", "image_mean", "image_std", "max_crops", "max_image_size",
    "max_image_tokens", "max_patches", "max_pixels", "max_pixels_tolerance", "max_tiles",
    "merge_size", "min_image_tokens", "min_patches", "min_pixels", "min_tiles",
    "overlap_margins", "patch_size", "pooling_size", "resample", "rescale_factor", "size",
    "temporal_patch_size", "tile_size", "use_thumbnail",
)  # fmt: skip


class PictureProcessor:
    """An image processor and a tokenizer side by side, with pictures prepared in another way.

    Parameters
    ----------
    image_processor, tokenizer
        As loaded by ``transformers``.
    placeholder
        The token that stands for one piece of a picture.
    picture_tokens
        How many placeholders one picture takes.
    prepare
        Prepares the pictures in the image processor's place.
    marks_pictures
        Whether the model takes ``mm_token_type_ids``.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        *,
        placeholder: str,
        picture_tokens: PictureTokens,
        prepare: Callable[[Sequence[Image]], Mapping[str, torch.Tensor]] | None = None,
        marks_pictures: bool = True,
    ) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.chat_template: str | None = tokenizer.chat_template
        self._placeholder = placeholder
        self._picture_tokens = picture_tokens
        self._prepare = prepare
        self._marks_pictures = marks_pictures

    def apply_chat_template(self, messages: Any, **options: Any) -> str:
        """Render messages with the tokenizer's chat template."""
        return str(self.tokenizer.apply_chat_template(messages, **options))

    def __call__(
        self, images: Sequence[Sequence[Image]], text: Sequence[str], **options: Any
    ) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask``, ``mm_token_type_ids`` and the pixel tensors."""
        flat = [picture for pictures in images for picture in pictures]
        pixels = self._pixels(flat) if flat else {}
        counts = iter(
            [self._picture_tokens(pixels, i, self.image_processor) for i in range(len(flat))]
        )
        expanded = [self._expand(prompt, counts) for prompt in text]
        tokens = dict(self.tokenizer(expanded, **options))
        if self._marks_pictures:
            placeholder_id = self.tokenizer.convert_tokens_to_ids(self._placeholder)
            tokens["mm_token_type_ids"] = (tokens["input_ids"] == placeholder_id).long()
        return {**tokens, **pixels}

    def _pixels(self, pictures: Sequence[Image]) -> dict[str, torch.Tensor]:
        if self._prepare is not None:
            return dict(self._prepare(pictures))
        return dict(self.image_processor(images=pictures, return_tensors="pt"))

    def _expand(self, prompt: str, counts: Any) -> str:
        head, *tails = prompt.split(self._placeholder)
        return head + "".join(self._placeholder * next(counts) + tail for tail in tails)


def load_processor(path: str, family: Family, **options: Any) -> Any:
    """Load what turns pictures and text into model inputs.

    Pictures are always prepared by the Pillow image processors, so that an answer does not depend
    on whether torchvision happens to be installed.

    Raises
    ------
    ModelError
        When the checkpoint has no processor, or one that is code of its own and isn't trusted.
    """
    try:
        processor = _loader(family)(path, backend="pil", **options)
    except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        refuse_untrusted(path, "processor_config.json or tokenizer_config.json", error)
        fetched = "" if Path(path).is_dir() else offline_hint()
        raise ModelError(
            f"The processor of {path!r} cannot be loaded: {error}",
            where=path,
            mend="Keep preprocessor_config.json, the tokenizer files and the chat template "
            f"beside the weights (processor.save_pretrained).{fetched}",
        ) from error
    return _with_padding(processor)


def _loader(family: Family) -> ProcessorLoader:
    if callable(family.processor):
        return family.processor
    import transformers

    named = getattr(transformers, family.processor)
    if family.processor == "AutoProcessor":
        return cast(ProcessorLoader, named.from_pretrained)
    return cast(ProcessorLoader, _without_video(named).from_pretrained)


@cache
def _without_video(processor: type[Any]) -> type[Any]:
    """The class without its part for videos, which torchvision would have to be installed for."""
    whole = processor.get_attributes()

    def get_attributes(_: type[Any]) -> list[str]:
        return [name for name in whole if name != "video_processor"]

    def create_mm_token_type_ids(self: Any, input_ids: Any) -> Any:
        # Some make NumPy arrays of the tensors given, which warns
        return processor.create_mm_token_type_ids(
            self, [torch.as_tensor(row).tolist() for row in input_ids]
        )

    body = {
        "get_attributes": classmethod(get_attributes),
        "create_mm_token_type_ids": create_mm_token_type_ids,
        "__module__": processor.__module__,
    }
    return type(processor.__name__, (processor,), body)


def _with_padding(processor: Any) -> Any:
    tokenizer = processor.tokenizer
    if tokenizer.pad_token_id is None:  # any token will do: padding is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return processor


def processor_settings(processor: Any) -> dict[str, Any]:
    """Return the settings of the image processor that change what the model sees."""
    settings = processor.image_processor.to_dict()
    kept = {name: settings[name] for name in _SETTINGS if settings.get(name) is not None}
    # Through JSON and back, so that what is compared later is what was stored.
    return dict(json.loads(json.dumps(kept)))


def settings_apart(then: Any, now: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Say where the settings of two image processors differ: each place, and both values.

    Parameters
    ----------
    then, now
        Of :func:`processor_settings`, or what was stored in their place.
    place
        What the settings are called.

    Examples
    --------
    >>> then, now = ({"size": {"height": side}, "do_pad": True} for side in (64, 96))
    >>> list(settings_apart(then, now, "processor"))
    [('processor.size.height', 64, 96)]
    """
    if then == now:
        return
    if not (isinstance(then, Mapping) and isinstance(now, Mapping) and then and now):
        yield place, then, now
        return
    for name in sorted({*then, *now}):
        yield from settings_apart(then.get(name), now.get(name), f"{place}.{name}")
