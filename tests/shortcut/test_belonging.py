from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hub_cache import COMMIT, NAME, OTHER, add_commit, offline
from superneurons.errors import MismatchError, ModelNotFoundError
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.belonging import CommitWarning, belongs_to, refuse_mismatch
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.together_loading import load_together
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt
from tiny_models import save_llava


def test_a_model_is_its_own(vlm: VLM) -> None:
    for depth, head in ((0, False), (2, False), (4, True)):
        config = belongs_to(vlm, Prompt(), depth, head=head)
        refuse_mismatch(vlm, Prompt(), config, depth, head=head)


def test_only_what_runs_has_to_be_the_same(vlm: VLM) -> None:
    shallow = belongs_to(vlm, Prompt(), 2, head=False)
    refuse_mismatch(vlm.truncated(2), Prompt(), shallow, 2, head=False)
    with pytest.raises(MismatchError) as caught:
        refuse_mismatch(vlm.truncated(2), Prompt(), shallow, 3, head=False)
    assert [problem.where for problem in caught.value.problems] == ["base_model.layers"]


def test_all_that_differs_is_said(llava: VLM, tmp_path: Path) -> None:
    config = belongs_to(llava, Prompt(), 1, head=False)
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    with pytest.raises(MismatchError) as caught:
        refuse_mismatch(other, Prompt("question-first"), config, 1, head=False)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["base_model.fingerprint", "prompt"]
    assert "this one asks" in caught.value.problems[1].what
    renamed = replace(llava, name="elsewhere")
    refuse_mismatch(renamed, Prompt(), config, 1, head=False)


def test_the_template_is_told_with_what_it_becomes(vlm: VLM) -> None:
    prompt = Prompt(template="{pictures} {question}")
    told = belongs_to(vlm, prompt, 1, head=False)["prompt"]
    assert told["template"] == prompt.template
    assert told["frame"] == prompt.frame(vlm.processor, vlm.family)
    assert told["sha256"] == prompt.digest(vlm.processor, vlm.family)
    assert belongs_to(vlm, Prompt(), 1, head=False)["prompt"]["template"] is None


def test_the_template_of_the_family_is_told_too(llava_path: Path) -> None:
    bare = open_vlm(str(llava_path), device="cpu")
    bare.processor.chat_template = bare.processor.tokenizer.chat_template = None
    bare = replace(bare, family=replace(bare.family, template="{pictures}{question}\n"))
    config = belongs_to(bare, Prompt(), 1, head=False)
    assert config["prompt"]["template"] == "{pictures}{question}\n"
    refuse_mismatch(bare, Prompt(), config, 1, head=False)
    changed = replace(bare, family=replace(bare.family, template="{pictures}{question}"))
    with pytest.raises(MismatchError, match="prompt"):
        refuse_mismatch(changed, Prompt(), config, 1, head=False)


def test_templates_that_differ_for_several_pictures_only_are_told_apart(llava: VLM) -> None:
    chat = Prompt().frame(llava.processor, llava.family)
    alike = Prompt(template=chat.replace("<image>", "{pictures}"))
    config = belongs_to(llava, Prompt(), 1, head=False)
    with pytest.raises(MismatchError, match="or of several pictures"):
        refuse_mismatch(llava, alike, config, 1, head=False)


def at(llava: VLM, commit: str | None) -> VLM:
    return replace(llava, name=NAME, revision=commit)


def test_another_commit_of_the_same_weights_is_used_and_said(llava: VLM) -> None:
    config = belongs_to(at(llava, COMMIT), Prompt(), 2, head=False)
    assert config["base_model"]["revision"] == COMMIT
    with pytest.warns(CommitWarning, match=f"at commit {OTHER}, .* fitted at {COMMIT}"):
        refuse_mismatch(at(llava, OTHER), Prompt(), config, 2, head=False)


@pytest.mark.parametrize("commits", [(COMMIT, COMMIT), (COMMIT, None), (None, COMMIT)])
def test_the_same_commit_or_a_copy_without_one_is_no_news(
    llava: VLM, commits: tuple[str | None, str | None]
) -> None:
    config = belongs_to(at(llava, commits[0]), Prompt(), 2, head=False)
    refuse_mismatch(at(llava, commits[1]), Prompt(), config, 2, head=False)


def test_the_commits_are_said_where_the_weights_differ(llava: VLM, tmp_path: Path) -> None:
    config = belongs_to(at(llava, COMMIT), Prompt(), 1, head=False)
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    with pytest.raises(MismatchError) as caught:
        refuse_mismatch(at(other, OTHER), Prompt(), config, 1, head=False)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["base_model.fingerprint", "base_model.revision"]
    assert COMMIT in caught.value.problems[1].what
    assert OTHER in caught.value.problems[1].what


@pytest.fixture
def cache(llava_path: Path, tmp_path: Path) -> Iterator[Path]:
    """A hub cache with one commit of a model."""
    add_commit(tmp_path / "cache", llava_path, COMMIT)
    with offline(tmp_path / "cache"):
        yield tmp_path / "cache"


def test_a_hub_model_answers_like_the_local_one_and_its_commit_is_kept(
    llava_path: Path, records: list[Record], cache: Path, tmp_path: Path
) -> None:
    answers, configs = [], []
    for name in (str(llava_path), NAME):
        fitted = SuperNeuronClassifier.from_model(name, device="cpu").fit(records)
        fitted.save_pretrained(tmp_path / "clf", overwrite=True)
        configs.append(read_config(tmp_path / "clf"))
        answers.append(fitted.predict_proba(records))
    assert np.array_equal(*answers)
    local, hub = (dict(config["base_model"]) for config in configs)
    assert (local.pop("revision"), hub.pop("revision")) == (None, COMMIT)
    assert (local.pop("name"), hub.pop("name")) == (str(llava_path), NAME)
    assert local == hub


def test_a_classifier_keeps_to_its_commit_when_the_branch_moves_on(
    records: list[Record], cache: Path, tmp_path: Path
) -> None:
    fitted = SuperNeuronClassifier.from_model(NAME, device="cpu").fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    add_commit(cache, save_llava(tmp_path / "later", seed=1), OTHER)
    assert open_vlm(NAME, device="cpu").revision == OTHER
    expected = fitted.predict_proba(records)
    for model in (None, NAME):
        loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", model, device="cpu")
        assert loaded.vlm.revision == COMMIT
        assert np.array_equal(loaded.predict_proba(records), expected)
        assert load_together([tmp_path / "clf"], model, device="cpu").vlm.revision == COMMIT
    with pytest.raises(MismatchError, match=f"fitted at commit {COMMIT}, this is {OTHER}"):
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", revision=OTHER, device="cpu")


def test_a_commit_that_is_gone_from_the_cache_is_named(
    records: list[Record], cache: Path, tmp_path: Path
) -> None:
    fitted = SuperNeuronClassifier.from_model(NAME, device="cpu").fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    shutil.rmtree(next(cache.glob("models--*/snapshots")) / COMMIT)
    with pytest.raises(ModelNotFoundError, match=f"Offline mode is on .* revision '{COMMIT}'"):
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
