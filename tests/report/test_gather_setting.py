from __future__ import annotations

import json
import platform
from importlib.metadata import version

from pictures import bright_records
from superneurons.report.gather_setting import fit_setting, made_with, name_of, questions_of
from superneurons.shortcut.belonging import belongs_to
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


def test_a_read_out_has_the_name_that_tables_give_it(llava: VLM) -> None:
    names = {
        "super-neurons": "Super Neurons, improved",
        "paper": "Super Neurons, paper's rule",
        "savs": "SAVs, as published",
    }
    for read_out, name in names.items():
        fitted = SuperNeuronClassifier(llava, read_out=read_out).fit(bright_records(12))
        assert name_of(fitted) == name
    odd = SuperNeuronClassifier(llava, read_out="knn", site="mlp").fit(bright_records(12))
    assert name_of(odd) == "knn"


def test_the_first_few_different_questions_are_shown() -> None:
    records = [Record((), question) for question in ("a", "b", "a", "c", "d")]
    assert questions_of(records) == ("a", "b", "c")


def test_what_it_belongs_to_is_what_the_artefact_says(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(12))
    found = made_with(fitted)
    base = belongs_to(llava, fitted.prompt, fitted.exit_layer_, head=False)["base_model"]
    assert found["fingerprint"] == base["fingerprint"]
    assert found["family"] == "LLaVA-1.5"
    assert found["versions"]["superneurons"] == version("superneurons")
    assert found["versions"]["python"] == platform.python_version()


def test_the_setting_of_a_fit_is_json_and_counts_what_it_saw(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, read_out="paper", random_state=3)
    found = fit_setting(fitted.fit(bright_records(12)))
    assert json.loads(json.dumps(found)) == found
    assert found["layers"] == 4
    assert found["probing_records"] == 12
    assert found["neurons_searched"] == 128
    assert (found["exit_layer"], found["neurons"]) == (fitted.exit_layer_, len(fitted.neurons_))
    assert found["parameters"]["metric"] == "accuracy"
    assert found["seed"] == 3
    assert "{question}" in found["prompt"]
    pictures = SuperNeuronClassifier(llava, site="vision").fit(bright_records(12))
    assert fit_setting(pictures)["exit_layer"] == 0
