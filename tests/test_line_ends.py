"""A clone has the recorded bytes, whatever its user's git turns line ends into."""

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "settings", [["core.autocrlf=true"], ["core.eol=crlf", "core.autocrlf=false"], ["core.autocrlf=input"]]
)
def test_a_clone_has_the_bytes_that_were_committed(tmp_path, settings):
    """Of a repository of its own, with the project's attributes: what is committed here is not all that a checkout holds."""
    if shutil.which("git") is None:
        pytest.skip("no git")

    def git(folder, *words):
        options = [part for setting in settings for part in ("-c", setting)]
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *options, *identity, *words], cwd=folder, check=True, capture_output=True)

    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    files = {
        "table.csv": b"a,b\n1,2\n",
        "mixed.txt": b"one\r\ntwo\n",
        "lock.jsonl": b"{}\n",
        "x.npy": b"\x93NUMPY\n\r\n\x00",
    }
    shutil.copy(Path(".gitattributes"), origin)
    for name, content in files.items():
        (origin / name).write_bytes(content)
    git(origin, "init", "-q")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "x")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    assert {name: (clone / name).read_bytes() for name in files} == files
