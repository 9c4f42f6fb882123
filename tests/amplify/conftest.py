"""Language models of three families, opened once."""

from __future__ import annotations

import pytest

from superneurons.amplify.language import LanguageModel, language_model, open_language_model
from superneurons.vlm.opening import open_vlm
from tiny_language_models import LANGUAGE_SAVERS
from tiny_models import SAVERS

NAMES = [*LANGUAGE_SAVERS, "llava", "qwen3_vl"]


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    root = tmp_path_factory.mktemp("language")
    found = {
        name: open_language_model(str(save(root / name)), device="cpu")
        for name, save in LANGUAGE_SAVERS.items()
    }
    for name in ("llava", "qwen3_vl"):
        found[name] = language_model(open_vlm(str(SAVERS[name](root / name)), device="cpu"))
    return found


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest, opened: dict[str, LanguageModel]) -> LanguageModel:
    """A tiny language model of each family, alone or within a VLM."""
    return opened[request.param]


@pytest.fixture(scope="session")
def llama(opened: dict[str, LanguageModel]) -> LanguageModel:
    """One of them, where the family doesn't matter."""
    return opened["llama"]
