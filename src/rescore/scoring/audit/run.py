"""All checks, in order, into results/audit.csv; and what `rescore audit` prints."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.check import found_folder
from rescore.engine.storage import write_table
from rescore.scoring.audit import aggregates, counts, differences, evidence, predictors, rule, splits, text, windows
from rescore.scoring.audit.declared import Paper, read_papers
from rescore.scoring.audit.findings import NOTE, SEVERITIES, Finding, as_table, records
from rescore.scoring.audit.released import SOURCES, Released, read_released
from rescore.sources.catalogue import BY_NAME

HEADLINE = 320  # characters


def write_audit(
    papers: Path,
    output: Path,
    settings: dict[str, Any],
    aqa7_lists: Path | None = None,
    mtl_aqa: Path | None = None,
    unlv_dive: Path | None = None,
    rhythmic_gymnastics: Path | None = None,
    released: list[Path] | None = None,
) -> None:
    """Hold the papers' numbers and the released data against themselves and each other.

    Args:
        papers: directory of the papers' directories.
        output: CSV `id, subject, statement, stated, found, severity, evidence, refutation`, sorted.
        settings: `scoring` (`confidence` of the intervals).
        aqa7_lists, mtl_aqa, unlv_dive, rhythmic_gymnastics: folders of the released files; without one its checks are not run.
        released: folders of released predictions, logs and labels, each named as its source.

    Raises:
        RescoreError: declared facts have not their form, or released files are damaged.
    """
    folders = dict(zip(SOURCES, (aqa7_lists, mtl_aqa, unlv_dive, rhythmic_gymnastics), strict=True))
    write_table(output, audit(papers, folders, settings, {path.name: path for path in released or ()}))


def write_audit_at_hand(
    papers: Path, output: Path, settings: Mapping[str, Any], root: Path, mirror: Path | None
) -> pd.DataFrame:
    """`write_audit` on whatever lies under `root`, fetched, or in the mirror; returns the findings."""
    released = {name: found_folder(BY_NAME[name], root, mirror) for name in evidence.sources_of(papers)}
    here = {name: folder for name, folder in released.items() if folder is not None}
    table = audit(papers, {name: found_folder(BY_NAME[name], root, mirror) for name in SOURCES}, settings, here)
    write_table(output, table)
    return table


def audit(
    papers: Path,
    folders: Mapping[str, Path | None],
    settings: Mapping[str, Any],
    beside: Mapping[str, Path] | None = None,
) -> pd.DataFrame:
    """The findings as a table; `folders` maps every name of `SOURCES` to its folder or None, `beside` holds the folders of
    released predictions, logs and labels at hand. Raises as `write_audit`."""
    released = read_released(*(folders[name] for name in SOURCES))
    found = [*all_findings(read_papers(papers), released, settings), *evidence.check(papers, beside or {})]
    return as_table([*found, *not_run(folders)])


def all_findings(papers: list[Paper], released: Released, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Every family's findings."""
    data = counts.data_table(released)
    for paper in papers:
        yield from aggregates.check(paper)
        yield from text.check(paper, data)
        yield from differences.check(paper)
    yield from counts.check(papers, released, data)
    yield from splits.check(released)
    yield from windows.check(released)
    yield from rule.check(released)
    yield from predictors.check(papers, released, settings)


def not_run(folders: Mapping[str, Path | None]) -> Iterator[Finding]:
    """A note for each source that is not at hand."""
    for name, folder in folders.items():
        if folder is None:
            yield Finding(
                id=f"not_run/{name}",
                subject=name,
                statement="checks of these released files",
                stated="",
                found="not run: data not at hand",
                severity=NOTE,
                evidence="",
                refutation=f"`rescore fetch {name}`, or a folder with copies named by RESCORE_MIRROR",
            )


def describe(table: pd.DataFrame) -> str:
    """Errors and notable findings as text, a line each, and a last line that counts all."""
    lines = [
        f"{row.severity}: {row.subject}: {row.statement}; found: {row.found}"
        if row.id.startswith("text/")
        else f"{row.severity}: {row.subject}: {row.statement}; stated: {row.stated or 'nothing'}; found: {row.found}"
        for row in records(table[table["severity"] != NOTE])
    ]
    counted = ", ".join(f"{(table['severity'] == severity).sum()} {severity}" for severity in SEVERITIES)
    missing = table.loc[table["id"].str.startswith("not_run/"), "subject"]
    return "\n".join(
        [
            *(line if len(line) <= HEADLINE else line[: HEADLINE - 4] + " ..." for line in lines),
            counted + (f"; not at hand: {', '.join(missing)}" if len(missing) else ""),
        ]
    )
