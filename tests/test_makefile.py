"""`make setup` works in a folder of any name, and for a user without a home."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile

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
*--index-url*) {index} ;;
'-m venv '*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
esac
"""


def make_setup(folder, *words, index=":"):
    """`make setup` with a Python that notes what it is asked; what it was asked, a line a word.

    Args:
        index: command for what is to come from PyTorch's index.
    """
    done = try_setup(folder, *words, index=index)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder.parent / "log").read_text().splitlines()


def try_setup(folder, *words, index):
    if shutil.which("make") is None:
        pytest.skip("no make")
    shutil.copy("Makefile", folder)
    (folder / "pyproject.toml").write_text(PROJECT)
    python = folder.parent / "python3.11"
    python.write_text(PYTHON.format(log=folder.parent / "log", index=index))
    python.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if key not in ("HOME", "VENV", "MAKEFLAGS")}
    command = ["make", "setup", f"PYTHON={python}", *words]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


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


def test_an_index_without_pytorch_is_one_sentence_and_the_set_up_is_not_done(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy("requirements.lock", folder)
    done = try_setup(folder, "TORCH=cpu", "TORCH_INDEX=http://127.0.0.1:9/nothing", index="exit 1")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert said[0].startswith("PyTorch without CUDA could not be had from http://127.0.0.1:9/nothing")
    assert "TORCH_INDEX=" in said[0]
    assert not list(folder.glob(".venv/.rescore-*"))


def wheel(path, name, version):
    """An installable wheel of nothing but a name."""
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")


def test_pip_takes_pytorch_from_a_mirror_of_its_index(tmp_path):
    """The real pip, and an index as a mirror serves it, with wheels of nothing."""
    folder, mirror, site = tmp_path / "checkout", tmp_path / "mirror", tmp_path / "site"
    folder.mkdir()
    (folder / "requirements.lock").write_text("torch==1.0.1\ntorchvision==0.2.1\ntriton==1.0\nnvidia-cublas==1.0\n")
    for name, version in (("torch", "1.0.1+cpu"), ("torchvision", "0.2.1+cpu")):
        (mirror / name).mkdir(parents=True)
        wheel(mirror / name / f"{name}-{version}-py3-none-any.whl", name, version)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"TORCH_INDEX=http://127.0.0.1:{server.server_port}"
        make_setup(folder, "TORCH=cpu", address, index=f'exec "{sys.executable}" "$@" --target "{site}"')
        server.shutdown()
    installed = {path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")}
    assert installed == {"torch-1.0.1+cpu", "torchvision-0.2.1+cpu"}
    assert not PIN.findall((folder / LOCK).read_text())


def test_a_container_with_the_packages_of_this_lock_is_set_up_and_one_of_another_lock_is_not(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "requirements.lock").write_text("")
    asked = make_setup(folder, "image")
    assert len(list(folder.glob(".venv/.image-*"))) == 1
    for stamp in folder.glob(".venv/.rescore-*"):
        stamp.unlink()  # as where another checkout is mounted
    assert make_setup(folder) == asked
    (folder / "requirements.lock").write_text("another==1")
    assert len(make_setup(folder)) > len(asked)
