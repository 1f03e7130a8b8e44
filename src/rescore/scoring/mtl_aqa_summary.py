"""Characteristics of MTL-AQA's data and networks: Tables 1, 2 and 3 of the paper, and counts that its text states.

Long tables `row, column, value, n, reason`: `value` is text as the paper prints it; where it cannot be told it is missing, and
`reason` says why.
"""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table, write_table
from rescore.manifests.summary import REPORTED_ONLY
from rescore.systems.common.training_sets import UNLV_DIVE

COLUMNS = ["row", "column", "value", "n", "reason"]
POSITIONS = {"free": "Free", "tuck": "Tuck", "pike": "Pike"}
ROTATIONS = {"inward": "Inward", "reverse": "Reverse", "backward": "Backward", "forward": "Forward"}
HEIGHTS = {3: "3m Springboard", 10: "10m Platform"}
GENDERS = {"male": "Male", "female": "Female"}
EVENTS = {False: "Individual", True: "Synchronous"}
DIVE_CLASS = ("position", "armstand", "rotation_type", "somersaults", "twists")
LABELS = {"AQA score": ("score",), "Action class": DIVE_CLASS, "Commentary": ("caption",)}
NO_MEASURE = f"{REPORTED_ONLY}the paper's own judgement; it names no measure"
NOT_NOTED = f"{REPORTED_ONLY}the data set's files do not say it of its dives"
NO_UNLV = f"{REPORTED_ONLY}UNLV-Dive is at hand as a split of dives alone"
NO_MIT = f"{REPORTED_ONLY}MIT Dive is not part of this project"

CHARACTERISTICS = ("Events", "Height", "Genders", "# Samples", "# Events", "View Variation/Background", "Labels")
"""Columns of Table 1."""

Line = tuple[str, str, str | None, int | None, str]


def line(row: str, column: str, value: str | None, n: int | None, reason: str = "") -> Line:
    return row, column, value, n, "" if value is not None else reason


def present(dives: pd.DataFrame, column: str, words: dict[Any, str]) -> str | None:
    """The words of the values that occur, in the paper's order; None where some dive's is not known."""
    if column not in dives or dives[column].isna().any():
        return None
    found = set(dives[column])
    return ", ".join(word for value, word in words.items() if value in found)


def value_range(values: pd.Series) -> str:
    """`0 to 4.5`."""
    return f"{values.min():g} to {values.max():g}"


def data_set_lines(dives: pd.DataFrame) -> list[Line]:
    """MTL-AQA's row of Table 1."""
    n = len(dives)
    labels = [title for title, columns in LABELS.items() if all(has_values(dives, column) for column in columns)]
    values = {
        "Events": present(dives, "synchronised", EVENTS),
        "Height": present(dives, "height", HEIGHTS),
        "Genders": present(dives, "gender", GENDERS),
        "# Samples": str(n),
        "# Events": str(dives["event"].nunique()) if "event" in dives else None,
    }
    lines = [line("MTL-AQA", column, value, n, NOT_NOTED) for column, value in values.items()]
    lines.append(line("MTL-AQA", "View Variation/Background", None, n, NO_MEASURE))
    return [*lines, line("MTL-AQA", "Labels", ", ".join(labels), n)]


def has_values(dives: pd.DataFrame, column: str) -> bool:
    """Whether a column says something: numbers, words, or text that is not empty."""
    return column in dives and bool((dives[column].notna() & (dives[column].astype(str).str.strip() != "")).any())


def unlv_lines(splits: pd.DataFrame) -> list[Line]:
    """What the split alone tells of UNLV-Dive."""
    dives = splits[splits["training_set"] == UNLV_DIVE].drop_duplicates("sample")
    if dives.empty:
        return []
    n = len(dives)
    others = (column for column in CHARACTERISTICS if column != "# Samples")
    return [
        line("UNLV Dive", "# Samples", str(n), n),
        *(line("UNLV Dive", column, None, n, NO_UNLV) for column in others),
    ]


def class_lines(dives: pd.DataFrame) -> list[Line]:
    """Table 2: the values that each part of a dive takes."""
    n = len(dives)
    return [
        line("Dive", "Position", present(dives, "position", POSITIONS), n, NOT_NOTED),
        line("Dive", "Armstand", present(dives, "armstand", {False: "No", True: "Yes"}), n, NOT_NOTED),
        line("Dive", "Rotation type", present(dives, "rotation_type", ROTATIONS), n, NOT_NOTED),
        line("Dive", "# SS", value_range(dives["somersaults"]), n),
        line("Dive", "# TW", value_range(dives["twists"]), n),
    ]


def layer_lines(layers: Iterable[dict[str, Any]]) -> list[Line]:
    """Table 3: the layers of each part in the paper's notation; equal neighbours in braces, `{C3(128); BN} x2`."""
    lines = []
    noted = [layer for layer in layers if layer.get("notation")]
    for part, group in itertools.groupby(noted, key=lambda layer: layer["part"]):
        runs = [(notation, len(list(run))) for notation, run in itertools.groupby(layer["notation"] for layer in group)]
        for place, (notation, count) in enumerate(runs, start=1):
            lines.append(line(str(place), part, notation if count == 1 else f"{{{notation}}} x{count}", 1))
    return lines


def summarise_table1(manifest: Path, splits: Path, summary: Path) -> None:
    """Table 1 from the manifest, and what the splits tell of UNLV-Dive; of MIT Dive, that it is not here."""
    absent = [line("MIT Dive", column, None, None, NO_MIT) for column in CHARACTERISTICS]
    write_lines(summary, [*absent, *unlv_lines(read_table(splits)), *data_set_lines(read_table(manifest))])


def summarise_table2(manifest: Path, summary: Path) -> None:
    """Table 2 from the manifest."""
    write_lines(summary, class_lines(read_table(manifest)))


def summarise_table3(network: Path, summary: Path) -> None:
    """Table 3 from the description of MSCADC that `models.describe` read off the module.

    Raises:
        RescoreError: the file is no description with parts and notations.
    """
    try:
        layers = json.loads(network.read_text(encoding="utf-8"))["layers"]
        lines = layer_lines(layers)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RescoreError(
            f"{network}: not a description of MSCADC ({error!r}). Delete it and run the workflow again."
        ) from error
    write_lines(summary, lines)


def summarise_data(manifest: Path, splits: Path, vocabulary: Path, summary: Path, vaults: Path | None = None) -> None:
    """Counts that the paper states in its text, for its claims: `row, column, protocol, reproduced, n` (claims' table `data`).

    Args:
        vaults: AQA-7's manifest, whose vaults Section 5.2 takes; without it they are not counted.
    """
    dives, words = read_table(manifest), json.loads(vocabulary.read_text(encoding="utf-8"))
    parts = read_table(splits)
    counts = [("MTL-AQA", "Vocabulary", len(words)), ("MTL-AQA", "# Samples", len(dives))]
    for name, group in parts[parts["split"] == "train"].groupby("training_set", sort=False):
        counts.append(("MTL-AQA", f"Training samples of {name}", len(group)))
    if vaults is not None:
        actions = read_table(vaults)["action"]
        counts.append(("Gymnastic vault", "# Samples", int((actions == "gymvault").sum())))
    lines = [(row, column, "", str(value), str(value)) for row, column, value in counts]
    write_table(summary, pd.DataFrame(lines, columns=["row", "column", "protocol", "reproduced", "n"]))


def write_lines(path: Path, lines: list[Line]) -> None:
    write_table(path, pd.DataFrame(lines, columns=COLUMNS).astype({"n": "Int64"}))
