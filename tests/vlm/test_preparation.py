from __future__ import annotations

import subprocess
import sys

import pytest

from superneurons.errors import ModelError
from superneurons.vlm.preparation import PREPARATIONS, check_preparation


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_what_there_is_can_be_asked_for(preparation: str) -> None:
    check_preparation(preparation)


@pytest.mark.parametrize("preparation", ["jpg", "", "cuda", "Jpeg"])
def test_another_is_refused_with_those_there_are(preparation: str) -> None:
    with pytest.raises(ModelError, match=f"Unknown preparation '{preparation}'") as said:
        check_preparation(preparation)
    assert str(said.value).endswith("Use one of: auto, device, processor, jpeg.")


def test_the_command_line_can_name_them_without_importing_torch() -> None:
    code = "import sys, superneurons.vlm.preparation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
