"""What the name of a base model can mean, as far as this machine knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from superneurons.errors import ModelNotFoundError

__all__ = ["check_name", "is_local"]

_EMBEDDED = "demo"
# Language models that the hub still gives out without their owner.
_OWNERLESS = ("distilgpt2", "gpt2", "gpt2-large", "gpt2-medium", "gpt2-xl", "openai-gpt")
_ADDRESS = re.compile(r"https?://(?:hf\.co|huggingface\.co)/([^/]+/[^/?#]+).*")
_MEND = (
    "Give the directory that save_pretrained wrote, a hub id such as owner/name, or 'demo' "
    "(model=, --model)."
)


def is_local(name: str) -> bool:
    """Tell a path from a hub id: it exists, or is written as one.

    Examples
    --------
    >>> is_local("./model"), is_local("owner/name")
    (True, False)
    """
    written = name.startswith((".", "/", "~")) or name.count("/") > 1
    return written or Path(name).exists()


def check_name(name: str) -> None:
    """Refuse a base model that can be nowhere, without asking the network.

    Parameters
    ----------
    name
        ``demo``, a local directory, or a hub id. Whether the hub has that id is left open.

    Raises
    ------
    ModelNotFoundError
        For a path without a model, and for a word without an owner that is neither a directory,
        nor cached, nor one of the few that the hub knows so. Names the nearest of what is here.

    Examples
    --------
    >>> check_name("owner/name")
    >>> check_name("demoo")
    Traceback (most recent call last):
    superneurons.errors.ModelNotFoundError: There is no model 'demoo': it is no local directory, and the hub's have an owner.
      where: demoo
      mend:  Did you mean 'demo'? Give the directory that save_pretrained wrote, a hub id such as owner/name, or 'demo' (model=, --model).
    """  # noqa: E501
    if name == _EMBEDDED:
        return
    if address := _ADDRESS.fullmatch(name):
        raise ModelNotFoundError(
            "A model of the hub is named by its id, not by its address.",
            where=name,
            mend=f"Give {address[1]!r}.",
        )
    try:
        if is_local(name):
            _check_directory(Path(name).expanduser())
        elif "/" not in name and name not in _OWNERLESS:
            _check_word(name)
    except (OSError, RuntimeError) as error:  # RuntimeError: no such user's home
        if isinstance(error, ModelNotFoundError):
            raise
        raise ModelNotFoundError(
            f"{name!r} cannot be looked into: {error}", where=name, mend=_MEND
        ) from error


def _check_directory(path: Path) -> None:
    if (path / "config.json").is_file():
        return
    near = ""
    if path.is_dir():
        what = f"There is no model in {str(path)!r}: it has no config.json."
    elif path.exists():
        what = f"{str(path)!r} is a file, and a model is a directory."
    else:
        what = f"There is no directory {str(path)!r}."
        near = _near(path.name, {name: str(path.parent / name) for name in _folders(path.parent)})
    raise ModelNotFoundError(what, where=str(path), mend=near + _MEND)


def _check_word(name: str) -> None:
    cached = _cached()
    if name in cached:
        return
    known = {full.rpartition("/")[2]: full for full in cached}
    known |= {each: each for each in (*cached, *_folders(Path()), *_OWNERLESS, _EMBEDDED)}
    raise ModelNotFoundError(
        f"There is no model {name!r}: it is no local directory, and the hub's have an owner.",
        where=name,
        mend=_near(name, known) + _MEND,
    )


def _near(word: str, known: Mapping[str, str]) -> str:
    found = get_close_matches(word, known, n=1)
    return f"Did you mean {known[found[0]]!r}? " if found else ""


def _folders(path: Path) -> list[str]:
    return [each.name for each in path.iterdir() if each.is_dir()] if path.is_dir() else []


def _cached() -> list[str]:
    """Return the models of which the local hub cache has something."""
    from huggingface_hub import constants

    kind = "models--"
    found = (name for name in _folders(Path(constants.HF_HUB_CACHE)) if name.startswith(kind))
    return [name.removeprefix(kind).replace("--", "/", 1) for name in found]
