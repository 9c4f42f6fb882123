"""Processors put together of parts that ``transformers`` by itself loads with torchvision only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from superneurons.vlm.family import ProcessorLoader

__all__ = ["assembled"]


def assembled(processor: str, pictures: str) -> ProcessorLoader:
    """Return what loads a processor with an image processor that is named, whatever is installed.

    Parameters
    ----------
    processor
        The name of its class in ``transformers``, made of an image processor and a tokenizer.
    pictures
        Where the class of its image processor is: ``module:Class``, built on Pillow.

    Examples
    --------
    >>> idefics3 = "transformers.models.idefics3.image_processing_pil_idefics3"
    >>> load = assembled("Idefics3Processor", f"{idefics3}:Idefics3ImageProcessorPil")
    >>> load("HuggingFaceTB/SmolVLM-256M-Instruct")  # doctest: +SKIP
    """

    def load(path: str, **options: Any) -> Any:
        import transformers

        whole = getattr(transformers, processor)
        options.pop("backend", None)
        settings, _ = whole.get_processor_dict(path, **options)
        parts = [
            _class_at(pictures).from_pretrained(path, **options),
            transformers.AutoTokenizer.from_pretrained(path, **options),
        ]
        return whole.from_args_and_dict(parts, settings)

    return load


def _class_at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
