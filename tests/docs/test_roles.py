"""Sphinx roles of docstrings, as links."""

from __future__ import annotations

import griffe
import pytest
import roles

CODE = {
    "__init__.py": '"""See :mod:`superneurons.b`."""\n',
    "a.py": '''
"""Has :func:`run`, ``:func:`` and :class:`~superneurons.b.B`."""
from superneurons.b import B
def run():
    """Gives :class:`B`, as :meth:`B.go` does; not :func:`missing`."""
class C:
    """A thing."""
    def stop(self):
        """Undo :meth:`start`."""
    def start(self): ...
''',
    "b.py": "class B:\n    def go(self): ...\n",
}


@pytest.fixture
def package() -> object:
    extensions = griffe.load_extensions(roles.Roles)
    with griffe.temporary_visited_package("superneurons", CODE, extensions=extensions) as found:
        return found


def test_roles_lead_where_their_names_do_in_the_code(package: griffe.Module) -> None:
    assert package["a"].docstring.value == (
        "Has [`run`][superneurons.a.run], ``:func:`` and [`B`][superneurons.b.B]."
    )
    assert package.docstring.value == "See [`superneurons.b`][superneurons.b]."
    assert package["a.C.stop"].docstring.value == "Undo [`start`][superneurons.a.C.start]."


def test_imported_names_and_their_members_are_found(package: griffe.Module) -> None:
    said = package["a.run"].docstring.value
    assert "[`B`][superneurons.b.B], as [`B.go`][superneurons.b.B.go]" in said


def test_a_name_that_is_nowhere_stays_one_that_the_build_refuses(package: griffe.Module) -> None:
    assert package["a.run"].docstring.value.endswith("not [`missing`][missing].")


def test_text_without_roles_stays(package: griffe.Module) -> None:
    assert package["a.C"].docstring.value == "A thing."
    assert roles.linked("``a:b`` and `c`", package) == "``a:b`` and `c`"
