"""`make setup` works in a folder of any name, and for a user without a home."""

import os
import shutil
import subprocess

import pytest

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "nothing"
version = "1"
[tool.setuptools]
py-modules = []
"""
PYTHON = """#!/bin/sh
# An environment takes seconds and pip a network: this one notes what it is asked, and makes what would be there.
printf '%s\\n' "$@" >> "{log}"
case "$*" in
*venv*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
esac
"""


@pytest.mark.parametrize(
    "name",
    ["plain", "a space", "an apostrophe's", "Prüfung", 'a "quote"', "$HOME", "a;b&c", "(x)", "跳水", "-n", "#1", "%s"],
)
def test_set_up_in_a_folder_of_any_name(tmp_path, name):
    if shutil.which("make") is None:
        pytest.skip("no make")
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy("Makefile", folder)
    (folder / "requirements.lock").write_text("")
    (folder / "pyproject.toml").write_text(PROJECT)
    python = tmp_path / "python3.11"
    python.write_text(PYTHON.format(log=tmp_path / "log"))
    python.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if key not in ("HOME", "VENV", "MAKEFLAGS")}
    command = ["make", "setup", f"PYTHON={python}"]
    for _ in range(2):
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    asked = (tmp_path / "log").read_text().splitlines()
    assert f"{folder}/.venv" in asked
    assert asked.count("venv") == 1, "the second time there is nothing to do"
    assert asked.count("install") == 2
    assert len(list(folder.glob(".venv/.rescore-*"))) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name not in (name, "log", "python3.11")] == []
