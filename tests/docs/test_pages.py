"""What the pages say: commands that exist, code that runs, links and lists that hold."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import shlex
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_command

from superneurons.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(block[3]).strip() for block in found if block[2] == language]


def calls(script: str) -> list[list[str]]:
    """The words of each call of the program, without what the shell does with its output."""
    lines = [shlex.split(line, comments=True) for line in script.replace("\\\n", " ").splitlines()]
    return [
        words[1 : next((i for i, word in enumerate(words) if word in "|>"), None)]
        for words in lines
        if words and words[0] == "superneurons"
    ]


def understood(words: list[str]) -> str:
    """Have the program read its arguments without doing anything, and return the command."""
    command = get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, list(words))
    return str(command.name)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_are_what_the_program_understands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Pages name models that aren't here: `path/to/model`.
    monkeypatch.setattr("superneurons.vlm.naming.check_name", lambda name: None)
    Path("template.txt").write_text("{pictures} {question}")
    for script in blocks(page, "bash"):
        for words in calls(script):
            understood(words)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("superneurons fit --data a --out b --nothing", "No such option"),
        ("superneurons fit --data a", "Missing parameter: out"),
        ("superneurons fit --data a --out b --site nose", "nose"),
        ("superneurons search --max-latency soon", "valid number"),
    ],
)
def test_what_the_program_does_not_understand_is_noticed(line: str, error: str) -> None:
    with pytest.raises(Exception, match=error):
        understood(calls(line)[0])


def test_calls_are_found_among_other_lines() -> None:
    script = "make demo\nsuperneurons fit --data a \\\n  --out b  # so\nsuperneurons predict c > d"
    assert calls(script) == [["fit", "--data", "a", "--out", "b"], ["predict", "c"]]
    assert sum(len(calls(block)) for page in PAGES for block in blocks(page, "bash")) > 40


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_is_made_of_names_and_keywords_that_are_there(page: Path) -> None:
    for block in blocks(page, "python"):
        tree = ast.parse(block)
        known = {
            alias.name: getattr(importlib.import_module(node.module), alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _check_call(node, known)


def _check_call(node: ast.Call, known: dict[str, object]) -> None:
    match node.func:
        case ast.Name(id=name) if name in known:
            called = known[name]
        case ast.Attribute(value=ast.Name(id=name), attr=method) if name in known:
            called = getattr(known[name], method)
        case _:
            return
    if inspect.isbuiltin(called) or not callable(called):
        return
    taken = inspect.signature(called)
    # Of the values only the number and the names are known here.
    taken.bind(*node.args, **{keyword.arg: keyword for keyword in node.keywords if keyword.arg})


def test_a_keyword_that_is_not_there_is_noticed() -> None:
    from superneurons import open_vlm

    call = ast.parse("open_vlm('demo', nothing=1)", mode="eval").body
    assert isinstance(call, ast.Call)
    with pytest.raises(TypeError, match="nothing"):
        _check_call(call, {"open_vlm": open_vlm})


# The examples of docs/prompts.md open a model: tests/vlm/test_prompt.py runs them.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "pycon") and page.stem != "prompts"]
)
def test_examples_that_need_no_model_run(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert (failed, tried >= len(blocks(page, "pycon"))) == (0, True)


def unseparated(text: str) -> list[str]:
    """Lists and tables that begin right after a line of text: the site would not show them."""
    prose = _FENCE.sub("", text).splitlines()
    starts = re.compile(r"[-*] |\d+\. |\|")
    return [
        line
        for before, line in pairwise(prose)
        if starts.match(line)
        and before.strip()
        and not re.match(r"\s|[-*] |\d+\. |\||<!--", before)
    ]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_lists_and_tables_stand_apart(page: Path) -> None:
    assert unseparated(page.read_text(encoding="utf-8")) == []


def test_a_list_that_does_not_stand_apart_is_noticed() -> None:
    assert unseparated("text\n- one\n- two\n\ntext\n\n| a |\n|---|\n") == ["- one"]
    assert unseparated("```text\nsaid\n- so\n```\n") == []


def test_the_front_page_leads_to_pages_that_are_there() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []
