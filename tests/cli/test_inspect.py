from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import write_records

Runner = Callable[..., Any]


def test_an_artefact_alone_says_what_is_read(run: Runner, clf: Path, llava_path: Path) -> None:
    hidden = llava_path.rename(llava_path.with_name("elsewhere"))
    try:
        done = run("inspect", clf, "--json")
    finally:
        hidden.rename(llava_path)
    assert done.code == 0, done.err
    found = done.json
    assert found["base_model"] == {"name": str(llava_path), "layers": 4}
    assert sum(one["neurons"] for one in found["layers"]) == len(found["neurons"])
    assert found["exit_layer"] == max(one["layer"] for one in found["layers"])
    assert found["labels"] == ["no", "yes"]
    assert found["on_data"] is None


def test_the_text_says_it_in_words(run: Runner, clf: Path) -> None:
    done = run("inspect", clf, "--top", 3)
    assert done.code == 0, done.err
    assert "Answers to 'Is it bright?': no, yes (direct)." in done.out
    assert "of the site residual at last_prompt with the read-out super-neurons" in done.out
    assert "Cross-validated when it was fitted: " in done.out
    weights = done.out.split("weight")[1].splitlines()
    assert sum(line.strip()[:1].isdigit() for line in weights) == 3


def test_records_show_pictures_by_path(run: Runner, clf: Path, test_file: Path) -> None:
    done = run("inspect", clf, "--data", test_file, "--top", 2, "--pictures", 1, "--json")
    assert done.code == 0, done.err
    seen = done.json["on_data"]
    assert len(seen["neurons"]) == 2
    for one in seen["neurons"]:
        assert Path(one["highest"][0]["picture"]).parent == test_file.parent
        assert 0.5 <= one["balanced_accuracy"] <= 1
    shown = run("inspect", clf, "--data", test_file, "--top", 2, "--pictures", 1)
    first = seen["neurons"][0]
    assert f"layer {first['layer']}, neuron {first['column']}" in shown.out
    assert first["highest"][0]["picture"] in shown.out
    assert "Two neurons say the same " in shown.out


def test_a_read_out_without_weights_says_so(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    out = tmp_path / "knn"
    fit = ("fit", "--model", llava_path, "--data", train, "--out", out, "--read-out", "knn")
    assert run(*fit).code == 0
    assert "gives its neurons no weights" in run("inspect", out).out


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("forty"), 48)


def test_a_cascade_shows_its_stages(
    run: Runner, llava_path: Path, forty: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cascade"
    made = run(
        "cascade", "--model", llava_path, "--data", forty, "--layers", "1,4", "--out", out
    )  # fmt: skip
    assert made.code == 0, made.err
    done = run("inspect", out, "--json")
    assert done.code == 0, done.err
    assert done.json["kind"] == "cascade"
    assert [stage["layer"] for stage in done.json["stages"]][:2] == [1, 4]
    text = run("inspect", out)
    assert f"A cascade of {len(done.json['stages'])} stages" in text.out
    refused = run("inspect", out, "--data", forty)
    assert (refused.code, refused.out) == (2, "")
    assert "--data" in refused.err


def test_what_is_no_classifier_is_refused(run: Runner, tmp_path: Path) -> None:
    done = run("inspect", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert str(tmp_path) in done.err
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    assert "something else's" in run("inspect", tmp_path).err


def test_a_label_it_doesnt_know_is_named(run: Runner, clf: Path, test_file: Path) -> None:
    other = test_file.with_name("rather.jsonl")
    other.write_text(test_file.read_text().replace('"yes"', '"rather"'))
    done = run("inspect", clf, "--data", other)
    assert (done.code, done.out) == (2, "")
    assert "'rather'" in done.err
