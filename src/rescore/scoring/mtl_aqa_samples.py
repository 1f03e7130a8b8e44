"""Qualitative results (Table 6 and Figure 1 of the MTL-AQA paper): four test dives chosen by a rule, not by eye.

The rule: sort the test dives by the absolute error of C3D-AVG-MTL's score (the lowest seed, the last iteration; equal errors by
name) and take those at 1/8, 3/8, 5/8 and 7/8 of the way, the middles of the four quarters from best to worst. Figure 1 shows the
second. The paper does not say how it chose its four.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table, write_json, write_table
from rescore.scoring.outputs import Files, read_outputs
from rescore.scoring.papers import read_paper
from rescore.systems.common.training_sets import MULTITASK, WHOLE

MEMBER = f"c3d_avg/{MULTITASK}/{WHOLE}"
TABLE = "table5"
"""Its cells name all that MEMBER says."""
SUBTASKS = {
    "Position": "position",
    "Armstand": "armstand",
    "Rotation type": "rotation_type",
    "# Somersaults": "somersaults",
    "# Twists": "twists",
}
"""Sub-actions by their titles."""
SHARES = (1 / 8, 3 / 8, 5 / 8, 7 / 8)
SHORT = {"somersaults": "# SS", "twists": "# TW"}
"""Table 6's own columns where they differ from Table 5's rows."""
WORDS = {"no": "No", "yes": "Yes", "backward": "Backwards", "forward": "Forwards"}
"""Classes as Table 6 spells them; others begin with a capital."""


def choose_samples(
    paper: Path,
    files: Files,
    summary: Path,
    samples: Path,
    settings: dict[str, Any],
) -> None:
    """Choose the dives and write what is true and what the network said of them.

    Args:
        paper: papers/<name>/paper.yaml.
        files: predictions, classes and captions are of the seeds of C3D-AVG with all tasks on the whole training set (`MEMBER`);
            rows is the table of the clip store alone: a dive's place in it is its place in the store.
        summary: written, CSV `row, column, value, n, reason`, as Table 6 prints it.
        samples: written, JSON: a list of {sample, place, rank, of, error, true, predicted}, where true and predicted hold `score`
            (points), the five sub-actions, and `caption`.
        settings: `first_training`, `multitask.seeds`.

    Raises:
        RescoreError: the files are not what they should be, or there are fewer than four test dives.
    """
    table = read_table(files.rows[0])
    declared = read_paper(paper).table_of(TABLE)
    blocks = [
        replace(block, cells=tuple(cell for cell in block.cells if cell.member == MEMBER))
        for block in declared.blocks({})
    ]
    read_outputs(declared, blocks, files, settings)  # refuses what is wrong
    scored, labelled, spoken = map(last_of_first_seed, (files.predictions, files.classes, files.captions))
    if len(scored) < len(SHARES):
        raise RescoreError(f"{len(scored)} test dives: Table 6 shows {len(SHARES)}. Raise synthetic.dives.")
    scored = scored.assign(error=(scored["predicted"] - scored["target"]).abs()).sort_values(["error", "sample"])
    chosen = [describe(scored, int(share * len(scored)), labelled, spoken, table) for share in SHARES]
    write_json(samples, chosen)
    lines = [cell for number, dive in enumerate(chosen, start=1) for cell in table6_lines(number, dive)]
    write_table(summary, pd.DataFrame(lines, columns=["row", "column", "value", "n", "reason"]))


def last_of_first_seed(paths: Sequence[Path]) -> pd.DataFrame:
    """Test rows of MEMBER's lowest seed at its last iteration."""
    table = pd.concat([read_table(path) for path in paths], ignore_index=True)
    table = table[(table["member"] == MEMBER) & (table["split"] == "test")]
    table = table[table["seed"] == table["seed"].min()]
    return table[table["iteration"] == table["iteration"].max()]


def describe(
    scored: pd.DataFrame, rank: int, labelled: pd.DataFrame, spoken: pd.DataFrame, rows: pd.DataFrame
) -> dict[str, Any]:
    """One dive: where it lies, and both sides of all three tasks."""
    dive = scored.iloc[rank]
    name = str(dive["sample"])
    sides: dict[str, dict[str, Any]] = {
        "true": {"score": float(dive["target"])},
        "predicted": {"score": float(dive["predicted"])},
    }
    labels = labelled[labelled["sample"] == name].set_index("subaction")
    for side, column in (("true", "target"), ("predicted", "predicted")):
        sides[side] |= {subaction: str(labels.loc[subaction, column]) for subaction in SUBTASKS.values()}
        said = spoken.loc[spoken["sample"] == name, column]
        sides[side]["caption"] = str(said.iloc[0]) if len(said) else ""
    place = int(rows.reset_index(drop=True).index[rows["sample"] == name][0])
    return {"sample": name, "place": place, "rank": rank + 1, "of": len(scored), "error": float(dive["error"]), **sides}


def class_word(text: str) -> str:
    """`Backwards` of `backward`, `2.5` of `2.5`."""
    return WORDS.get(text, text.capitalize())


def table6_lines(number: int, dive: dict[str, Any]) -> list[tuple[str, str, str, int, str]]:
    """Two rows of Table 6, true and predicted."""
    lines = []
    for side, title in (("true", "true"), ("predicted", "C3D-AVG")):
        row, told = f"Dive {number}, {title}", dive[side]
        lines.append((row, "AQA score", f"{told['score']:.2f}", 1, ""))
        for column, subaction in SUBTASKS.items():
            lines.append((row, SHORT.get(subaction, column), class_word(told[subaction]), 1, ""))
        lines += [(row, "Sample", dive["sample"], 1, ""), (row, "Caption", told["caption"], 1, "")]
    return lines
