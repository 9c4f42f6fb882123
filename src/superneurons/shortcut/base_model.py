"""The base model of an estimator: opened when first needed, as deep as needed."""

from __future__ import annotations

from typing import Any

from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt, PromptOrder

__all__ = ["OnBaseModel"]


class OnBaseModel:
    """What an estimator on a base model does with its parameters that name the model.

    Attributes
    ----------
    model : VLM or str
        The base model: opened, or what :func:`~superneurons.vlm.opening.open_vlm` takes.
    prompt_order : {"picture-first", "question-first"}
        What comes first in the prompt.
    dtype, device, revision, trust_remote_code
        As in :func:`~superneurons.vlm.opening.open_vlm`, when ``model`` is a name.
    """

    model: VLM | str
    prompt_order: PromptOrder
    dtype: str
    device: str
    revision: str | None
    trust_remote_code: bool
    _vlm: VLM

    @property
    def vlm(self) -> VLM:
        """The base model, opened when first needed."""
        if isinstance(self.model, VLM):
            return self.model
        return self._vlm if hasattr(self, "_vlm") else self.open()

    def open(self, depth: int | None = None) -> VLM:
        """Open the base model as deep as ``depth``, or as a whole, unless it was given open.

        Raises
        ------
        ModelError
            When it cannot be opened, or has fewer layers.
        """
        if isinstance(self.model, VLM):
            return self.model
        if hasattr(self, "_vlm"):
            del self._vlm  # first, so that not both are in memory
        names = ("revision", "dtype", "device", "trust_remote_code")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        self._vlm = open_vlm(self.model, depth=depth, **options)
        return self._vlm

    def whole(self) -> VLM:
        """Return the base model with all its layers; opens it again where only some were."""
        return self.vlm if self.vlm.depth == self.vlm.n_layers else self.open()

    @property
    def prompt(self) -> Prompt:
        """How the model is asked."""
        return Prompt(self.prompt_order)
