"""Push a classifier to the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superneurons.errors import DataError, OutputError
from superneurons.export.hub_contents import Contents, contents
from superneurons.shortcut.hub import forget
from superneurons.shortcut.hub_fetch import PARTS
from superneurons.shortcut.hub_refusal import transport_errors
from superneurons.vlm.hub import offline_variable

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi, ModelInfo

    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["Pushed", "push_to_hub"]

# What a repository may hold that is about to become a classifier's.
_HARMLESS = {".gitattributes", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"}


@dataclass(frozen=True, slots=True)
class Pushed:
    """A classifier that is on the hub.

    Parameters
    ----------
    name, branch, commit
        Where; ``branch`` is ``None`` for the main one.
    url
        Of the commit, to look at.
    files
        What was pushed.
    stays
        What lies beside the classifier and was not.
    has_scores
        Whether the card tells what was measured on other records.
    """

    name: str
    branch: str | None
    commit: str
    url: str
    files: tuple[str, ...]
    stays: tuple[str, ...]
    has_scores: bool


def push_to_hub(
    classifier: SuperNeuronClassifier | Cascade | str | Path,
    name: str,
    *,
    private: bool = False,
    branch: str | None = None,
    message: str | None = None,
    run: Path | None = None,
    base_model: str | None = None,
) -> Pushed:
    """Push a classifier or cascade to the hub in one commit: its two files and a card.

    Who you are is told by ``HF_TOKEN`` or ``hf auth login``.

    Parameters
    ----------
    classifier
        A fitted one, or the directory of a saved one.
    name
        ``owner/name``; the repository is made if it isn't there.
    private
        Whether only you, or your organisation, may see it.
    branch
        Push there instead of to the main branch; it is made if it isn't there.
    message
        Of the commit.
    run, base_model
        As of :func:`~superneurons.export.hub_contents.contents`.

    Raises
    ------
    ArtefactError, DataError
        As of :func:`~superneurons.export.hub_contents.contents`; before anything is sent.
    OutputError
        When the repository holds something else, is public and should not be, may not be
        written, or the hub cannot be reached.
    """
    with _saved(classifier) as directory:
        whole = contents(directory, name, run=run, base_model=base_model)
    from huggingface_hub import HfApi

    api = HfApi()
    failures: tuple[type[Exception], ...] = (*transport_errors(), RuntimeError)
    try:
        _check_place(api, name, branch, private=private)
        told = _commit(api, name, whole, private=private, branch=branch, message=message)
    except OutputError:
        raise
    except failures as error:
        raise _not_pushed(name, error) from error
    forget(name)
    return Pushed(
        name, branch, told.oid, told.commit_url, tuple(whole.files), whole.stays, whole.has_scores
    )


@contextmanager
def _saved(classifier: SuperNeuronClassifier | Cascade | str | Path) -> Iterator[Path]:
    if isinstance(classifier, str | Path):
        directory = Path(classifier)
        if not directory.is_dir():
            raise DataError(
                f"There is no directory {str(classifier)!r}.",
                where=str(classifier),
                mend="Give what `superneurons fit --out` wrote, or a fitted classifier.",
            )
        yield directory
        return
    with tempfile.TemporaryDirectory() as place:
        classifier.save_pretrained(Path(place) / "classifier")
        yield Path(place) / "classifier"


def _check_place(api: HfApi, name: str, branch: str | None, *, private: bool) -> None:
    """Refuse to write over something else, or to show what should be private."""
    there = _info(api, name)
    if there is None:
        return
    if private and not there.private:
        raise OutputError(
            f"{name!r} is there already, and public; nothing was pushed.",
            where=name,
            mend="Make it private in its settings, choose another name, or allow it to be public.",
        )
    # A branch that isn't there yet begins as the main one is.
    holder = there if branch is None else _info(api, name, branch) or there
    found = {file.rfilename for file in holder.siblings or ()}
    if found - _HARMLESS and PARTS[1] not in found:
        shown = ", ".join(sorted(found - _HARMLESS)[:5])
        raise OutputError(
            f"{name!r} holds something other than a classifier; nothing was pushed.",
            where=f"{name}: {shown}",
            mend="Choose another name.",
        )


def _info(api: HfApi, name: str, revision: str | None = None) -> ModelInfo | None:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return api.model_info(name, revision=revision)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        return None


def _commit(
    api: HfApi,
    name: str,
    whole: Contents,
    *,
    private: bool,
    branch: str | None,
    message: str | None,
) -> CommitInfo:
    from huggingface_hub import CommitOperationAdd

    api.create_repo(name, private=private, exist_ok=True)
    if branch is not None:
        api.create_branch(name, branch=branch, exist_ok=True)
    added = [
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=content)
        for file, content in whole.files.items()
    ]
    said = message or "A classifier by superneurons"
    return api.create_commit(name, added, commit_message=said, revision=branch)


def _not_pushed(name: str, error: Exception) -> OutputError:
    what, mend = _why(name, error)
    return OutputError(what, where=name, mend=mend)


def _why(name: str, error: Exception) -> tuple[str, str]:
    from huggingface_hub import errors

    variable = offline_variable()
    if variable is not None:
        return (
            f"Offline mode is on ({variable}); nothing was pushed.",
            f"Unset {variable.partition('=')[0]}.",
        )
    if isinstance(error, errors.HFValidationError):
        return f"{name!r} can be no name of the hub.", "Give a name such as owner/name."
    response = getattr(error, "response", None)
    status = None if response is None else response.status_code
    if status == 401 or isinstance(error, errors.LocalTokenNotFoundError):
        return (
            f"The hub doesn't know you, or not with this token; {name!r} was not pushed.",
            "Log in (`hf auth login`), or set HF_TOKEN to a token that may write.",
        )
    if status == 403:
        return (
            f"You may not write to {name!r}.",
            "Choose a name under your own account or an organisation of yours, and a token that "
            "may write.",
        )
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"{name!r} could not be pushed: {why}", "Check the name and the network; push again."
