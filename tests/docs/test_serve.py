"""The page of the service: its requests are sent, its limits are those of the program."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from serve.asking import picture
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors
from superneurons.serve.schemas import ErrorBody, SystemOneAnswer
from superneurons.serve.settings import EngineSettings


@pytest.fixture(scope="module")
def page(docs: Path) -> str:
    return (docs / "serve.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(create_app(ShadeEngine()), port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value).__name__


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_its_requests_are_answered(page: str, port: int, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(picture(250))
    scripts = [block for block in blocks(page, "bash") if "curl" in block]
    said = []
    for script in scripts:
        local = script.replace(":8000", f":{port}").replace("curl -s", "curl -sf -w '\\n'")
        done = subprocess.run(
            ["bash", "-euc", local], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        said.append(done.stdout)
    answer = json.loads(said[0])
    assert answer["superneurons"]["light"]["classifier"] == "bright"
    assert answer["answers"]["shade"]["choice"] == "pale"
    shown = json.loads(blocks(page, "json")[0])
    assert shape(shown) == shape(answer)
    classified, chat, models, ready, *metrics = said[1].splitlines()
    assert json.loads(classified)["data"][0]["label"] == "yes"
    assert json.loads(chat)["choices"][0]["message"]["content"] == "pale"
    assert len(json.loads(models)["data"]) == 4
    assert json.loads(ready) == {"status": "ok"}
    assert any(line.startswith("superneurons_requests_total{") for line in metrics)


def test_what_it_shows_is_as_described(page: str) -> None:
    answer, error = blocks(page, "json")
    SystemOneAnswer.model_validate_json(answer, strict=True)
    ErrorBody.model_validate_json(error, strict=True)


def test_its_limits_are_those_of_the_program(page: str) -> None:
    doors, engine = Doors(), EngineSettings()
    for option, value in (
        ("--max-body-mb", f"{doors.max_body // 10**6} MB"),
        ("--max-pixels", f"{doors.max_pixels // 10**6} million"),
        ("--deadline-s", f"{doors.deadline_s:g} s"),
        ("--queue", f"{engine.max_queue}"),
        ("--max-wait-s", f"{engine.max_wait:g} s"),
    ):
        assert re.search(rf"\| {re.escape(value)} \| `{option}` \|", page), option


def test_the_commands_defaults_are_those_of_the_program() -> None:
    from superneurons.cli.serve import serve

    told = {name: p.default for name, p in inspect.signature(serve).parameters.items()}
    doors, engine = Doors(), EngineSettings()
    assert told["max_body_mb"] * 1e6 == doors.max_body
    assert told["window_ms"] / 1000 == engine.window
    assert told["cache_mb"] * 2**20 == engine.cache_bytes
    assert (told["max_batch"], told["queue"]) == (engine.max_batch, engine.max_queue)
    assert (told["max_wait_s"], told["deadline_s"]) == (engine.max_wait, doors.deadline_s)
    assert told["max_pixels"] == doors.max_pixels
