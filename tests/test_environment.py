"""pyproject.toml, requirements.lock and environment.yml name the same packages at the same versions."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

NAMED = ["snakemake", "dvc", "torch", "torchvision", "decord", "pandas", "scipy", "statsmodels", "seaborn", "pytest"]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def direct():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    words = project["dependencies"] + project["optional-dependencies"]["dev"]
    return [canonical(re.match(r"[\w.-]+", word).group()) for word in words]


def locked():
    text = Path("requirements.lock").read_text()
    return {canonical(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}


def conda():
    words = yaml.safe_load(Path("environment.yml").read_text())["dependencies"][-1]["pip"]
    return {canonical(name): version for name, version in (word.split("==") for word in words)}


def test_the_lock_pins_every_direct_dependency_with_hashes():
    assert set(direct()) <= set(locked())
    text = Path("requirements.lock").read_text()
    assert all(block.count("--hash=sha256:") >= 1 for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:])


def test_environment_yml_has_the_direct_dependencies_at_the_locked_versions():
    assert conda() == {name: locked()[name] for name in direct()}


def test_the_packages_that_stay_are_there():
    assert set(NAMED) <= set(direct())


@pytest.mark.parametrize("name", direct())
def test_what_is_installed_is_what_is_locked(name):
    # A local build tag (torch 2.14.1+cpu) is the same release.
    assert metadata.version(name).split("+")[0] == locked()[name]
