"""The base model of an estimator: opened when first needed, as deep as needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

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
    prompt_template : str, optional
        What to ask with instead of the chat template (:class:`~superneurons.vlm.prompt.Prompt`).
    resolution : int, optional
        See pictures at so many pixels per side; by default as the model was made for.
    dtype, device, revision, trust_remote_code, preparation
        As in :func:`~superneurons.vlm.opening.open_vlm`, when ``model`` is a name.
    """

    _sized: tuple[VLM, int, VLM] | None = None

    # scikit-learn asks these two for what notebooks show, and honours its setting `display`.
    def _repr_html_inner(self) -> str:
        from superneurons.shortcut.shown import cascade_html, classifier_html, parameters_html

        if hasattr(self, "stages_"):
            return cascade_html(self)  # type: ignore[arg-type]  # nothing else has stages
        if hasattr(self, "read_out_"):
            return classifier_html(self)  # type: ignore[arg-type]
        return parameters_html(self)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**options)  # type: ignore[misc]
        shown = {"text/html": self._repr_html_inner()} if "text/html" in bundle else {}
        return bundle | shown

    if TYPE_CHECKING:
        model: VLM | str
        prompt_order: PromptOrder
        prompt_template: str | None
        resolution: int | None
        _vlm: VLM

    @classmethod
    def from_model(cls, model: VLM | str, **params: Any) -> Self:
        """Return an unfitted estimator on a model; takes the constructor's parameters."""
        return cls(model, **params)  # type: ignore[call-arg]  # estimators have constructors

    @property
    def vlm(self) -> VLM:
        """The base model, opened when first needed, at the resolution that was asked for.

        Where a fitted estimator was loaded, there is only what it runs.
        """
        return self.at_resolution(self._opened)

    @property
    def _opened(self) -> VLM:
        if isinstance(self.model, VLM):
            return self.model
        return self._vlm if hasattr(self, "_vlm") else self.open()

    def at_resolution(self, vlm: VLM) -> VLM:
        """Return a model as this estimator sees with it.

        Raises
        ------
        ModelError
            When the model can't see pictures at ``resolution``.
        """
        if self.resolution is None:
            return vlm
        known = self._sized
        if known is None or known[0] is not vlm or known[1] != self.resolution:
            self._sized = known = (vlm, self.resolution, vlm.at_resolution(self.resolution))
        return known[2]

    def open(self, depth: int | None = None, *, tower_layers: int | None = None) -> VLM:
        """Open the base model as deep as ``depth``, or as a whole, unless it was given open.

        Parameters
        ----------
        depth, tower_layers
            As in :func:`~superneurons.vlm.opening.open_vlm`.

        Raises
        ------
        ModelError
            When it cannot be opened, or has fewer layers.
        """
        if isinstance(self.model, VLM):
            return self.model
        if hasattr(self, "_vlm"):
            del self._vlm  # first, so that not both are in memory
            self.forget()
        names = ("revision", "dtype", "device", "trust_remote_code", "preparation")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        self._vlm = open_vlm(self.model, depth=depth, tower_layers=tower_layers, **options)
        return self._vlm

    def forget(self) -> None:
        """Let go of what was made of the open model."""
        self._sized = None

    def whole(self) -> VLM:
        """Return the base model with all its layers, at its own resolution.

        It is opened again where only some layers were.
        """
        return self._opened if self._opened.depth == self._opened.n_layers else self.open()

    @property
    def prompt(self) -> Prompt:
        """How the model is asked.

        Raises
        ------
        ModelError
            When no model can be asked like this; lists every problem.
        """
        return Prompt(self.prompt_order, self.prompt_template)
