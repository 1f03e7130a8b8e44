"""How long the jobs of a scale took here, for `rescore status` and the first line of a run: workflow/durations.csv.

    python bench/durations.py SCALE [...]     after a run from scratch; what runs beside it makes the times longer

A row a rule: jobs and their mean seconds, from the steps' records; and the seconds on the clock of the whole run, from the
engine's log with the most finished jobs.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd

from rescore.engine.status import DURATIONS, ENGINE, WHOLE, read_run
from rescore.engine.storage import read_table, write_table


def rows(scale: str) -> list[dict[str, object]]:
    """What the records of a scale, and those of `open` that every run makes beside it, say."""
    taken: dict[str, list[float]] = defaultdict(list)
    for room in dict.fromkeys((scale, "open", "all")):
        for record in sorted(Path("runs", room, "records").rglob("*.json")):
            said = json.loads(record.read_text(encoding="utf-8"))
            if "rule" in said and "seconds" in said:
                taken[said["rule"]].append(float(said["seconds"]))
    longest = max(map(read_run, (ENGINE / "log").glob("*.log")), key=lambda run: run.finished.total())
    whole = longest.log.stat().st_mtime - longest.begun
    found = [(rule, len(seconds), sum(seconds) / len(seconds)) for rule, seconds in sorted(taken.items())]
    return [
        {"scale": scale, "rule": rule, "jobs": jobs, "seconds": round(seconds, 2)}
        for rule, jobs, seconds in [*found, (WHOLE, 1, whole)]
    ]


def main() -> None:
    scales = sys.argv[1:]
    known = read_table(DURATIONS) if DURATIONS.is_file() else pd.DataFrame(columns=["scale"])
    made = pd.DataFrame([row for scale in scales for row in rows(scale)])
    write_table(
        DURATIONS, pd.concat([known[~known["scale"].isin(scales)], made], ignore_index=True).astype({"jobs": int})
    )


if __name__ == "__main__":
    main()
