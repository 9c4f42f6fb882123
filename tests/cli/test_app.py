from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from superneurons.cli import doctor


@pytest.mark.parametrize("words", [(), ("fit",), ("predict",), ("eval",), ("demo",), ("tasks",)])
def test_help_is_there_without_torch(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from superneurons.cli.app import app\n"
        f"try: app({[*words, '--help']!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_version_is_said(run: Callable) -> None:  # type: ignore[type-arg]
    assert run("--version").out.startswith("superneurons 0.")


def test_an_unknown_command_is_a_usage_error(run: Callable) -> None:  # type: ignore[type-arg]
    assert run("fitt").code == 2


def test_an_interruption_has_its_own_exit_code(
    run: Callable,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "quiet", interrupted)
    assert run("doctor").code == 130


def test_errors_are_messages_not_tracebacks(run: Callable) -> None:  # type: ignore[type-arg]
    done = run("doctor", "--model", "./nowhere")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "mend:" in done.err
    assert done.out == ""
