"""The workflow engine's own linter, whose complaints are known one by one."""

import re
import subprocess
import sys
from pathlib import Path

from tests.workflow.conftest import environment

ACCEPTED = {
    "Shell command directly uses variable rule from outside of the rule": "the engine's own word; the step's record names it",
    "Mixed rules and functions in same snakefile": "what a family of rules shares stands with it",
    "Environment variable RESCORE_PARAMETERS used but not asserted": "set by a run for its own jobs; a user never sets it",
    "Param runs is a prefix of input or output file but hardcoded": "the folder that the page's chain of evidence starts at",
}


def test_the_linter_finds_nothing_new():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], text=True, capture_output=True, env=environment(Path.cwd())
    )
    found = re.findall(r"^    \* (.+)$", done.stderr + done.stdout, re.M)
    assert "Lints for" in done.stderr + done.stdout, done.stderr[-2000:]
    assert [title for title in found if not title.startswith(tuple(ACCEPTED))] == []
