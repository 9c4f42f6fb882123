"""Every known family, on a tiny random model: verified, fitted, left early, predicted from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import bright_records
from pretended import pretending
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm import families as rooms
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.spread import spread
from superneurons.vlm.taps import KINDS
from superneurons.vlm.verify import verify
from tiny_families import __path__ as tiny
from tiny_families import savers

SIZES = ((28, 28), (40, 24), (20, 48), (30, 31))

# InternVL's processor in transformers 5.17, with NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


@pytest.fixture(scope="module", params=sorted(savers()))
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    save: Callable[[Path], Path] = savers()[request.param]
    return save(tmp_path_factory.mktemp("families") / request.param)


@pytest.fixture(scope="module")
def model(path: Path) -> VLM:
    return open_vlm(str(path), device="cpu")


def mixed(n: int, seed: int = 0) -> list[Record]:
    """Bright and dark pictures of different sizes, with questions of different lengths."""
    records = []
    for number, record in enumerate(bright_records(n, seed)):
        picture = record.images[0]
        assert isinstance(picture, Image.Image)
        question = "Is it bright?" + " Or not?" * (number // 2 % 3)
        resized = picture.resize(SIZES[number // 2 % len(SIZES)])
        records.append(Record((resized,), question, record.label, id=record.id))
    return records


def test_every_family_has_a_tiny_model() -> None:
    assert {m.name for m in iter_modules(rooms.__path__)} == {m.name for m in iter_modules(tiny)}
    assert set(savers()) >= set(families())


def test_it_is_of_the_family_it_should_be(model: VLM) -> None:
    assert model.family in families()[model.model.config.model_type]  # type: ignore[union-attr, index]


def test_every_check_holds(model: VLM) -> None:
    assert {check.name: check.detail for check in verify(model) if not check.passed} == {}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [1, 8])
def test_states_do_not_depend_on_batch_or_padding(model: VLM, side: str, size: int) -> None:
    records = mixed(8)
    kinds = [kind for kind in KINDS if kind not in model.family.lacks]
    expected = model.last_states(model.encode(records), kinds).parts
    for start in range(0, len(records), size):
        inputs = model.encode(records[start : start + size], padding_side=side)
        found = model.last_states(inputs, kinds).parts
        for kind in kinds:
            rows = expected[kind][start : start + size]
            torch.testing.assert_close(found[kind], rows, rtol=2e-4, atol=2e-4)


def test_what_it_answers_is_what_it_would_generate(model: VLM) -> None:
    records = mixed(4)
    made = model.model.generate(  # type: ignore[operator]
        **model.encode(records, padding_side="left").tensors,
        min_new_tokens=2, max_new_tokens=2, do_sample=False,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    inputs = model.encode(records)
    for step in range(2):
        logits = model.last_states(inputs, logits=True).logits
        torch.testing.assert_close(logits, made.logits[step].float(), rtol=5e-4, atol=5e-4)
        inputs = inputs.followed_by(made.sequences[:, step - 2], model.family.answer_type)


def test_it_is_fitted_left_early_and_predicted_from(model: VLM, tmp_path: Path) -> None:
    classifier = SuperNeuronClassifier(model, max_layer=2).fit(mixed(40))
    assert classifier.exit_layer_ <= 2
    records = mixed(16, seed=1)
    assert classifier.score(records) >= 0.75
    expected = classifier.predict_proba(records)
    one_by_one = np.concatenate([classifier.predict_proba([record]) for record in records])
    np.testing.assert_allclose(one_by_one, expected, atol=1e-3)
    classifier.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf")
    assert loaded.vlm.depth == classifier.exit_layer_
    far = 2e-2 if loaded.vlm.device.type == "cuda" else 1e-3  # where convolutions are in TF32
    np.testing.assert_allclose(loaded.predict_proba(records), expected, atol=far)


def test_an_early_exit_gives_what_the_whole_model_does(model: VLM) -> None:
    inputs = model.encode(mixed(4))
    for kind in (kind for kind in KINDS if kind not in model.family.lacks):
        layers, width = model.shape(kind)
        deepest = max(1, layers // 2)
        whole = model.last_states(inputs, [kind]).parts[kind]
        found = EarlyExit(model, [1, deepest], [0, width - 1], kind=kind)(inputs)
        expected = torch.stack([whole[:, 0, 0], whole[:, deepest - 1, width - 1]], dim=1)
        torch.testing.assert_close(found, expected.float(), rtol=2e-4, atol=2e-4)


def test_laid_over_two_devices_it_gives_the_same(model: VLM, path: Path) -> None:
    records = mixed(2)
    kinds = [kind for kind in KINDS if kind not in model.family.lacks]
    expected = model.last_states(model.encode(records), kinds, logits=True)
    with pretending() as devices:
        laid = open_vlm(str(path), device="cpu", verify=False)
        spread(laid.model, laid.family, devices, laid.name)
        assert laid.devices == devices
        found = laid.last_states(laid.encode(records), kinds, logits=True)
    for kind in kinds:
        torch.testing.assert_close(found.parts[kind], expected.parts[kind], rtol=2e-4, atol=2e-4)
    torch.testing.assert_close(found.logits, expected.logits, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("depth", [1, 2])
def test_opened_only_as_deep_as_it_is_read_it_gives_the_same(
    model: VLM, path: Path, depth: int
) -> None:
    part = open_vlm(str(path), device="cpu", depth=depth)
    assert part.depth == depth
    records = mixed(4)
    expected = model.last_states(model.encode(records)).residual[:, :depth]
    torch.testing.assert_close(part.last_states(part.encode(records)).residual, expected)


def test_several_pictures_make_one_record(model: VLM) -> None:
    one, _, two = mixed(3)
    both = Record((*one.images, *two.images), "Are they bright?")
    kinds = [kind for kind in KINDS if kind not in model.family.lacks]
    states = model.last_states(model.encode([two, both, one]), kinds).parts
    alone = model.last_states(model.encode([both]), kinds).parts
    for kind in kinds:
        torch.testing.assert_close(states[kind][1:2], alone[kind], rtol=2e-4, atol=2e-4)
        assert not torch.allclose(states[kind][1], states[kind][2])
