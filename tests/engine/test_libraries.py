"""Another library than the locked one is noticed, wherever it comes from, and one sentence says it."""

import os
import subprocess
import sys

import pytest

from rescore.engine import libraries

WARN = "from rescore.engine import libraries; print(libraries.warning())"


def told(*folders):
    """The warning of a process that finds these folders first."""
    path = os.pathsep.join([*map(str, folders), str(libraries.LOCK_FILE.parent / "src")])
    variables = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", WARN], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def package(folder, name, version=None):
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    if version:
        information = folder / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def test_the_locked_libraries_are_no_news():
    assert libraries.other_versions() == []
    assert libraries.warning() == ""


@pytest.mark.parametrize(
    ("version", "says"),
    [("1.0.0", "scipy is 1.0.0, where requirements.lock names "), (None, "scipy is imported from {folder}, not from")],
)
def test_a_library_that_a_module_system_puts_in_front_is_named(tmp_path, version, says):
    text = told(package(tmp_path, "scipy", version))
    assert says.format(folder=tmp_path) in text
    assert "Remedy: " in text
    assert "\n" not in text


def test_every_difference_is_in_the_one_sentence(tmp_path):
    package(tmp_path, "scipy", "1.0.0")
    text = told(package(tmp_path, "torch", "1.13.1"))
    assert "scipy is 1.0.0" in text
    assert "torch is 1.13.1" in text


def test_a_build_of_the_same_release_and_a_missing_lock_are_fine(tmp_path):
    lock = tmp_path / "requirements.lock"
    found = libraries.importlib.metadata.version("numpy")
    lock.write_text(f"numpy=={found} \\\n    --hash=sha256:00\n")
    assert libraries.other_versions(lock) == []
    lock.write_text("numpy==0.0.1\nnothing-of-ours==1.0\n")
    assert libraries.other_versions(lock) == [f"numpy is {found}, where requirements.lock names 0.0.1"]
    assert libraries.other_versions(tmp_path / "none") == []
