from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from superneurons.cli import doctor
from superneurons.cli import predict as predict_module
from superneurons.cli.ending import Commands, Outlet, end, unread
from superneurons.errors import DataError

Runner = Callable[..., Any]


class Failing(io.StringIO):
    """A stream that takes so many pieces of text, and no more."""

    def __init__(self, takes: int, number: int) -> None:
        super().__init__()
        self.takes, self.number = takes, number

    def write(self, text: str) -> int:
        if self.takes == 0:
            raise OSError(self.number, os.strerror(self.number))
        self.takes -= 1
        return super().write(text)


def command(act: Callable[[], None]) -> Callable[[], object]:
    """An app of one command in a group, called as a user would."""
    app = typer.Typer(cls=Commands, rich_markup_mode=None)
    app.command("act")(act)
    app.command("other")(lambda: None)
    return lambda: app(["act"], prog_name="tool")


def interrupted() -> None:
    raise KeyboardInterrupt


def refused() -> None:
    raise DataError("No.", where="a.jsonl:3", mend="Mend it.")


def test_an_interruption_is_one_line_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    for act in (command(interrupted), interrupted):
        assert end(act) == 130
        assert capsys.readouterr() == ("", "superneurons: interrupted\n")


def test_an_error_is_said_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(command(refused)) == 2
    said = capsys.readouterr()
    assert said.err == "superneurons: No.\n  where: a.jsonl:3\n  mend:  Mend it.\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("code", "expected"), [(None, 0), (0, 0), (3, 3), ("a last word", 1)]
)  # as Python itself has it
def test_an_exit_code_is_kept(code: object, expected: int) -> None:
    def leave() -> None:
        raise SystemExit(code)

    assert end(leave) == expected


def test_defects_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        end(command(lambda: 1 / 0))  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 141), (errno.ENOSPC, 2)])
def test_what_comes_after_lost_output_is_still_done(
    number: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def show_and_keep() -> None:
        print("first")
        assert not unread()
        print("second")
        assert unread()
        (tmp_path / "kept").write_text("all of it")

    stream = Failing(2, number)  # a line and its end
    monkeypatch.setattr(sys, "stdout", stream)
    assert end(show_and_keep) == code
    assert stream.getvalue() == "first\n"
    assert (tmp_path / "kept").read_text() == "all of it"
    said = capsys.readouterr().err
    assert ("cannot be written: No space left" in said) == (code == 2)
    assert "Traceback" not in said


def test_progress_that_cannot_be_shown_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Failing(0, errno.EPIPE))
    assert end(lambda: print("on the way", file=sys.stderr)) == 0


def test_an_error_keeps_its_code_where_output_is_lost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def show_and_fail() -> None:
        print("first")
        refused()

    monkeypatch.setattr(sys, "stdout", Failing(0, errno.EPIPE))
    assert end(show_and_fail) == 2


def test_a_command_runs_without_any_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert end(lambda: print("to nobody")) == 0
    assert not unread()
    assert capsys.readouterr().err == ""


def test_an_outlet_is_otherwise_the_stream() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    outlet = Outlet(stream)
    assert (outlet.encoding, outlet.isatty()) == ("utf-8", False)
    assert outlet.write("grün") == 4
    outlet.flush()
    assert stream.buffer.getvalue() == "grün".encode()


def test_signs_that_an_encoding_lacks_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert end(lambda: print("layers ≤ 8")) == 0
    stream.flush()
    assert stream.buffer.getvalue().strip() == b"layers ? 8"


def test_the_nearest_word_is_offered(run: Runner) -> None:
    near = run("fit", "-d", "x", "-o", "y", "--site", "residul")
    assert near.code == 2
    assert "Did you mean 'residual'?" in near.err
    assert "Value error" not in near.err
    far = run("fit", "-d", "x", "-o", "y", "--site", "qqq")
    assert far.code == 2
    assert "is not one of 'residual'" in far.err
    assert "Did you mean" not in far.err
    assert "'--max-layer'" in run("fit", "-d", "x", "-o", "y", "--max-layer", "0").err


def test_answers_that_nobody_reads_are_not_computed(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def rows(*_: object) -> Iterator[dict[str, int]]:
        for number in range(50):
            computed.append(number)
            yield {"id": number}

    monkeypatch.setattr(predict_module, "_alone", rows)
    monkeypatch.setattr(sys, "stdout", Failing(4, errno.EPIPE))  # two lines and their ends
    assert run("predict", "clf", "a.png").code == 141
    assert computed == [0, 1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_disk_and_a_reader_that_leaves_in_a_process() -> None:
    words = [sys.executable, "-c", "from superneurons.cli.app import main; main()", "--help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("superneurons: The results cannot be written: No space left")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interruption_of_a_real_command_has_one_line(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "quiet", interrupted)
    done = run("doctor")
    assert (done.code, done.out, done.err) == (130, "", "superneurons: interrupted\n")
