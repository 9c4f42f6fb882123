"""Directories that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import ModelNotFoundError, OutputError
from superneurons.export.folder import MARK, check_free, new_directory


def test_it_appears_when_all_is_written(tmp_path: Path) -> None:
    wanted = tmp_path / "deep" / "out"
    with new_directory(wanted) as partial:
        (partial / "a").write_text("a")
        assert not wanted.exists()
    assert [path.name for path in wanted.iterdir()] == ["a"]
    assert [path.name for path in wanted.parent.iterdir()] == ["out"]


def write_half(directory: Path) -> None:
    with new_directory(directory, overwrite=True) as partial:
        (partial / MARK).write_text("new")
        raise OSError("half way")


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    with new_directory(tmp_path / "out") as partial:
        (partial / MARK).write_text("old")
    with pytest.raises(OSError, match="half way"):
        write_half(tmp_path / "out")
    assert (tmp_path / "out" / MARK).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_put_in_place_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_directory(tmp_path / "out") as partial:
        (partial / MARK).write_text("old")
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if target.name == "out" and (self / MARK).read_text() == "new":
            raise PermissionError(13, "not here")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with (
        pytest.raises(OutputError, match=r"Cannot write .*: not here"),
        new_directory(tmp_path / "out", overwrite=True) as partial,
    ):
        (partial / MARK).write_text("new")
    assert (tmp_path / "out" / MARK).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_stays_one_and_the_place_where_one_is_can_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there")
    for text, place in (
        ("one", tmp_path / "link"),
        ("two", Path()),
        ("three", tmp_path / "link"),
    ):
        with new_directory(place, overwrite=True) as partial:
            (partial / MARK).write_text(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / MARK).read_text() == text
        monkeypatch.chdir(tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_errors_of_ours_say_what_they_said(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelNotFoundError, match="gone"),
        new_directory(tmp_path / "out"),
    ):
        raise ModelNotFoundError("The model is gone.", mend="Bring it back.")
    assert not list(tmp_path.iterdir())


def test_an_older_export_is_replaced_only_when_allowed(tmp_path: Path) -> None:
    with new_directory(tmp_path / "out") as partial:
        (partial / MARK).write_text("old")
    with pytest.raises(OutputError, match="exists already"), new_directory(tmp_path / "out"):
        pass
    with new_directory(tmp_path / "out", overwrite=True) as partial:
        (partial / "b").write_text("b")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]


def test_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    for place in (tmp_path, tmp_path / "note"):
        with pytest.raises(OutputError, match="something other than an export"):
            check_free(place, overwrite=True)
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty", overwrite=True)
    check_free(tmp_path / "new")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"), new_directory(tmp_path / "file" / "out"):
        pass


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), new_directory(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_what_is_already_said_is_not_said_again(tmp_path: Path) -> None:
    own = OutputError("The head cannot be written.", where="score.weight", mend="Export it again.")
    with pytest.raises(OutputError) as caught, new_directory(tmp_path / "out"):
        raise own
    assert caught.value is own
    assert list(tmp_path.iterdir()) == []


def test_refusals_name_the_place(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    with new_directory(taken) as partial:
        (partial / MARK).write_text("old")
    with pytest.raises(OutputError) as caught:
        check_free(taken)
    assert caught.value.where == str(taken)
    check_free(taken, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught, new_directory(tmp_path / "file" / "out"):
        pass
    assert caught.value.where == str(tmp_path / "file")


def test_what_others_keep_there_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("mine")
    with (
        pytest.raises(OutputError, match="something other"),
        new_directory(tmp_path / "mine", overwrite=True) as partial,
    ):
        (partial / MARK).write_text("new")
    assert (tmp_path / "mine" / "note").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
