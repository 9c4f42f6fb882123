"""New processes that needn't import torch again: forks of one clean process that has."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

__all__ = ["command", "fresh_processes", "script"]

_IMPORTED = (
    "superneurons.cli.app",
    "superneurons.cli.fit",
    "superneurons.scale.probing",
    "superneurons.shortcut.classifier",
    "torch.distributed",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llava.modeling_llava",
)


def fresh_processes() -> ForkServerContext:
    """What starts processes as ``spawn`` does, from pickles, but from one that has imported.

    That one has run nothing and has no threads, so it can be forked safely.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def command(*words: object) -> None:
    """Be the command line, and say nothing: what such a process is made with."""
    from superneurons.cli.app import main

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.argv = ["superneurons", *map(str, words)]
    main()


def script(code: str, said: Path, *words: object) -> None:
    """Be a program of Python that prints to a file: what such a process is made with."""
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 1)
    sys.argv = ["-c", *map(str, words)]
    exec(compile(code, "<script>", "exec"), {"__name__": "__main__"})
