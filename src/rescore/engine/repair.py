"""What is missing or damaged is made again first, alone, so that nothing is made again in its wake.

The workflow engine runs every job that follows a job that runs. A video, a clip store or a checkpoint that is remade as it
was gives the same bytes, and what follows need not run. So a run that needs such files has two parts: the engine makes
these files, then it plans again; where the bytes are the recorded ones, it finds nothing more to do on their account.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

from rescore.engine.errors import RescoreError

PART = "RESCORE_PART"
"""Environment variable that marks the engine's process as a part of another run: that one holds the lock."""


def is_part() -> bool:
    return PART in os.environ


SHOWN = 3
"""Files named of those that are made again; a fresh clone lacks them all."""


def engine(arguments: Sequence[str], **options: bool) -> subprocess.CompletedProcess[str]:
    """Run the workflow engine as a part of this run."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, env=os.environ | {PART: "1"}, text=True, **options)  # type: ignore[call-overload]


def selects(arguments: Sequence[str]) -> bool:
    """Whether a command line of the engine chooses jobs itself: by targets, or by forcing or leaving out some."""
    from snakemake.cli import get_argument_parser  # type: ignore[import-untyped]

    options, _ = get_argument_parser().parse_known_args(list(arguments))
    names = ("targets", "force", "forceall", "forcerun", "until", "omit_from", "batch")
    return any(getattr(options, name) for name in names)


def planned_outputs(text: str) -> set[str]:
    """Outputs of the jobs that a dry run prints."""
    lines = (line.strip() for line in text.splitlines())
    return {path for line in lines if line.startswith("output: ") for path in line[8:].split(", ")}


def repair(broken: Iterable[str], arguments: Sequence[str]) -> bool:
    """Make those broken files that the coming run would make, and nothing else.

    Args:
        broken: outputs that are missing or damaged.
        arguments: command line of the coming run; one that names its targets or forces jobs is left as it is.

    Returns:
        Whether anything was made: the records are then to be looked at again.

    Raises:
        RescoreError: the engine failed.
    """
    wanted = {*broken}
    if not wanted or selects(arguments):
        return False
    plan = engine(["--dry-run", "--quiet", "progress", *arguments], capture_output=True)
    outputs = planned_outputs(plan.stdout) if plan.returncode == 0 else set()
    targets = sorted(wanted & outputs)
    if not targets or outputs <= wanted:
        return False
    named = ", ".join(targets[:SHOWN]) + (f" and {len(targets) - SHOWN} more" if len(targets) > SHOWN else "")
    print(f"missing or damaged, made again first: {named}", file=sys.stderr, flush=True)
    if engine([*targets, *arguments]).returncode:
        raise RescoreError("what is missing or damaged could not be made again; the failed job's log is named above")
    return True
