"""What a public project has says the same thing everywhere: one version, a citation that holds, workflows that call what is."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import rescore

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
FORMS = sorted(path for path in Path(".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
EXTRA = sorted(Path("requirements").glob("*.in"))
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.M)


def citation():
    return yaml.safe_load(Path("CITATION.cff").read_text())


def targets():
    """Targets of the Makefile."""
    return {*re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.M)}


def test_one_version():
    assert str(citation()["version"]) == rescore.__version__
    newest = re.search(r"^## (\S+) \((\S+)\)$", Path("CHANGELOG.md").read_text(), re.M)
    assert newest.groups() == (rescore.__version__, str(citation()["date-released"]))
    assert f"v{rescore.__version__} " in Path("CONTRIBUTING.md").read_text()


def test_the_citation_has_what_its_format_asks_for():
    """CI holds it against the whole schema (cffconvert wants an older jsonschema than the lock's)."""
    found = citation()
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert found["cff-version"] == "1.2.0"
    assert isinstance(found["date-released"], datetime.date)
    assert found["license"] == tomllib.loads(Path("pyproject.toml").read_text())["project"]["license"]
    for reference in found["references"]:
        assert {"type", "title", "authors", "year"} <= reference.keys()
        assert all({"family-names", "given-names"} <= author.keys() for author in reference["authors"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_and_files_that_are_there(path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    called = {word for run in runs for line in re.findall(r"^make (.*)", run, re.M) for word in line.split()}
    assert {word for word in called if "=" not in word} <= targets()
    assert [name for run in runs for name in re.findall(r"requirements/\S+", run) if not Path(name).is_file()] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_are_forms(path):
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys()
    names = [field["id"] for field in form["body"]]
    assert len(names) == len({*names})
    assert all(
        field["type"] in ("input", "textarea", "dropdown") and field["attributes"]["label"] for field in form["body"]
    )


@pytest.mark.parametrize("path", EXTRA, ids=lambda path: path.stem)
def test_extra_locks_pin_what_they_name_with_hashes_and_nothing_of_the_main_lock_otherwise(path):
    text, main = path.with_suffix(".lock").read_text(), dict(PIN.findall(Path("requirements.lock").read_text()))
    pinned = dict(PIN.findall(text))
    assert {*path.read_text().split()} <= pinned.keys()
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:])
    assert "file://" not in text
    if "-c requirements.lock" in text:  # installed beside the main lock's
        assert {name: version for name, version in pinned.items() if main.get(name, version) != version} == {}


def test_containers_take_what_the_makefile_takes():
    docker, apptainer = Path("Dockerfile").read_text(), Path("apptainer.def").read_text()
    needed = ["Makefile", "pyproject.toml", "requirements.lock", "README.md", "LICENSE", "src/rescore/__init__.py"]
    let_through = re.findall(r"^!(\S+)", Path(".dockerignore").read_text(), re.M)
    assert sorted(let_through) == sorted(needed)
    assert all(name in docker and name in apptainer for name in needed)
    assert docker.split("FROM ")[1].split()[0] == apptainer.split("From: ")[1].split()[0]
