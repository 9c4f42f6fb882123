"""Names for requests and answers."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from superneurons.serve.ids import new_id


def test_names_differ_between_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: new_id(), range(1000)))
    assert len(set(names)) == 1000
    assert all(len(name) <= 64 for name in names)


def test_names_differ_between_processes() -> None:
    code = "from superneurons.serve.ids import new_id; print(new_id())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.split("-")[0] != new_id().split("-")[0]
