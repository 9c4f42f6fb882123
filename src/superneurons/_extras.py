"""Optional dependencies, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from superneurons.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Parameters
    ----------
    module
        What to import, such as ``pyarrow.parquet``.
    extra
        The extra of this package that installs it.
    purpose
        What it is needed for, as in "Reading Parquet files".

    Raises
    ------
    MissingExtraError
        When the module is not installed.

    Examples
    --------
    >>> require("json", extra="parquet", purpose="Reading JSON").loads("1")
    1
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and not module.startswith(error.name.split(".")[0]):
            raise  # the dependency is there and is itself broken: do not hide that
        package = module.split(".", maxsplit=1)[0]
        raise MissingExtraError(
            f"{purpose} needs the package {package!r}, which is not installed.",
            mend=f"pip install 'superneurons[{extra}]'",
        ) from error
