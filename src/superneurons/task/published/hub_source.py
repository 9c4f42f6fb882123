"""How a dataset of the Hugging Face hub is named as a source of records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import parse_qsl

from superneurons.errors import DataError

__all__ = ["FORM", "HUB", "HubSource", "parse_hub"]

HUB = "hf:"
"""What a source begins with."""

FORM = "hf:OWNER/NAME[:CONFIG]@SPLIT[?image=COLUMN&question=COLUMN&label=COLUMN&options=COLUMN]"
"""How one is written."""

_ASKED_FOR = ("image", "question", "label", "options", "group", "id")
_CONFIG = re.compile(r"(?P<name>.+):(?P<config>[^:/\\]+)")


@dataclass(frozen=True, slots=True)
class HubSource:
    """A dataset, as a source names it.

    Parameters
    ----------
    name
        A hub id, or the path of a local directory.
    config
        Its configuration; ``None`` for the only one.
    split
        Its split, or a part of it: ``train[:500]``. ``None`` for the only one.
    columns
        The columns that were given, by field; several pictures are parted by commas.
    """

    name: str
    config: str | None
    split: str | None
    columns: dict[str, str]


def parse_hub(source: str) -> HubSource:
    """Take a source apart: ``hf:OWNER/NAME[:CONFIG]@SPLIT[?image=COLUMN&…]``.

    Raises
    ------
    DataError
        When it isn't of that form, or a field is unknown or given twice.

    Examples
    --------
    >>> parse_hub("hf:BLINK-Benchmark/BLINK:Counting@val")
    HubSource(name='BLINK-Benchmark/BLINK', config='Counting', split='val', columns={})
    >>> parse_hub("hf:me/mine@train[:9]?label=kind").columns
    {'label': 'kind'}
    """
    rest, _, query = source.removeprefix(HUB).partition("?")
    before, at, after = rest.rpartition("@")
    name, split = (before, after or None) if at else (after, None)
    with_config = _CONFIG.fullmatch(name)
    # a single letter is a drive, not a dataset
    if with_config is not None and len(with_config["name"]) > 1:
        name, config = with_config["name"], with_config["config"]
    else:
        config = None
    pairs = parse_qsl(query, keep_blank_values=True)
    columns = dict(pairs)
    unknown = [field for field in columns if field not in _ASKED_FOR]
    if not name.strip() or len(columns) < len(pairs) or "" in columns.values() or unknown:
        near = get_close_matches(unknown[0], _ASKED_FOR, n=1) if unknown else []
        what = f"There is no field {unknown[0]!r}" if unknown else "It cannot be taken apart"
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(f"{what}{hint}.", where=source, mend=f"Write {FORM}.")
    return HubSource(name, config, split, columns)
