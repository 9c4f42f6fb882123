"""A number for ``/metrics`` that has labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Parameters
    ----------
    name
        What it is, without prefix.
    value
        Now.
    labels
        Of what it is; all figures of one name have the same ones.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
