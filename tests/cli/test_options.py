from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., Any]

TEMPLATE = "USER: {pictures}\n{question} ASSISTANT:"


def fitted_with(run: Runner, model: Path, train: Path, out: Path, given: str) -> str:
    done = run("fit", "-m", model, "-d", train, "-o", out, "--prompt-template", given)
    assert done.code == 0, done.err
    return str(json.loads((out / "config.json").read_text())["prompt"]["template"])


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_template_is_given_as_text_or_as_a_file(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, ending: str, mark: str
) -> None:
    file = tmp_path / "template.txt"
    file.write_bytes((mark + TEMPLATE + ending).encode())
    assert fitted_with(run, llava_path, train, tmp_path / "clf", f"@{file}") == TEMPLATE
    answered = run("predict", tmp_path / "clf", "--data", train)
    assert answered.code == 0, answered.err
    assert len(answered.lines) == 24


def test_only_one_line_break_at_the_end_of_a_file_is_dropped(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    (tmp_path / "template").write_text(TEMPLATE + "\n\n")
    given = f"@{tmp_path / 'template'}"
    assert fitted_with(run, llava_path, train, tmp_path / "clf", given) == TEMPLATE + "\n"


def test_a_template_of_one_line_is_taken_as_it_is(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    template = "{pictures} {x} [INST] {question} [/INST]"
    assert fitted_with(run, llava_path, train, tmp_path / "clf", template) == template


@pytest.mark.parametrize("command", ["fit", "compare", "search", "cascade", "layers"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{question}", "{pictures} is there 0 times"),
        ("{pictures}\\n{question}", "a backslash and an n"),
        ("@/nowhere/template.txt", "cannot be read"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_anything_else(
    run: Runner, command: str, given: str, said: str
) -> None:
    out = ("-o", "/nowhere/clf") if command == "fit" else ()
    data = ("-d", "/nowhere/data.jsonl")
    done = run(command, "-m", "no/where", *data, *out, "--prompt-template", given)
    assert done.code == 2
    assert said in done.err
    assert "/nowhere/data" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["fit", "compare", "cascade", "layers"])
def test_an_order_beside_a_template_is_refused(
    run: Runner, command: str, train: Path, test_file: Path, tmp_path: Path
) -> None:
    more = {"fit": ("-o", tmp_path / "clf"), "layers": ("--test", test_file)}.get(command, ())
    asked = ("--prompt-order", "question-first", "--prompt-template", TEMPLATE)
    done = run(command, "-m", "no/where", "-d", train, *more, *asked)
    assert done.code == 2
    assert "'question-first' beside a template" in done.err


def test_every_command_asks_with_the_template(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    common = (
        "-m",
        llava_path,
        "-d",
        train,
        "--prompt-template",
        "{question}: {pictures}",
        "--json",
    )
    quick = ("--repeats", 1, "--shuffles", 20, "-r", "super-neurons")
    frame = "{question}: <image>"
    compared = run("compare", *common, "--test", test_file, *quick)
    assert compared.json["setting"]["prompt"] == frame, compared.err
    assert compared.json["setting"]["label_words"]["yes"]["first_token_only"]
    layers = run("layers", *common, "--test", test_file)
    assert layers.json["setting"]["prompt"] == frame, layers.err
    out = ("--out", tmp_path / "found")
    found = run("search", *common, "--test", test_file, "--repeats", 1, "--max-layer", 1, *out)
    assert found.json["search"]["settings"]["orders"] == ["picture-first"], found.err
    assert found.json["chosen"]["template"] == "{question}: {pictures}"
    assert found.json["verification"]["setting"]["prompt"] == frame
    config = json.loads((tmp_path / "found" / "config.json").read_text())
    assert config["prompt"]["frame"] == frame
    scored = run("eval", tmp_path / "found", "--data", test_file, "--json")
    assert scored.json["setting"]["prompt"] == frame, scored.err


@pytest.mark.parametrize("seed", [-1, 2**31, 2**64])
@pytest.mark.parametrize("command", [("fit", "-o", "clf"), ("compare",), ("search", "-o", "clf")])
def test_a_seed_that_no_generator_takes_is_refused_before_anything_else(
    run: Runner, command: tuple[str, ...], seed: int
) -> None:
    done = run(*command, "-m", "no/where", "-d", "nothing.jsonl", "--seed", seed)
    assert done.code == 2
    assert f"The seed {seed} is out of range" in done.err
    assert "--seed" in done.err
    assert "nothing.jsonl" not in done.err


@pytest.mark.parametrize("name", ["./nowhere", "demoo"])
@pytest.mark.parametrize("command", ["fit", "compare", "lock", "reproduce"])
def test_a_misspelt_model_is_refused_before_anything_else(
    run: Runner, command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", None)
    words = {"lock": ("clf",), "reproduce": ("drak",)}.get(command, ())
    done = run(command, *words, "-m", name, "-d", "nothing.jsonl", "-o", tmp_path / "out")
    assert (done.code, done.out) == (2, "")
    assert name.removeprefix("./") in done.err
    assert ("'demo'?" in done.err) == (name == "demoo")
    assert "nothing.jsonl" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_where_other_machines_open_the_model_its_path_is_not_looked_for(run: Runner) -> None:
    words = ("probe", "-m", "./nowhere", "-d", "nothing.jsonl", "-o", "store")
    done = run(*words, "--engine", "ray")
    assert done.code == 2
    assert "nothing.jsonl" in done.err


@pytest.mark.parametrize("command", ["fit", "doctor", "verify"])
def test_a_misspelt_dtype_is_refused_with_the_nearest(run: Runner, command: str) -> None:
    more = ("-d", "nothing.jsonl", "-o", "clf") if command == "fit" else ()
    done = run(command, *more, "--dtype", "flot16")
    assert done.code == 2
    assert "Did you mean 'float16'?" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "-d", "x.jsonl", "-o", "out"),
        ("predict", "clf", "x.png"),
        ("probe", "-d", "x.jsonl", "-o", "store"),
    ],
)
def test_an_empty_question_is_refused_before_anything_else(
    run: Runner, words: tuple[str, ...]
) -> None:
    done = run(*words, "--question", "  ")
    assert done.code == 2
    assert "The question is empty" in done.err
    assert "--question" in done.err
