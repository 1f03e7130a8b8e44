"""Small origins that the tests make: a git repository, and an HTTP server on loopback."""

import hashlib
import http.server
import json
import mimetypes
import subprocess
import threading
from pathlib import Path

import pytest

from rescore.sources.catalogue import OriginFile, Source

CONTENTS = {"one.txt": b"first\r\nline\n", "folder/two.bin": bytes(range(256)) * 400, "three.npy": b"\x93NUMPY" * 99}


def entry(name: str, content: bytes, **more) -> OriginFile:
    return OriginFile(name, len(content), hashlib.sha256(content).hexdigest(), **more)


def make_source(**more) -> Source:
    files = tuple(entry(name, content) for name, content in CONTENTS.items())
    return Source(name="little", note="A test.", licence="none", citation="@misc{x}", files=files, **more)


def write_all(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def assert_fetched(folder: Path) -> None:
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
    record = json.loads((folder / "SOURCE.json").read_text())
    assert [file["name"] for file in record["files"]] == list(CONTENTS)
    assert {"origin", "licence", "citation"} <= set(record)
    assert not list(folder.rglob("*.part"))


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody, and return what it printed."""
    somebody = [
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@b",
        "-c",
        "core.autocrlf=false",
        "-c",
        "init.defaultBranch=main",
    ]
    done = subprocess.run(["git", *somebody, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "files") -> str:
    """Commit a folder as it stands, making it a repository first where it is none; the commit's full name."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    """A git repository with the files under data/, and one later commit that spoils them: its URL, and the first commit."""
    folder = tmp_path / "origin"
    write_all(folder / "data", CONTENTS)
    commit = commit_all(folder)
    write_all(folder / "data", {"one.txt": b"spoilt"})
    commit_all(folder, "spoil")
    return folder.as_uri(), commit


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.contents` by name, ranges honoured where `server.ranges`; at most `server.cut` bytes an answer of the
    file `server.cut_file`; an ETag each; `server.requests` has (name, range) of every GET."""

    def do_GET(self):
        name = self.path.removeprefix("/base/")
        self.server.requests.append((name, self.headers.get("Range")))
        content, start = self.start_answer(name)
        end = start + self.server.cut if name == self.server.cut_file else None
        self.wfile.write(content[start:end])

    def do_HEAD(self):
        self.start_answer(self.path.removeprefix("/base/"))

    def start_answer(self, name: str) -> tuple[bytes, int]:
        content = self.server.contents.get(name)
        if content is None:
            self.send_error(404)
            return b"", 0
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0]) if self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", mimetypes.guess_type(name)[0] or "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.end_headers()
        return content, start

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up early is no error here."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as running:
        running.contents, running.requests, running.ranges = dict(CONTENTS), [], True
        running.cut, running.cut_file = 10**9, "folder/two.bin"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        running.url = f"http://127.0.0.1:{running.server_port}/base"
        yield running
        running.shutdown()
