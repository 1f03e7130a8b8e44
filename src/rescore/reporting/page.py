"""The reviewer's page: one self-contained HTML file, a pure function of the results; no script, no network, no date."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rescore.errors import RescoreError, raise_together
from rescore.reporting.tables import VERDICTS, layout, read_result, sample_counts
from rescore.reporting.tables import records as records_of
from rescore.reporting.wording import FIGURES, TABLES, is_synthetic, note, scale_line
from rescore.scoring.claims import RESULTS
from rescore.storage import write_text

REPORTED = "in the paper's own numbers"
SOURCES = {
    "reported": REPORTED,
    "last_iteration": "in ours, last iteration",
    "best_iteration_on_test": "in ours, best iteration on test",
}
HEADINGS = {"open": "Real public data without video, recomputed"}
HEADING = "Action Quality Assessment Across Multiple Actions, recomputed"
MIME = {".svg": "image/svg+xml", ".png": "image/png"}


def data_uri(path: Path) -> str:
    """A figure's bytes as a data URI: embedded images keep their identifiers apart from one another's."""
    try:
        return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except (KeyError, OSError) as error:
        raise RescoreError(
            f"{path}: not a figure that the page can show ({error!r}); it takes .svg and .png"
        ) from error


def name_of(path: Path) -> str:
    """`table2` of `aqa7_table2.csv`, `table2_forest` of `aqa7_table2_forest.svg`."""
    return path.stem.partition("_")[2]


def table_section(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of one results table."""
    result, table = read_result(path), name_of(path)
    if table not in TABLES:
        raise RescoreError(f"{path}: results tables are named <paper>_<table>.csv, with {', '.join(TABLES)}")
    columns, lines = layout(result)
    reasons = (
        result[result["reported"] != ""].groupby(["verdict", "reason"], sort=False).size().reset_index(name="count")
    )
    return {
        "id": table,
        "title": TABLES[table].title,
        "note": note(table, list(result["row"]), settings),
        "columns": [(column, sample_counts(result[result["column"] == column])) for column in columns],
        "groups": [
            (row, [(whose, cells) for _, whose, cells in group])
            for row, group in itertools.groupby(lines, key=lambda line: line[0])
        ],
        "reasons": records_of(reasons),
    }


def short(title: str) -> str:
    """`Table 1` of `Table 1: characteristics of AQA-7`."""
    return title.partition(":")[0]


def verdict_counts(tables: list[Path]) -> list[tuple[str, str, list[int]]]:
    """Table, its short title, and how many reported numbers have each verdict; one compared under two protocols counts twice."""
    counts = []
    for path in tables:
        result, table = read_result(path), name_of(path)
        found = result.loc[result["reported"] != "", "verdict"].value_counts()
        counts.append((table, short(TABLES[table].title), [int(found.get(verdict, 0)) for verdict in VERDICTS]))
    return counts


def most_seeds(tables: list[Path]) -> int:
    """The largest number of seeds behind a number; 0 where none has any."""
    seeds = [pd.to_numeric(read_result(path)["seeds"], errors="coerce").max() for path in tables]
    return int(np.nan_to_num(seeds).max(initial=0))


def claim_lines(path: Path) -> list[dict[str, Any]]:
    """One entry a claim with its findings in each source of numbers."""
    claims = []
    for _, group in read_result(path).groupby("id", sort=False):
        findings = [
            (SOURCES.get(line["source"], line["source"]), line["result"], line["found"]) for line in records_of(group)
        ]
        words = {name: group[name].iloc[0] for name in ("quote", "section", "interpretation")}
        claims.append({**words, "findings": findings, "lines": agreeing(findings)})
    return claims


def agreeing(findings: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The findings with ours said once where all protocols find the same."""
    ours = [finding for finding in findings if finding[0] != REPORTED]
    if len(ours) < 2 or len({finding[1:] for finding in ours}) > 1:
        return findings
    return [*(finding for finding in findings if finding[0] == REPORTED), ("in ours, every protocol", *ours[0][1:])]


def claim_counts(claims: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
    """How many claims hold, do not hold and are undecided in each source of numbers."""
    found = [(source, result) for claim in claims for source, result, _ in claim["findings"]]
    sources = dict.fromkeys(source for source, _ in found)
    return [(source, [found.count((source, result)) for result in RESULTS]) for source in sources]


def sections(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Identifier and short title of every section that the page has, in its order."""
    listed = [(table["id"], short(table["title"])) for table in shown["tables"]]
    listed += [(name, title) for name, title, _ in shown["records"]]
    listed += [
        (name, title)
        for name, title in (("findings", "Contradictions"), ("figures", "Figures"), ("claims", "Claims"))
        if shown[name]
    ]
    listed.append(("not-run", "Not run"))
    return listed if shown["dropped"] is None else [*listed, ("dropped", "Dropped samples")]


def dropped_samples(paths: list[Path]) -> list[dict[str, Any]]:
    """Every sample that clips left out, with its reason."""
    parts = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    return [line for part in parts for line in records_of(part[["sample", "video", "reason"]])]


def record_section(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Identifier, title and fields of an experiment's record, whose folder names it."""
    name = path.parent.name
    return name, name.replace("_", " ").capitalize(), json.loads(path.read_text(encoding="utf-8"))


def page(
    tables: list[Path],
    figures: list[Path],
    output: Path,
    dropped: list[Path],
    settings: dict[str, Any],
    claims: Path | None = None,
    not_run: str = "[]",
    findings: list[Path] | None = None,
    records: list[Path] | None = None,
) -> None:
    """Write the page.

    Args:
        tables: results tables `<paper>_<table>.csv`, in the order shown.
        figures: `<paper>_<figure>.svg` or `.png`, in the order shown; embedded.
        output: HTML file.
        dropped: CSVs of dropped samples; none where no clips were made.
        settings: `scale`, `sources`, `scoring`; optional `command`, shown at the top.
        claims: what evaluate_claims writes.
        not_run: JSON list of {what, why, command}: what this machine did not run.
        findings: CSVs `source, finding` of what the released data contradicts.
        records: JSON objects of experiments whose result is not a table, shown field by field.
    """
    missing = [
        f"{path}: no such file" for path in [*tables, *dropped, *([claims] if claims else [])] if not path.is_file()
    ]
    raise_together("the page lacks inputs", missing, "run the workflow, which writes them.")
    environment = Environment(
        loader=PackageLoader("rescore.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    counts = verdict_counts(tables)
    shown: dict[str, Any] = {
        "tables": [table_section(path, settings) for path in tables],
        "figures": [
            {"title": FIGURES.get(name_of(path), name_of(path)), "source": Markup(data_uri(path))} for path in figures
        ],
        "claims": [] if claims is None else claim_lines(claims),
        "findings": [line for path in findings or [] for line in records_of(read_result(path))],
        "records": [record_section(path) for path in records or []],
        "dropped": dropped_samples(dropped) if dropped else None,
    }
    text = environment.get_template("page.html.j2").render(
        **shown,
        sections=sections(shown),
        scale=settings["scale"],
        scale_line=scale_line(settings),
        synthetic=is_synthetic(settings),
        heading=HEADINGS.get(settings["scale"], HEADING),
        command=settings.get("command", f"snakemake --cores all --config scale={settings['scale']}"),
        seeds=most_seeds(tables),
        verdicts=VERDICTS,
        counts=counts,
        totals=[(verdict, sum(numbers[i] for *_, numbers in counts)) for i, verdict in enumerate(VERDICTS)],
        results=RESULTS,
        claim_counts=claim_counts(shown["claims"]),
        reported_source=REPORTED,
        not_run=json.loads(not_run),
    )
    write_text(output, text)
