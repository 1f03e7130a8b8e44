"""On which level results agree with the committed ones: equal numbers, or within the intervals for a rerun; and why."""

import json
import subprocess
import tempfile
from pathlib import Path

from rescore.engine import step_record
from rescore.reporting import compare

TABLES = ":(glob)results/*/tables/*.csv"
FINGERPRINT = Path("workflow/arithmetic.json")


def level() -> list[str]:
    """On which level this directory's result tables agree with those of its commit, in sentences.

    The first level is equal numbers. On another machine, or after other trainings, the second one counts: how many of the changed
    numbers lie in the committed intervals for a rerun; and what differs of the machine is named.
    """
    changed = git_lines("diff", "--name-only", "HEAD", "--", TABLES)
    if changed is None:
        return ["not in a git checkout, so the result tables cannot be held against committed ones"]
    if not (present := [name for name in changed if Path(name).is_file()]):
        return ["level 1: every number of the result tables is the committed one"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in present:
            committed = Path(folder, name)
            committed.parent.mkdir(parents=True, exist_ok=True)
            committed.write_text("\n".join(git_lines("show", f"HEAD:{name}") or []) + "\n", encoding="utf-8")
            found += list(compare.compare_tables(name, committed, Path(name), 0.0))
    sentence = compare.of_predicted(found) or "None of the changed numbers has an interval for a rerun."
    return [f"level 2: {len(present)} result tables have other numbers than the committed ones. {sentence}", *machine()]


def git_lines(*arguments: str) -> list[str] | None:
    """Lines that a git command prints; None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def machine() -> list[str]:
    """What differs between this machine and the one that made the reference, a sentence each."""
    try:
        reference = json.loads(FINGERPRINT.read_text(encoding="utf-8"))["made_with"]
    except (OSError, ValueError, KeyError):
        return []
    here = step_record.machine_versions()
    apart = [
        f"{name}: {here[name]} here, {value} where the reference was made"
        for name, value in reference.items()
        if here.get(name, value) != value
    ]
    return [*apart, "rescore verify --arithmetic names the operations that give other bytes here"]
