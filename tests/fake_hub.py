"""A hub on this machine: the part of its HTTP interface by which classifiers come and go."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

TOKEN = "hf_of_the_owner"


@dataclass
class Repo:
    """Commits of files, and the branches and tags that name them."""

    is_private: bool = False
    is_gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    licence: str | None = None

    def commit(self, files: dict[str, bytes], ref: str = "main", message: str = "") -> str:
        """Add files to what a branch holds."""
        whole = {**self.at(ref), **files}
        parts = [message.encode(), ref.encode(), *(k.encode() + v for k, v in whole.items())]
        sha = hashlib.sha1(b"\0".join([str(len(self.commits)).encode(), *parts])).hexdigest()
        self.commits[sha], self.refs[ref] = whole, sha
        self.messages.append(message)
        return sha

    def at(self, ref: str) -> dict[str, bytes]:
        return self.commits.get(self.refs.get(ref, ref), {})


@dataclass
class FakeHub:
    """What it holds, and what it was asked.

    ``cut_after`` breaks off the download of a file after so many bytes; ``claims`` says another
    size of it than it has; ``down`` answers everything with 503; ``loses_uploads`` refuses
    large files.
    """

    endpoint: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut_after: dict[str, int] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    down: bool = False
    loses_uploads: bool = False

    def downloads(self) -> list[str]:
        return [word for word in self.asked if word.startswith("GET") and "/resolve/" in word]


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _reply(self, value: Any, status: int = 200, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._reply({"error": code}, status, X_Error_Code=code, X_Error_Message=code)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    @property
    def _is_owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _readable(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.is_private and not self._is_owner):
            self._refuse(404 if self._is_owner else 401, "RepoNotFound")
            return None
        return repo

    def _handle(self) -> None:
        body, path = self._body(), unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if self.hub.down:
            self._refuse(503, "Down")
        elif parts[:2] == ["api", "models"] and self.command == "GET":
            self._info("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        elif len(parts) > 4 and parts[2] == "resolve":
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        elif parts == ["api", "validate-yaml"]:
            self._reply({"errors": [], "warnings": []})
        elif parts == ["api", "agent-harnesses"]:
            self._refuse(404, "EntryNotFound")
        elif not (self._is_owner or parts[0] == "lfs"):  # an address that only the owner was told
            self._refuse(401, "Unauthorized")
        else:
            self._write(parts, body)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _info(self, name: str, ref: str) -> None:
        repo = self._readable(name)
        if repo is None:
            return
        sha = repo.refs.get(ref, ref)
        if repo.commits and sha not in repo.commits:
            self._refuse(404, "RevisionNotFound")
            return
        files = [
            {"rfilename": file, "size": self.hub.claims.get(file, len(content))}
            for file, content in repo.at(ref).items()
        ]
        data = None if repo.licence is None else {"license": repo.licence}
        told = {"id": name, "sha": sha, "private": repo.is_private}
        self._reply({**told, "siblings": files, "cardData": data})

    def _file(self, name: str, ref: str, file: str) -> None:
        repo = self._readable(name)
        if repo is None:
            return
        content, sha = repo.at(ref).get(file), repo.refs.get(ref, ref)
        if repo.is_gated and not self._is_owner:
            self._refuse(403, "GatedRepo")
        elif content is None:
            self._refuse(404, "EntryNotFound" if sha in repo.commits else "RevisionNotFound")
        elif self.command == "GET" and file in self.hub.cut_after:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.hub.cut_after[file]])
            self.close_connection = True
        else:
            tag = f'"{hashlib.sha1(content).hexdigest()}"'
            self._reply(content, ETag=tag, X_Repo_Commit=sha)

    def _write(self, parts: list[str], body: bytes) -> None:
        name = "/".join(parts[2:4])
        match parts:
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["api", "models", _, _, "preupload", _]:
                files = [
                    {"path": file["path"], "uploadMode": _mode(file["path"]), "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._reply({"files": files})
            case ["api", "models", _, _, "branch", branch]:
                repo = self.hub.repos[name]
                status = 409 if branch in repo.refs else 200
                repo.refs.setdefault(branch, repo.refs["main"])
                self._reply({}, status)
            case [_, _, "info", "lfs", "objects", "batch"]:
                self._batch(json.loads(body)["objects"])
            case ["lfs", _] if self.hub.loses_uploads:
                self._refuse(400, "Lost")
            case ["lfs", oid] if hashlib.sha256(body).hexdigest() == oid:
                self.hub.uploads[oid] = body
                self._reply({}, ETag='"1"')
            case ["api", "models", _, _, "commit", branch]:
                self._commit(name, branch, [json.loads(line) for line in body.splitlines()])
            case _:
                self._refuse(404, "NoSuchRoute")

    def _create(self, wanted: dict[str, Any]) -> None:
        owner, name = wanted.get("organization"), wanted["name"]
        name = f"{owner}/{name}"
        if owner == "others":
            self._refuse(403, "Forbidden")
            return
        is_new = name not in self.hub.repos
        is_private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        repo = self.hub.repos.setdefault(name, Repo(is_private=is_private))
        if is_new:
            repo.commit({".gitattributes": b""}, message="initial commit")
        self._reply({"url": f"{self.hub.endpoint}/{name}"}, 200 if is_new else 409)

    def _batch(self, objects: list[dict[str, Any]]) -> None:
        found = [
            {
                "oid": one["oid"],
                "size": one["size"],
                "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"}},
            }
            for one in objects
        ]
        self._reply({"transfer": "basic", "objects": found})

    def _commit(self, name: str, branch: str, lines: list[dict[str, Any]]) -> None:
        files, message = {}, ""
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.uploads[value["oid"]]
        sha = self.hub.repos[name].commit(files, branch, message)
        url = f"{self.hub.endpoint}/{name}/commit/{sha}"
        self._reply({"success": True, "commitOid": sha, "commitUrl": url})


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


@contextmanager
def fake_hub(cache: Path, *, token: str | None = TOKEN) -> Iterator[FakeHub]:
    """Run a hub, and point the hub's client at it, with a cache of its own."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        pytest.MonkeyPatch.context() as p,
    ):
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        p.setattr(constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        p.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        p.setattr(constants, "HF_HUB_CACHE", str(cache))
        p.setattr(constants, "HF_HUB_OFFLINE", False)
        # It has another interface, of chunks; the one of whole files is the one that is here.
        p.setattr(constants, "HF_HUB_DISABLE_XET", True)
        p.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        p.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
        log_in(p, token)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def log_in(patch: pytest.MonkeyPatch, token: str | None) -> None:
    """Be the one whose token this is, or nobody."""
    patch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    if token is None:
        patch.delenv("HF_TOKEN", raising=False)
    else:
        patch.setenv("HF_TOKEN", token)
