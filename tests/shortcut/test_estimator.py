"""Whatever was saved: a classifier with one exit, or a cascade."""

from __future__ import annotations

from pathlib import Path

import pytest

from pictures import bright_records
from superneurons.errors import ArtefactError, DataError
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import is_cascade, load_estimator, read_estimator
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def one_exit(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estimators") / "one"
    SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def several(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estimators") / "several"
    Cascade(llava, layers=[1, 2]).fit(bright_records(48)).save_pretrained(path)
    return path


def test_each_is_read_and_loaded_as_what_it_is(one_exit: Path, several: Path, llava: VLM) -> None:
    assert (is_cascade(one_exit), is_cascade(several)) == (False, True)
    assert "exit_layer" in read_estimator(one_exit)
    assert len(read_estimator(several)["stages"]) == 3
    fitted = load_estimator(one_exit, llava, batch_size=3, acceleration="off")
    assert isinstance(fitted, SuperNeuronClassifier)
    assert (fitted.batch_size, fitted.acceleration) == (3, "off")
    cascade = load_estimator(several, llava, batch_size=3)
    assert isinstance(cascade, Cascade)
    assert cascade.batch_size == 3
    assert cascade.score(bright_records(8, seed=1)) == 1


def test_a_cascade_is_not_accelerated(several: Path, llava: VLM) -> None:
    with pytest.raises(DataError, match="can't be run as 'off'"):
        load_estimator(several, llava, acceleration="off")


def test_what_is_neither_is_refused(several: Path, llava: VLM, tmp_path: Path) -> None:
    for call in (is_cascade, read_estimator, load_estimator):
        with pytest.raises(ArtefactError, match="no classifier"):
            call(tmp_path)
    (tmp_path / "config.json").write_text('{"kind": "cascade", "format": 1}')
    with pytest.raises(ArtefactError) as caught:
        read_estimator(tmp_path)
    assert "config.json: stages" in [problem.where for problem in caught.value.problems]
