"""Several pictures in one record, from the prompt to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import bright_records
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt
from tiny_families import savers

TEMPLATE = "Look: {pictures}\n{question} Answer:"
SIZES = ((28, 28), (40, 24), (20, 48))

# InternVL's processor in transformers 5.17, with NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


def resized(record: Record, number: int) -> Image.Image:
    picture = record.images[0]
    assert isinstance(picture, Image.Image)
    return picture.resize(SIZES[number % len(SIZES)])


def pairs(n: int, seed: int = 0) -> list[Record]:
    """A grey picture, then a bright or a dark one, of several sizes."""
    return [
        replace(
            record,
            images=(Image.new("RGB", SIZES[i // 2 % 2], "grey"), resized(record, i)),
            question="Is the second one bright?",
        )
        for i, record in enumerate(bright_records(n, seed))
    ]


def mixed(n: int, seed: int = 0) -> list[Record]:
    """The picture once, twice or three times, in several sizes."""
    return [
        replace(record, images=tuple(resized(record, i + k) for k in range(1 + i // 2 % 3)))
        for i, record in enumerate(bright_records(n, seed))
    ]


def residual(vlm: VLM, records: Sequence[Record], prompt: Prompt | None = None) -> torch.Tensor:
    return vlm.last_states(vlm.encode(records, prompt)).residual


@pytest.fixture(scope="module", params=sorted(savers()))
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VLM:
    """A tiny model of every family."""
    path: Path = savers()[request.param](tmp_path_factory.mktemp("families") / request.param)
    return open_vlm(str(path), device="cpu", verify=False)


def test_a_template_shows_pictures_as_the_chat_template_does(member: VLM) -> None:
    token = int(member.model.config.image_token_id)  # type: ignore[union-attr, arg-type]
    records = mixed(6)
    shown = [
        (member.encode(records, prompt).tensors["input_ids"] == token).sum(dim=1).tolist()
        for prompt in (Prompt(), Prompt(template=TEMPLATE))
    ]
    assert shown[0] == shown[1]
    assert min(shown[0]) > 0


def test_records_of_several_counts_and_sizes_go_in_one_batch(member: VLM) -> None:
    records, prompt = mixed(6), Prompt(template=TEMPLATE)
    together = residual(member, records, prompt)
    alone = torch.cat([residual(member, [record], prompt) for record in records])
    torch.testing.assert_close(together, alone, rtol=5e-4, atol=5e-4)


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_both_pictures_count_and_so_does_their_order(vlm: VLM, template: str | None) -> None:
    prompt, (one, *_) = Prompt(template=template), pairs(2)
    other = replace(one, images=(one.images[0], one.images[0]))
    turned = replace(one, images=one.images[::-1])
    states = residual(vlm, [one, other, turned], prompt)
    assert not torch.allclose(states[0], states[1], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(states[0], states[2], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("template", [None, TEMPLATE])
@pytest.mark.parametrize("make", [pairs, mixed])
def test_a_classifier_learns_from_several_pictures(
    vlm: VLM, tmp_path: Path, make: type, template: str | None
) -> None:
    fitted = SuperNeuronClassifier(vlm, max_layer=2, prompt_template=template).fit(make(48))
    records = make(24, seed=1)
    assert fitted.score(records) >= 0.75
    expected = fitted.predict_proba(records)
    one_by_one = np.concatenate([fitted.predict_proba([record]) for record in records])
    np.testing.assert_allclose(one_by_one, expected, atol=5e-3)
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf")
    np.testing.assert_allclose(loaded.predict_proba(records), expected, atol=5e-3)


def test_of_pictures_of_several_sizes_each_counts_alike_where_only_they_are_read(vlm: VLM) -> None:
    record = mixed(6)[4]
    assert len({image.size for image in record.images}) == 3  # type: ignore[union-attr]
    each = [replace(record, images=(image,)) for image in record.images]
    inputs = vlm.encode([record, *each])
    for kind in ("vision", "projector"):
        states = vlm.last_states(inputs, [kind]).parts[kind]
        torch.testing.assert_close(states[0], states[1:].mean(dim=0), rtol=1e-4, atol=1e-4)
