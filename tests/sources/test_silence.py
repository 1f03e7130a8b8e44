"""Origins that take the question and then say nothing: the next way and the next source are tried, soon."""

import contextlib
import dataclasses
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rescore.engine.errors import RescoreError
from rescore.sources import fetch, video_sites
from rescore.sources.catalogue import BY_NAME
from rescore.sources.fetch import fetch_all, fetch_source
from rescore.sources.video_sites import VideoFailed
from tests.sources.conftest import assert_fetched, make_source

PATIENCE = 1.5
BEGINNINGS = {
    "nothing": b"",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
    b"Content-Length: 900\r\n\r\n001e# service=git-upload-pack\n",
}


@pytest.fixture(params=BEGINNINGS)
def silent(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that takes every connection, reads, begins an answer and never ends it."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = stack.enter_context(listening.accept()[0])
                    connection.recv(1)
                    connection.sendall(BEGINNINGS[request.param])

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SILENCE", PATIENCE)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_http_takes_over_where_git_meets_silence(scheme: str, silent: int, tmp_path: Path, server, capsys) -> None:
    source = make_source(url=server.url, repository=f"{scheme}://127.0.0.1:{silent}/little.git", commit="0" * 40)
    with at_most(4 * PATIENCE):
        assert_fetched(fetch_source(source, tmp_path / "raw"))
    assert "git failed (" in capsys.readouterr().out


def test_what_git_started_ends_with_it(tmp_path: Path, server, monkeypatch) -> None:
    """Over ssh, git waits for another program."""
    mark = f"sleep 98{time.time_ns() % 10**6}"
    monkeypatch.setenv("GIT_SSH_COMMAND", mark)
    source = make_source(url=server.url, repository="ssh://nobody@127.0.0.1/little.git", commit="0" * 40)
    with at_most(4 * PATIENCE):
        assert_fetched(fetch_source(source, tmp_path / "raw"))
    assert mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_silence_everywhere_is_said_and_the_next_source_comes(
    silent: int, tmp_path: Path, server, monkeypatch, repository
) -> None:
    dead = f"http://127.0.0.1:{silent}"
    sources = {
        "mute": make_source(url=dead, repository=f"{dead}/little.git", commit="0" * 40),
        "half_mute": make_source(url=dead),
        "good": make_source(repository=repository[0], commit=repository[1], path="data"),
    }
    for name, source in sources.items():
        monkeypatch.setitem(BY_NAME, name, dataclasses.replace(source, name=name))
    with at_most(10 * PATIENCE), pytest.raises(RescoreError) as caught:
        fetch_all(list(sources), tmp_path / "raw")
    assert str(caught.value).count("gives no answer for") + str(caught.value).count("broke off") >= 2
    assert "mute: files that could not be fetched" in str(caught.value)
    assert_fetched(tmp_path / "raw" / "good")


def test_a_silent_server_is_not_asked_file_by_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections wait and nobody takes them
        source = make_source(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        with at_most(2 * PATIENCE), pytest.raises(RescoreError) as caught:
            fetch_source(source, tmp_path / "raw")
    assert "one.txt: http" in str(caught.value)
    assert str(caught.value).count("not asked for after that") == 2


def test_a_slow_origin_is_not_a_silent_one(tmp_path: Path, repository, monkeypatch) -> None:
    """Longer than the patience in all, and never silent for so long."""
    slow = tmp_path / "slow.sh"
    folder = repository[0].removeprefix("file://")
    slow.write_text(
        f"#!/bin/sh\nfor k in 1 2 3 4; do sleep 0.6; echo waiting >&2; done\nexec git-upload-pack {folder}\n"
    )
    slow.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(slow))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")  # else git asks the program first which one it is
    source = make_source(repository="ssh://host/little.git", commit=repository[1], path="data")
    assert_fetched(fetch_source(source, tmp_path / "raw"))


def test_a_silent_site_of_videos_is_given_up(silent: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(video_sites, "PATIENCE", ["--retries", "1", "--socket-timeout", "1"])
    with at_most(15), pytest.raises(VideoFailed):
        video_sites.download(f"http://127.0.0.1:{silent}/v1.mp4", tmp_path / "01")
