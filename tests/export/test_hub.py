"""Push to a hub on this machine, and load from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from fake_hub import FakeHub, Repo, fake_hub, log_in
from pictures import bright_records
from superneurons.errors import ArtefactError, DataError, OutputError
from superneurons.export.hub import push_to_hub
from superneurons.scale.predictor import Predictor
from superneurons.serve.loading import load_served
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.hub_pull import pull
from superneurons.shortcut.together_loading import load_together
from superneurons.vlm.model import VLM

# Its client warns of how it uses its own HTTP client.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "some-owner/some-classifier"
BASE = "llava-hf/some-llava"
FILES = {"config.json", "classifier.safetensors", "README.md"}


@pytest.fixture(scope="module")
def fitted(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(12))


@pytest.fixture(scope="module")
def saved(fitted: SuperNeuronClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "clf"
    fitted.save_pretrained(directory)
    return directory


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        yield hub


def test_there_and_back_it_gives_the_same_answers(
    hub: FakeHub, fitted: SuperNeuronClassifier, llava: VLM
) -> None:
    found = push_to_hub(fitted, NAME, base_model=BASE)
    repo = hub.repos[NAME]
    assert found.commit == repo.refs["main"]
    assert found.url.endswith(found.commit)
    assert set(found.files) == set(repo.at("main")) - {".gitattributes"} == FILES
    assert not repo.is_private
    loaded = SuperNeuronClassifier.from_pretrained(NAME, llava)
    records = bright_records(6, seed=5)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    assert loaded.commit_ == found.commit


def test_in_one_commit_with_its_message(hub: FakeHub, saved: Path) -> None:
    push_to_hub(saved, NAME, base_model=BASE, message="The first")
    assert hub.repos[NAME].messages == ["initial commit", "The first"]
    again = push_to_hub(saved, NAME, base_model=BASE, message="The second")
    assert hub.repos[NAME].refs["main"] == again.commit


def test_a_cascade(hub: FakeHub, llava: VLM, tmp_path: Path) -> None:
    fitted = Cascade(llava, layers=(1, 2)).fit(bright_records(60))
    push_to_hub(fitted, NAME, base_model=BASE)
    records = bright_records(6, seed=5)
    loaded = Cascade.from_pretrained(NAME, llava)
    assert loaded.predict(records).tolist() == fitted.predict(records).tolist()


def test_what_was_pushed_is_what_is_read_next(
    hub: FakeHub, saved: Path, fitted: SuperNeuronClassifier
) -> None:
    push_to_hub(saved, NAME, base_model=BASE)
    assert read_config(Path(NAME))["base_model"]["name"] == BASE
    push_to_hub(saved, NAME, base_model="llava-hf/another")
    assert read_config(Path(NAME))["base_model"]["name"] == "llava-hf/another"


def test_whoever_takes_a_directory_takes_its_name(
    hub: FakeHub, saved: Path, llava: VLM, tmp_path: Path
) -> None:
    push_to_hub(saved, NAME, base_model=BASE)
    served = load_served([Path(NAME)], model=llava)
    assert set(served.estimators) == {"some-classifier"}
    assert served.about["some-classifier"]["base_model"] == BASE
    together = load_together([Path(NAME), Path(f"{NAME}@main")], llava)
    (answers,) = together.answers(bright_records(1), batch_size=1)
    assert set(answers) == {NAME, f"{NAME}@main"}
    assert Predictor(NAME, model=llava.name, device="cpu").open().exit_layer_ >= 1
    copy = pull(f"{NAME}@main", tmp_path / "copy").directory
    assert push_to_hub(copy, "some-owner/a-copy").stays == ("ORIGIN",)


def test_to_a_branch(hub: FakeHub, saved: Path, llava: VLM) -> None:
    main = push_to_hub(saved, NAME, base_model=BASE).commit
    found = push_to_hub(saved, NAME, base_model="llava-hf/another", branch="trial")
    assert hub.repos[NAME].refs == {"main": main, "trial": found.commit}
    assert found.branch == "trial"
    assert SuperNeuronClassifier.from_pretrained(NAME, llava).commit_ == main
    loaded = SuperNeuronClassifier.from_pretrained(NAME, llava, revision="trial")
    assert loaded.commit_ == found.commit
    push_to_hub(saved, NAME, base_model=BASE, branch="trial")


def test_a_private_one_is_for_its_owner(
    hub: FakeHub, saved: Path, llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_to_hub(saved, NAME, base_model=BASE, private=True)
    assert hub.repos[NAME].is_private
    assert SuperNeuronClassifier.from_pretrained(NAME, llava).exit_layer_ >= 1
    log_in(monkeypatch, None)
    with pytest.raises(ArtefactError, match="or it is private"):
        SuperNeuronClassifier.from_pretrained(NAME, llava)


def test_what_should_be_private_is_not_pushed_where_all_can_see_it(
    hub: FakeHub, saved: Path
) -> None:
    push_to_hub(saved, NAME, base_model=BASE)
    with pytest.raises(OutputError, match="public; nothing was pushed"):
        push_to_hub(saved, NAME, base_model=BASE, private=True)
    assert len(hub.repos[NAME].messages) == 2


def test_something_else_is_not_written_over(hub: FakeHub, saved: Path) -> None:
    repo = hub.repos[NAME] = Repo()
    repo.commit({"README.md": b"#", "config.json": b"{}", "model.safetensors": b"weights"})
    for branch in (None, "main", "trial"):
        with pytest.raises(OutputError, match="something other than a classifier") as caught:
            push_to_hub(saved, NAME, base_model=BASE, branch=branch)
        assert "config.json, model.safetensors" in str(caught.value)
    assert len(repo.messages) == 1


def test_a_repository_that_only_says_what_it_will_be_is_taken(hub: FakeHub, saved: Path) -> None:
    hub.repos[NAME] = Repo()
    hub.repos[NAME].commit({"README.md": b"# Soon", "LICENSE": b"MIT", ".gitattributes": b""})
    push_to_hub(saved, NAME, base_model=BASE)
    assert set(hub.repos[NAME].at("main")) == FILES | {"LICENSE", ".gitattributes"}


@pytest.mark.parametrize("token", [None, "hf_of_somebody"])
def test_nobody_pushes_without_a_token(
    hub: FakeHub, saved: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    log_in(monkeypatch, token)
    with pytest.raises(OutputError, match="doesn't know you") as caught:
        push_to_hub(saved, NAME, base_model=BASE)
    assert "hf auth login" in str(caught.value)
    assert hub.repos == {}


def test_not_under_a_name_of_others(hub: FakeHub, saved: Path) -> None:
    with pytest.raises(OutputError, match="may not write to 'others/theirs'"):
        push_to_hub(saved, "others/theirs", base_model=BASE)


@pytest.mark.parametrize("name", ["a--b/c..d", "one/two/three", "with space/name"])
def test_a_name_that_can_be_none(hub: FakeHub, saved: Path, name: str) -> None:
    with pytest.raises(OutputError, match="can be no name"):
        push_to_hub(saved, name, base_model="demo")


def test_offline(hub: FakeHub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OutputError, match="Offline mode is on"):
        push_to_hub(saved, NAME, base_model="demo")


def test_a_hub_out_of_reach(hub: FakeHub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match=r"could not be pushed: .*refused"):
        push_to_hub(saved, NAME, base_model="demo")


def test_an_upload_that_fails_commits_nothing(hub: FakeHub, saved: Path) -> None:
    hub.loses_uploads = True
    with pytest.raises(OutputError, match="could not be pushed"):
        push_to_hub(saved, NAME, base_model="demo")
    assert hub.repos[NAME].messages == ["initial commit"]
    hub.loses_uploads = False
    push_to_hub(saved, NAME, base_model="demo")
    assert set(hub.repos[NAME].at("main")) >= FILES


def test_there_is_nothing_to_push(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no directory"):
        push_to_hub(tmp_path / "nowhere", NAME)
    with pytest.raises(ArtefactError, match="no classifier"):
        push_to_hub(tmp_path, NAME)
    assert hub.asked == []
