"""What released predictions, logs and labels contradict: of each other, of the printed numbers, and of their own rules."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.manifests.diving_rule import PANELS, dive_points
from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, listed, number, slug
from rescore.scoring.papers import LOG_BEST, LOG_LAST, LOG_RULES, read_paper
from rescore.scoring.released import cells, labels
from rescore.scoring.released.collect import LEFT_OUT, gather
from rescore.scoring.released.declared import RELATIVE_L2, RHO, Declared, declared_files, read_declared
from rescore.scoring.reported import UNCONFIRMED, read_reported

LOGS_AGAIN = "the same file at its commit, which SOURCE.json names"
FIS_V_TOTAL = "released-fis-v/data/fs_dataset.csv"
FAR = 5.0
"""Points between the sum of a programme's elements and its technical score."""


def check(papers: Path, folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Every check of this family on what is at hand.

    Args:
        papers: directory of the papers' directories.
        folders: of the fetched sources, by name.
    """
    declared = [read_declared(path) for path in declared_files(papers)]
    if not any(source in folders for paper in declared for source in paper.sources):
        return
    points, predictions, told = gather(declared, folders)
    for paper in declared:
        yield from check_printed(paper, points, papers / paper.paper)
        yield from check_epochs(paper, points)
        yield from check_predictions(paper, points, predictions)
        yield from check_folds(paper, predictions)
    yield from check_readings(told)
    yield from check_labels(folders)


def check_printed(paper: Declared, points: pd.DataFrame, folder: Path) -> Iterator[Finding]:
    """Printed numbers that the authors' own logs do not give by the rule that the paper follows."""
    for name, table in read_paper(folder / "paper.yaml").tables.items():
        if name not in paper.tables or table.prints not in LOG_RULES:
            continue
        lines = read_reported(folder / "tables" / f"{name}.csv").to_dict("records")
        printed = {(str(line["row"]), str(line["column"])): line for line in lines}
        for cell in (cell for block, _ in paper.tables[name] for cell in block):
            if (cell.row, cell.column) not in printed or table.prints not in cell.rules:
                continue
            line = printed[cell.row, cell.column]
            chosen = cells.chosen_of(points[points["record"] == cell.record], cell.value, cell.at, str(table.prints))
            if line.get("confirmed") == UNCONFIRMED or not isinstance(chosen, cells.Chosen):
                continue
            digits = len(str(line["value"]).partition(".")[2])
            same = abs(chosen.value - float(line["value"])) <= 0.5 * 10.0**-digits + 1e-9
            yield Finding(
                id=f"released/{slug(paper.paper, name, cell.row, cell.column)}/printed",
                subject=f"{cell.row}, {table.title}",
                statement=f"the authors' log holds the printed number ({cell.column})",
                stated=str(line["value"]),
                found=f"{number(chosen.value)} in the log",
                severity=NOTE if same else NOTABLE,
                evidence=f"{chosen.where}; printed number read in: {line.get('read_in', '')}",
                refutation="the log of the run that was printed",
            )


def check_epochs(paper: Declared, points: pd.DataFrame) -> Iterator[Finding]:
    """Whether a log's best correlation and its best error are one network's."""
    for log in paper.logs.values():
        mine = points[points["record"] == log.key]
        if RELATIVE_L2 not in set(mine["statistic"]) or mine["epoch"].nunique() < 2:
            continue
        both = [cells.chosen_of(mine, name, name, LOG_BEST) for name in (RHO, RELATIVE_L2)]
        beside = cells.chosen_of(mine, RELATIVE_L2, RHO, LOG_BEST)
        if not all(isinstance(one, cells.Chosen) for one in (*both, beside)):
            continue
        rho, error, same = (one for one in (*both, beside) if isinstance(one, cells.Chosen))
        apart = same.value - error.value > 1e-9
        yield Finding(
            id=f"released/{slug(log.key)}/one_epoch",
            subject=f"{log.system} on {log.data}",
            statement="the best correlation and the best relative L2 of a log are of one epoch",
            stated=f"best {number(rho.value)} and {number(error.value)}",
            found=f"relative L2 is {number(same.value)} at the best correlation" if apart else "one epoch has both",
            severity=NOTABLE if apart else NOTE,
            evidence=f"{rho.where}; {error.where}",
            refutation=LOGS_AGAIN,
        )


def check_predictions(paper: Declared, points: pd.DataFrame, predictions: pd.DataFrame) -> Iterator[Finding]:
    """Which epoch of the logs beside them released predictions are of, and whether a log of one test says the same."""
    for one in paper.predictions.values():
        mine = predictions[predictions["record"] == one.key]
        if mine["epoch"].nunique() != 1 or mine["fold"].nunique() != 1:
            continue
        rho = cells.statistic_of(mine, RHO)
        for log in paper.logs.values():
            told = points[(points["record"] == log.key) & (points["statistic"] == RHO)]
            if log.data != one.data or told.empty:
                continue
            same = told[np.abs(told["value"] - rho) < 5e-5]
            epochs = ", ".join(map(str, same["epoch"])) or "none"
            last = cells.chosen_of(points[points["record"] == log.key], RHO, RHO, LOG_LAST)
            ended = number(last.value) if isinstance(last, cells.Chosen) else "undefined"
            yield Finding(
                id=f"released/{slug(one.key)}/{slug(log.name)}",
                subject=f"{one.system} on {one.data}",
                statement=f"the released predictions are of the network that the log '{log.name}' ends with",
                stated=f"{ended} at its end",
                found=f"{number(rho)} from the predictions; epochs of the log with that number: {epochs}",
                severity=NOTE if ended == number(rho) else NOTABLE,
                evidence=f"{mine['sample'].nunique()} predictions, {len(told)} tests in the log",
                refutation=LOGS_AGAIN,
            )


def check_folds(paper: Declared, predictions: pd.DataFrame) -> Iterator[Finding]:
    """Folds that share subjects: names of JIGSAWS' trials end in a subject's letter and the trial's number."""
    for one in paper.predictions.values():
        mine = predictions[(predictions["record"] == one.key) & (predictions["split"] == "test")]
        if mine["fold"].nunique() < 2 or not mine["sample"].str.fullmatch(r".+_[A-Z]\d{3}").all():
            continue
        subjects = mine["sample"].str[-4].groupby(mine["fold"]).agg(set)
        several = {letter for letter in set().union(*subjects) if sum(letter in fold for fold in subjects) > 1}
        yield Finding(
            id=f"released/{slug(one.key)}/subjects",
            subject=one.data,
            statement="a fold tests on subjects that it does not train on",
            stated=f"{len(subjects)} folds",
            found=f"{len(several)} of {len(set().union(*subjects))} subjects are tested in several folds, so trained on in each",
            severity=NOTABLE if several else NOTE,
            evidence=listed(f"fold {fold}: {''.join(sorted(letters))}" for fold, letters in subjects.items()),
            refutation="the leave-one-user-out split, under which each subject is in one fold",
        )


def check_readings(told: pd.DataFrame) -> Iterator[Finding]:
    """Records that could not be read, or not to their end."""
    for record, part in told.groupby("record", sort=True):
        lost = bool((part["kind"] == LEFT_OUT).any())
        ends = part["finding"].str.contains("ends in epoch|cut short|goes back|jumps|have no")
        if not lost and not ends.any():
            continue
        yield Finding(
            id=f"released/{slug(record)}/reading",
            subject=str(record),
            statement="the released file is whole",
            stated="",
            found="; ".join(part["finding"] if lost else part.loc[ends, "finding"]),
            severity=NOTABLE if lost else NOTE,
            evidence=", ".join(sorted(set(part["source"]))),
            refutation=LOGS_AGAIN,
        )


def check_labels(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Scores that do not follow from what they are made of."""
    if "released-finediving" in folders:
        yield from check_dives(labels.read_finediving(folders["released-finediving"]))
    if "released-fis-v" in folders:
        yield from check_totals(folders["released-fis-v"])
        if "released-fis-v-elements" in folders:
            yield from check_elements(folders)


def check_dives(dives: pd.DataFrame) -> Iterator[Finding]:
    """FineDiving's scores from its marks and difficulty, and what its split shares."""
    sizes = dives["marks"].map(len)
    judged = zip(dives["marks"], dives["difficulty"], dives["score"], strict=True)
    off = dives[[not gives(marks, difficulty, score) for marks, difficulty, score in judged]]
    counts = ", ".join(f"{count} of {size}" for size, count in sizes.value_counts().sort_index().items())
    yield Finding(
        id="released/finediving/marks",
        subject="FineDiving labels",
        statement="the diving rule gives each score from its marks and difficulty, of a whole panel or of the marks that count",
        stated=f"{len(dives)} dives; panels: {counts} marks",
        found=f"{len(off)} of {len(dives)} it does not",
        severity=NOTABLE if len(off) else NOTE,
        evidence=listed(off["sample"], 10),
        refutation="the competitions' result sheets",
    )
    events = [
        set(dives.loc[dives["split"] == split, "sample"].str.rsplit("/", n=1).str[0]) for split in ("train", "test")
    ]
    shared = events[0] & events[1]
    yield Finding(
        id="released/finediving/events",
        subject="FineDiving split",
        statement="training and test dives are of different competitions",
        stated=f"{(dives['split'] == 'test').sum()} test dives",
        found=f"{len(shared)} of {len(events[1])} broadcasts with test dives have training dives too",
        severity=NOTABLE if shared else NOTE,
        evidence=f"{len(events[0] | events[1])} broadcasts",
        refutation="a split by competition",
    )


def gives(marks: tuple[float, ...], difficulty: float, score: float) -> bool:
    """Whether the rule gives a score from marks: those of a whole panel, or those that are left when some are cancelled."""
    possible = [3 * float(np.mean(marks)) * difficulty]
    possible += [dive_points(marks, difficulty)] if len(marks) in PANELS else []
    return any(abs(points - score) <= 0.051 for points in possible)


def check_totals(folder: Path) -> Iterator[Finding]:
    """Fis-V's totals from technical score, components and deductions; programmes by number."""
    path = folder / "data/fs_dataset.csv"
    table = pd.read_csv(path, usecols=["number", "total", "tes", "pcs", "ded"])
    values = table.apply(pd.to_numeric, errors="coerce").dropna()
    off = values[(values["tes"] + values["pcs"] - values["ded"] - values["total"]).abs() > 0.015]
    yield Finding(
        id="released/fis_v/totals",
        subject="Fis-V labels",
        statement="a total is the technical score and the components less the deductions",
        stated=f"{len(values)} programmes with all four numbers, of {len(table)}",
        found=f"{len(off)} do not add up",
        severity=ERROR if len(off) else NOTE,
        evidence=listed((f"programme {int(row.number)}" for row in off.itertuples()), 20),
        refutation="the competitions' score sheets",
    )


def check_elements(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Fis-V's technical scores from the elements that are joined by the programmes' numbers."""
    programmes = labels.read_fis_v(folders["released-fis-v"])
    joined = programmes.merge(labels.read_elements(folders["released-fis-v-elements"]), on="video", how="left")
    absent = joined[joined["base"].isna()]
    apart = (joined["base"] + joined["grade"] - joined["TES"]).abs()
    far = joined[apart > FAR]
    yield Finding(
        id="released/fis_v/elements",
        subject="Fis-V elements",
        statement="a technical score is the sum of its elements' base values and grades of execution",
        stated=f"{len(joined)} programmes, {len(absent)} without elements",
        found=f"{len(far)} are more than {FAR:g} points apart; the median distance is {number(float(apart.median()), 2)}",
        severity=ERROR if len(far) else NOTE,
        evidence=listed((f"programme {video}" for video in far["video"]), 20),
        refutation="the score sheets, which show whether the elements joined by number are the programme's",
    )


def sources_of(papers: Path) -> Sequence[str]:
    """Sources that this family reads."""
    found = {name for path in declared_files(papers) for name in read_declared(path).sources}
    return sorted(found | {"released-finediving", "released-fis-v", "released-fis-v-elements"})
