"""`make setup` works in a folder of any name, and for a user without a home."""

import os
import re
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
LOCK = ".venv/requirements-cpu.lock"
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.M)
PYTHON = """#!/bin/sh
# An environment takes seconds and pip a network: this one notes what it is asked, and makes what would be there.
printf '%s\\n' "$@" >> "{log}"
case "$*" in
'-m venv '*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
esac
"""


def make_setup(folder, *words):
    """`make setup` with a Python that notes what it is asked; what it was asked, a line a word."""
    if shutil.which("make") is None:
        pytest.skip("no make")
    shutil.copy("Makefile", folder)
    (folder / "pyproject.toml").write_text(PROJECT)
    python = folder.parent / "python3.11"
    python.write_text(PYTHON.format(log=folder.parent / "log"))
    python.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if key not in ("HOME", "VENV", "MAKEFLAGS")}
    command = ["make", "setup", f"PYTHON={python}", *words]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder.parent / "log").read_text().splitlines()


@pytest.mark.parametrize(
    "name",
    ["plain", "a space", "an apostrophe's", "Prüfung", 'a "quote"', "$HOME", "a;b&c", "(x)", "跳水", "-n", "#1", "%s"],
)
def test_set_up_in_a_folder_of_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "requirements.lock").write_text("")
    make_setup(folder)
    asked = make_setup(folder)
    assert f"{folder}/.venv" in asked
    assert asked.count("venv") == 1, "the second time there is nothing to do"
    assert asked.count("install") == 2
    assert len(list(folder.glob(".venv/.rescore-*"))) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name not in (name, "log", "python3.11")] == []


def test_without_cuda_everything_else_of_the_lock_is_installed_and_pytorch_comes_from_its_own_index(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy("requirements.lock", folder)
    asked = make_setup(folder, "TORCH=cpu", "TORCH_INDEX=http://127.0.0.1:9/cpu")
    whole, without = (dict(PIN.findall(path.read_text())) for path in (folder / "requirements.lock", folder / LOCK))
    left_out = whole.keys() - without.keys()
    assert all(without[name] == whole[name] for name in without)
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
    assert all(name.split("-")[0] in ("torch", "torchvision", "triton", "nvidia", "cuda") for name in left_out)
    assert (folder / LOCK).read_text().count("--hash=") > len(without)
    index = asked.index("--index-url")
    wanted = [f"{name}=={whole[name]}+cpu" for name in ("torch", "torchvision")]
    assert asked[index - 1 : index + 4] == ["--no-deps", "--index-url", "http://127.0.0.1:9/cpu", *wanted]
