"""What Ray's processes run in tests."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from superneurons.scale.answering import BlockWork


class Noted(BlockWork):
    """Answers blocks, and leaves a note of each one that it begins: its number and process."""

    def __init__(self, outputs: Path, *given: Any) -> None:
        super().__init__(outputs, *given)
        self._notes = outputs.parent / "notes"

    def __call__(self, task: tuple[int, Any]) -> dict[str, int]:
        (self._notes / f"{task[0]}-{os.getpid()}").touch()
        time.sleep(0.3)  # time to be killed in
        return super().__call__(task)


class Sees(BlockWork):
    """Answers blocks, and leaves a note of the GPUs that Ray lets it see."""

    def __init__(self, outputs: Path, *given: Any) -> None:
        super().__init__(outputs, *given)
        (outputs / "gpus").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
