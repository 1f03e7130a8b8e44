"""Counts, sizes, ranges and vocabularies of the released data, against what the papers print of it.

`data_table` counts; `check` holds each count against every printed cell of the same row and column name; statements over table
`data` in claims.yaml and facts.yaml are evaluated by the family `text`.
"""

from collections.abc import Iterator

import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.datasets.mtl_aqa.release import MARKERS
from rescore.manifests import summary
from rescore.manifests.diving_rule import panel_kind
from rescore.scoring.audit.declared import Entry, Paper, cells
from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, listed, number, records, slug
from rescore.scoring.audit.released import OFFICIAL, Released, Split

DATA = "data"


def data_table(released: Released) -> pd.DataFrame:
    """Counts as a long table `table (data), row, column, value (text), n`; rows and columns by the papers' own names."""
    rows = [*aqa7_counts(released), *mtl_counts(released), *unlv_counts(released)]
    return pd.DataFrame(rows, columns=["row", "column", "value", "n"], dtype=object).assign(table=DATA)


Row = tuple[str, str, str, str]


def aqa7_counts(released: Released) -> Iterator[Row]:
    """Table 1's characteristics, and the standard deviations that the paper divides by."""
    lists = released.lists
    if lists is None:
        return
    for row in records(summary.summarise(lists)):
        if pd.notna(row.value) and row.column != "# Participants":  # participants are this project's own entry
            yield str(row.row), str(row.column), str(row.value), str(row.n)
    for action in EXPERIMENT_ACTIONS:
        scores = lists.loc[(lists["action"] == action) & (lists["split"] == "train"), "score"]
        yield summary.TITLES[action], "Training standard deviation", repr(float(scores.std())), str(len(scores))
    splits = lists["split"].value_counts()
    yield "AQA-7", "# Samples", str(len(lists)), str(len(lists))
    for column, split in (("Training samples", "train"), ("Test samples", "test")):
        yield "AQA-7", column, str(splits.get(split, 0)), str(len(lists))


def mtl_counts(released: Released) -> Iterator[Row]:
    """What Tables 1, 2 and 8 and Section 5 of MTL-AQA's paper print of the data set."""
    dives = released.dives
    if dives is None:
        return
    annotated = {word for key in released.annotations for word in released.captions.get(key, [])}
    values = {
        "# Samples": len(dives),
        "# Events": dives["event"].nunique(),
        "Captions": len(released.captions),
        "Vocabulary": len(released.vocabulary),
        "Vocabulary of annotated dives": len(annotated),
        "Captions longer than 100 words": sum(len(spoken(words)) > 100 for words in released.captions.values()),
        "Standard deviation of the scores": repr(float(dives["score"].std())),
        "Synchronised panels": sum(panel_kind(len(dive.marks)) == "synchronised" for dive in released.sheets),
        "Dives longer than 103 frames": int((dives["end_frame"] - dives["start_frame"] + 1 > 103).sum()),
    }
    for split in released.splits:
        if split.name == OFFICIAL:
            values |= {"Training samples": len(split.train), "Test samples": len(split.test)}
        elif split.name.startswith("size_"):
            values[f"Training set {split.name.removeprefix('size_')}"] = len(split.train)
    if not released.sheets:
        values.pop("Synchronised panels")
    for column, value in values.items():
        yield "MTL-AQA", column, str(value), str(len(dives))
    for column, name in (("# SS", "somersaults"), ("# TW", "twists")):
        yield "Dive", column, f"{dives[name].min():g} to {dives[name].max():g}", str(len(dives))
    for column, name in (("Position", "position"), ("Rotation type", "rotation_type")):
        yield "Dive", column, ", ".join(sorted(word.capitalize() for word in dives[name].unique())), str(len(dives))
    yield (
        "Dive",
        "Armstand",
        ", ".join(sorted({"Yes" if value else "No" for value in dives["armstand"]})),
        str(len(dives)),
    )


def spoken(words: list[str]) -> list[str]:
    return [word for word in words if word not in MARKERS]


def unlv_counts(released: Released) -> Iterator[Row]:
    """UNLV-Dive's samples, and the events that they come from where MTL-AQA tells."""
    if released.unlv is None:
        return
    n = str(len(released.unlv.table))
    yield "UNLV Dive", "# Samples", n, n
    split = next((split for split in released.splits if split.dataset == "UNLV-Dive"), None)
    if split is not None and split.dives:
        yield "UNLV Dive", "# Events", str(len({name.split("/")[0] for name in split.dives.values()})), n


def check(papers: list[Paper], released: Released, data: pd.DataFrame) -> Iterator[Finding]:
    """Printed characteristics that the released data does not have; printed examples that it does not hold."""
    counted = {(row.row, row.column): str(row.value) for row in records(data)}
    for paper in papers:
        compared = 0
        for cell in records(paper.numbers):
            found = counted.get((str(cell.row), str(cell.column)))
            if found is None:
                continue
            compared += 1
            if not alike(str(cell.value), found):
                yield differing(paper, cell, found)
        if compared:
            yield Finding(
                id=f"counts/{paper.name}",
                subject=paper.name,
                statement="printed characteristics of a data set are those of its released files",
                stated=f"{compared} cells",
                found=f"{compared} compared; those that differ stand as findings of their own",
                severity=NOTE,
                evidence="cells of the same row and column name in the paper's tables and in the counts",
                refutation="released files that are not those of the paper",
            )
        if released.dives is not None:
            for entry in paper.aggregates["examples"]:
                yield check_examples(paper, entry, released.dives)
    yield from split_sizes(released)


def alike(printed: str, counted: str) -> bool:
    """Equal as numbers, or as lists of words in any order."""
    try:
        return float(printed) == float(counted)
    except ValueError:
        return sorted(printed.split(", ")) == sorted(counted.split(", "))


def differing(paper: Paper, cell: object, found: str) -> Finding:
    row, column, table, value = (str(getattr(cell, name)) for name in ("row", "column", "table", "value"))
    return Finding(
        id=f"counts/{paper.name}/{slug(table, row, column)}",
        subject=f"{paper.name} {table}, {row}",
        statement=f"{column} of {row}",
        stated=value,
        found=found,
        severity=ERROR,
        evidence="counted in the released files",
        refutation="another version of the release, or another way of counting that gives the printed value",
    )


def check_examples(paper: Paper, entry: Entry, dives: pd.DataFrame) -> Finding:
    """Whether printed samples of the test set are among the released ones with the printed score and classes."""
    missing, shown = [], []
    tests, labels = dives[dives["split"] == "test"], entry["labels"]
    lines = list(cells(paper, entry["table"], entry["rows"], "all"))
    for line in lines:
        words = dict(zip(line["column"], line["value"], strict=True))
        row, score = str(line["row"].iloc[0]), words[entry["score"]]
        same = tests
        for column, name in entry["classes"].items():
            same = same[same[name].astype(str).map(plain) == plain(labels.get(words[column], words[column]))]
        found = same[same["score"].map("{:.2f}".format) == f"{float(score):.2f}"]
        nearest = same.iloc[(same["score"] - float(score)).abs().argsort(kind="stable")[:1]]
        near = ", ".join(f"{at.sample} {number(at.score, 2)}" for at in records(nearest)) or "none"
        if found.empty:
            missing.append(row)
            shown.append(f"{row}: {score}, nearest of that class {near}")
        else:
            shown.append(f"{row}: {score}, {listed(found['sample'], 3)}")
    return Finding(
        id=f"counts/{paper.name}/{slug(entry['id'])}",
        subject=f"{paper.name} {entry['table']}",
        statement="samples that the paper prints with their true labels are in the released test set",
        stated=f"{len(lines)} samples",
        found=f"{len(lines) - len(missing)} of {len(lines)} are there",
        severity=NOTABLE if missing else NOTE,
        evidence=listed(shown),
        refutation="annotations that hold these samples; labels that were scaled and rounded before printing contradict nothing",
    )


def plain(word: str) -> str:
    """`2` and `2.0` alike."""
    try:
        return f"{float(word):g}"
    except ValueError:
        return word


def split_sizes(released: Released) -> Iterator[Finding]:
    """Sizes of all released splits, for the record."""
    if released.splits:
        yield Finding(
            id="counts/splits",
            subject="released splits",
            statement="sizes of the released splits",
            stated="",
            found=listed(f"{title(split)} {len(split.train)} + {len(split.test)}" for split in released.splits),
            severity=NOTE,
            evidence="training + test samples",
            refutation="other released files",
        )


def title(split: Split) -> str:
    return f"{split.dataset} {split.name}" if split.dataset == "MTL-AQA" else split.dataset
