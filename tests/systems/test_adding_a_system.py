"""docs/adding.md, done as it says: a system is added by its folder and one line of a paper.yaml."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import environment, make_clone

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^`(src/rescore/systems/mean_score/\S+)`[^`]*?\n```\w+\n(.*?)^```", re.M | re.S)
LINE = re.compile(r"^ +Mean score: .*$", re.M)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone with the page's own example in it."""
    clone = make_clone(tmp_path_factory.mktemp("adding") / "clone")
    page = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
    written = FILE.findall(page)
    folder = "src/rescore/systems/mean_score"
    assert [name for name, _ in written] == [f"{folder}/{name}.py" for name in ("system", "settings", "training")]
    for name, content in written:
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text(content, encoding="utf-8")
    (line,) = LINE.findall(page)
    paper = clone / "papers/extensions/paper.yaml"
    gdlt = next(each for each in paper.read_text().splitlines() if each.strip().startswith("GDLT:"))
    paper.write_text(paper.read_text().replace(gdlt, f"{gdlt}\n{line}"), encoding="utf-8")
    return clone


def rescore(clone, *words):
    command = [sys.executable, "-m", "rescore", *words]
    return subprocess.run(command, cwd=clone, env=environment(clone), text=True, capture_output=True)


def test_its_section_comes_into_params_yaml(clone):
    done = rescore(clone, "settings")
    assert done.returncode == 0, done.stderr
    known = yaml.safe_load((clone / "params.yaml").read_text())
    assert known["defaults"]["mean_score"] == {"labels": [100]}
    assert known["scales"]["smoke"]["mean_score"] == {"labels": [40]}
    section = (clone / "params.yaml").read_text().partition("  mean_score:")[2]
    assert [line.strip() for line in section.splitlines()[:2]] == [
        "# the mean training score",
        "labels: [100]               # percent of the training routines with a score",
    ]


def test_it_conforms_and_is_planned(clone):
    rescore(clone, "settings")
    done = rescore(clone, "conform", "mean_score")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all conform"), done.stdout + done.stderr
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config", "scale=smoke"]
    target = "results/smoke/tables/extensions_rhythmic_gymnastics.csv"
    done = subprocess.run(
        [*command[:4], target, *command[4:]], cwd=clone, env=environment(clone), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule mean_score_rhythmic_gymnastics:" in done.stdout
    assert f"runs{os.sep}smoke{os.sep}mean_score" in done.stdout
