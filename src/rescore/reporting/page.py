"""The reviewer's pages: self-contained HTML files, pure functions of the results and of what the steps recorded.

`page` shows one scale, `overview` sums up all scales. No request to the network, no date, equal bytes from equal inputs. What
differs between two runs that give equal results (run times, devices) stands between `<!--measured-->` marks.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import write_text
from rescore.reporting import plots
from rescore.reporting.error_table import HEADINGS as ERROR_HEADINGS
from rescore.reporting.error_table import TITLE as ERRORS
from rescore.reporting.error_table import error_lines
from rescore.reporting.error_table import note as error_note
from rescore.reporting.evidence import (
    NOT_RECORDED,
    Provenance,
    behind,
    fingerprint_in_words,
    read_provenance,
    recorded,
    split_stem,
)
from rescore.reporting.figure_view import drawn_plots, picture, plot_view
from rescore.reporting.table_view import link_view, protocol_title, short, table_of, table_section
from rescore.reporting.tables import JUDGED, VERDICTS, read_result
from rescore.reporting.tables import records as records_of
from rescore.reporting.wording import figure_title, is_synthetic, scale_line
from rescore.scoring import controls
from rescore.scoring.claims import RESULTS
from rescore.scoring.papers import FOLDER, Paper, read_papers

REPORTED = "in the paper's own numbers"
SOURCES = {
    "reported": REPORTED,
    "last_iteration": "in ours, last iteration",
    "best_iteration_on_test": "in ours, best iteration on test",
    "best_on_validation": "in ours, best on validation",
}
Papers = Mapping[str, Paper]
SEVERITIES = ("error", "notable", "note")
SYMBOLS = {
    **dict(zip(VERDICTS, "✓≠≡∌⊘○◇", strict=True)),
    **dict(zip(RESULTS, "✓✗≈?", strict=True)),
    **dict(zip(SEVERITIES, "‼!·", strict=True)),
    controls.BROKEN: "✗",
    controls.KEPT: "✓",
}
"""So that no colour alone says what was found."""


@dataclass(frozen=True)
class Files:
    """What the page of one scale shows, each kind in its order; of what there is none nothing is said."""

    tables: Sequence[Path] = ()
    """Results tables `<paper>_<table>.csv`."""
    figures: Sequence[Path] = ()
    """`<paper>_<figure>.svg` or `.png`; embedded."""
    claims: Sequence[Path] = ()
    """`<paper>_claims.csv` of scoring.claims."""
    comparisons: Sequence[Path] = ()
    """`<paper>_comparisons.csv` of scoring.comparisons: which rows are above which, and whether by chance."""
    curves: Sequence[Path] = ()
    """Scores by iteration (`<paper>_<figure>.csv`) and training curves (`curve.csv` below runs/<scale>)."""
    dropped: Sequence[Path] = ()
    """CSVs of dropped samples."""
    findings: Sequence[Path] = ()
    """CSVs `source, finding` of what the released data contradicts."""
    records: Sequence[Path] = ()
    """JSON objects of experiments whose result is not a table, shown field by field."""
    audit: Path | None = None
    """results/audit.csv."""
    errors: Path | None = None
    """`error_measures.csv` of reporting.error_table; shown folded."""
    controls: Path | None = None
    """`controls.csv` of scoring.controls; opens the page."""

    @property
    def traced(self) -> list[Path]:
        """Those that steps are asked for."""
        listed = (self.tables, self.figures, self.dropped, self.claims, self.comparisons, self.curves)
        return [*itertools.chain(*listed), *filter(None, (self.audit, self.errors, self.controls))]

    @property
    def pictures(self) -> list[Path]:
        """Figures that are embedded: the others are drawn from their numbers."""
        drawn = {path.stem for path in self.curves}
        return [path for path in self.figures if path.stem not in drawn]


def environment() -> Environment:
    return Environment(
        loader=PackageLoader("rescore.reporting"),
        autoescape=lambda name: name is None or ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def verdict_line(path: Path, link: str, papers: Papers) -> dict[str, Any]:
    """A table's name, paper, and how many comparisons ended in each verdict."""
    result, table = read_result(path), table_of(path.stem, papers)
    found = result.loc[result["reported"] != "", "verdict"].value_counts()
    return {
        "names": [short(table.title, papers), papers[table.paper].short],
        "numbers": [int(found.get(verdict, 0)) for verdict in VERDICTS],
        "link": f"{link}#{path.stem}",
        "synthetic": False,
    }


def printed_numbers(tables: Iterable[Path]) -> int:
    """How many numbers the papers print in the given tables."""
    parts = [read_result(path) for path in tables]
    return sum(len(part[part["reported"] != ""].drop_duplicates(["row", "column"])) for part in parts)


def judged_numbers(tables: Iterable[Path]) -> int:
    """How many printed numbers have a verdict: reproduced or not, in a log or not."""
    parts = [read_result(path) for path in tables]
    return sum(len(part[part["verdict"].isin(JUDGED)].drop_duplicates(["row", "column"])) for part in parts)


def totals_of(lines: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(verdict, sum(line["numbers"][i] for line in lines)) for i, verdict in enumerate(VERDICTS)]


def most_seeds(tables: Sequence[Path]) -> int:
    """The largest number of seeds behind a number; 0 where none has any."""
    seeds = [pd.to_numeric(read_result(path)["seeds"], errors="coerce").max() for path in tables]
    return int(np.nan_to_num(seeds).max(initial=0))


def claim_lines(path: Path) -> list[dict[str, Any]]:
    """One entry a claim: its words, and what was found in the paper's numbers and in ours."""
    claims = []
    for identifier, group in read_result(path).groupby("id", sort=False):
        findings = [
            (SOURCES.get(line["source"], line["source"]), line["result"], found_in(line)) for line in records_of(group)
        ]
        words = {name: group[name].iloc[0] for name in ("quote", "section", "interpretation")}
        reported = [finding for finding in findings if finding[0] == REPORTED]
        ours = agreeing([finding for finding in findings if finding[0] != REPORTED])
        claims.append({**words, "id": identifier, "findings": findings, "reported": reported, "ours": ours})
    return claims


def found_in(line: Mapping[str, str]) -> str:
    """The numbers that a claim rests on, and what they say as they stand where the intervals say otherwise."""
    return line["found"] + (f"; as they stand: {line['plain']}" if line["plain"] != line["result"] else "")


def agreeing(ours: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Our findings, said once where all protocols find the same."""
    if len(ours) < 2 or len({finding[1:] for finding in ours}) > 1:
        return ours
    return [("in ours, every protocol", *ours[0][1:])]


def claim_counts(path: Path, link: str, synthetic: bool, papers: Papers) -> list[dict[str, Any]]:
    """How many of a paper's claims have each result in each source of numbers."""
    found = [(source, result) for claim in claim_lines(path) for source, result, _ in claim["findings"]]
    paper = split_stem(path.stem, papers)[0]
    return [
        {
            "names": [source, papers[paper].short],
            "numbers": [found.count((source, result)) for result in RESULTS],
            "link": f"{link}#{paper}-claims",
            "synthetic": synthetic and source != REPORTED,
        }
        for source in dict.fromkeys(source for source, _ in found)
    ]


def comparison_lines(path: Path) -> list[dict[str, Any]]:
    """Pairs of cells held against each other, with numbers to four digits and the chosen protocol in words."""
    lines = records_of(read_result(path))
    numbers = ("left", "right", "difference", "low", "high", "holm_p")
    return [
        {
            **line,
            **{name: f"{float(line[name]):.4f}" if line[name] else "" for name in numbers},
            "protocol": protocol_title(line["protocol"]),
        }
        for line in lines
    ]


def controls_view(path: Path) -> dict[str, Any]:
    """What is known by construction and whether it came out, the broken ones first."""
    table = read_result(path)
    cells = [(tuple(cell), line["result"]) for line in records_of(table) for cell in json.loads(line["cells"])]
    return {
        "totals": list(controls.counts(table).items()),
        "cells": {cell: result for cell, result in reversed(cells)},  # the gravest of those about a cell
        "lines": records_of(table),
        "kinds": [(word, word) for word in controls.KINDS if (table["kind"] == word).any()],
        "results": [(word, word) for word in controls.RESULTS if (table["result"] == word).any()],
    }


def audit_view(path: Path) -> dict[str, Any]:
    """The audit's findings, the gravest first, with the words that filter them."""
    lines = [
        {**line, "group": line["subject"].partition(" ")[0].rstrip(","), "order": SEVERITIES.index(line["severity"])}
        for line in records_of(read_result(path))
    ]
    return {
        "lines": lines,
        "severities": [(word, word) for word in SEVERITIES if any(line["severity"] == word for line in lines)],
        "subjects": [(word, word) for word in sorted({line["group"] for line in lines})],
    }


def errors_view(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The errors of every member, with the words that filter them."""
    lines = error_lines(read_result(path))
    return {
        "title": ERRORS,
        "note": error_note(settings),
        "headings": ERROR_HEADINGS,
        "lines": lines,
        "synthetic": all(line["synthetic"] for line in lines),
        "data": [(word, word) for word in dict.fromkeys(line["data"] for line in lines)],
    }


def dropped_samples(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Every sample that clips left out, with its reason."""
    parts = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    return [line for part in parts for line in records_of(part[["sample", "video", "reason"]])]


def record_section(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Identifier, title and fields of an experiment's record, whose folder names it."""
    name = path.parent.name
    return name, name.replace("_", " ").capitalize(), json.loads(path.read_text(encoding="utf-8"))


def render(name: str, **shown: Any) -> str:
    """A template's text; the library that draws plots stands in it where there is one."""
    plotted = any(paper["plots"] for paper in shown.get("papers", ()))
    return (
        environment()
        .get_template(name)
        .render(
            **shown,
            **{"verdicts": VERDICTS, "results": RESULTS, "symbols": SYMBOLS, "reported_source": REPORTED},
            library=plots.packed_bundle() if plotted else "",
            library_name=plots.LIBRARY,
        )
    )


def measured(values: Iterable[str]) -> Markup:
    """Text that differs between equal runs, marked as such."""
    return Markup("<!--measured-->{}<!--/measured-->").format("; ".join(values) or NOT_RECORDED)


def made(settings: dict[str, Any], provenance: Provenance, seeds: int, fingerprint: str) -> list[tuple[str, list[Any]]]:
    """How the page was made: command, code, libraries, hardware, arithmetic, time; each "not recorded" where no step says."""
    told = [recorded(record) for record in provenance.records]
    versions = [record["code version"] for record in told if "code version" in record]
    libraries = sorted({name for record in told for name in record.get("versions", "").split(", ") if name})
    hardware = sorted({record["hardware"] for record in told if "hardware" in record})
    seconds = [float(record["run time"].removesuffix(" s")) for record in told if "run time" in record]
    command = f"snakemake --cores all --config scale={settings['scale']}"
    time = [f"{sum(seconds):.0f} s, the sum of {len(seconds)} recorded steps"] if seconds else []
    return [
        ("Command", [Markup("<code>{}</code>").format(command)]),
        ("Code", [measured(dict.fromkeys(versions))]),
        ("Seeds", [f"{seeds} seeds a trained member" if seeds > 1 else "one"]),
        ("Intervals", [f"{settings['scoring']['confidence']:.0%}"]),
        ("Libraries", [measured(libraries)]),
        ("Hardware", [measured(hardware)]),
        ("Arithmetic", [measured(sorted({record["arithmetic"] for record in told if "arithmetic" in record}))]),
        ("Fingerprint", [measured(filter(None, [fingerprint]))]),
        ("Time", [measured(time)]),
    ]


def step_lines(provenance: Provenance) -> list[dict[str, str]]:
    """What each step recorded of itself."""
    names = {"step": "step", "code": "code hash", "hardware": "hardware", "seconds": "run time"}
    return [
        {
            "rule": str(record.get("rule", "")),
            "log": str(record["log"]),
            **{name: recorded(record).get(field, "") for name, field in names.items()},
        }
        for record in provenance.records
    ]


def sections(
    shown_papers: list[dict[str, Any]], shown: dict[str, Any], papers: Papers
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Identifier, title and inner sections of every section that the page has, in its order."""
    listed: list[tuple[str, str, list[tuple[str, str]]]] = [("controls", "Controls", [])] if shown["controls"] else []
    listed.append(("made", "How it was made", []))
    for paper in shown_papers:
        inner = [(table["id"], short(table["title"], papers)) for table in paper["tables"]]
        inner += [(f"{paper['id']}-figures", "Figures")] if paper["figures"] or paper["plots"] else []
        inner += [(f"{paper['id']}-comparisons", "Comparisons")] if paper["comparisons"] else []
        inner += [(f"{paper['id']}-claims", "Claims")] if paper["claims"] else []
        listed.append((paper["id"], papers[paper["id"]].short, inner))
    if shown["errors"]:
        listed.append(("errors", "Errors in points", []))
    inner = [("audit", "Audit")] if shown["audit"] else []
    inner += [(name, title) for name, title, _ in shown["records"]]
    inner += [("findings", "Contradictions")] if shown["findings"] else []
    if inner:
        listed.append(("data-and-papers", "Papers and data", inner))
    last = [("not-run", "Not run"), *([("dropped", "Dropped samples")] if shown["dropped"] is not None else [])]
    return [*listed, ("left-out", "Left out", [*last, ("steps", "Steps")])]


def paper_sections(
    files: Files, tables: list[dict[str, Any]], drawn: list[tuple[str, plots.Plot]], papers: Papers
) -> list[dict[str, Any]]:
    """Everything that is shown of each paper, in the order of the tables."""

    def of(path: Path) -> str:
        return split_stem(path.stem, papers)[0]

    names = [table["paper"] for table in tables] + [of(path) for path in [*files.pictures, *files.claims]]
    results = [(word, word) for word in RESULTS]
    return [
        {
            "id": paper,
            "title": papers[paper].title,
            "synthetic": any(table["synthetic"] for table in tables if table["paper"] == paper),
            "tables": [table for table in tables if table["paper"] == paper],
            "figures": [
                {"id": f"figure-{path.stem}", "title": title, "picture": picture(path, title)}
                for path in files.pictures
                if of(path) == paper and (title := figure_title(papers[paper], split_stem(path.stem, papers)[1]))
            ],
            "plots": [plot_view(plot) for whose, plot in drawn if whose == paper],
            "claims": [claim for path in files.claims if of(path) == paper for claim in claim_lines(path)],
            "claim_results": results,
            "comparisons": [line for path in files.comparisons if of(path) == paper for line in comparison_lines(path)],
        }
        for paper in dict.fromkeys(names)
    ]


def heading(settings: dict[str, Any], names: list[str], papers: Papers) -> dict[str, Any]:
    """What the page of some papers says of itself at its top; at a scale that has its name, a paper speaks for all."""
    one = [settings["scale"]] if settings["scale"] in papers else names
    alone = papers[one[0]].heading if len(one) == 1 else "The papers' numbers, recomputed"
    return {
        "scale": settings["scale"],
        "scale_line": scale_line(settings),
        "synthetic": is_synthetic(settings),
        "heading": alone,
    }


def summary(files: Files, views: list[dict[str, Any]], papers: Papers) -> dict[str, Any]:
    """The numbers at the page's top: comparisons by verdict, and claims by result."""
    fictitious = {view["paper"] for view in views if view["synthetic"]}
    counts = [
        verdict_line(path, "", papers) | {"synthetic": view["synthetic"]}
        for path, view in zip(files.tables, views, strict=True)
    ]
    return {
        "counts": counts,
        "totals": totals_of(counts),
        "compared": sum(sum(line["numbers"]) for line in counts),
        "printed": printed_numbers(files.tables),
        "judged": judged_numbers(files.tables),
        "claim_counts": [
            line
            for path in files.claims
            for line in claim_counts(path, "", split_stem(path.stem, papers)[0] in fictitious, papers)
        ],
    }


def data_behind(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Manifests, video indices and sources behind all tables, each once."""
    kinds = ("manifest", "video index", "source")
    found = {link.path: link for view in views for link in view["links"] if link.what in kinds}
    return [link_view(link) for link in found.values()]


def names_of(paths: Sequence[Path], runs: Path | None) -> list[str]:
    """Paths as step records name them: relative to the root, which `runs` (runs/<scale>) tells."""
    root = runs.absolute().parents[1] if runs else Path()
    inside = [(path.absolute(), path) for path in paths]
    return [(whole.relative_to(root) if whole.is_relative_to(root) else path).as_posix() for whole, path in inside]


def require(paths: Iterable[Path]) -> None:
    missing = [f"{path}: no such file" for path in paths if not path.is_file()]
    raise_together("the page lacks inputs", missing, "run the workflow, which writes them.")


def details_once(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave a file's parameters and data hashes to the first table that lists it: tables share most of their files."""
    listed: set[str] = set()
    for link in (link for view in views for link in view["back"]):
        if link["path"] in listed:
            link["details"] = ""
        listed.add(link["path"])
    return views


def page(
    files: Files,
    output: Path,
    settings: dict[str, Any],
    not_run: str = "[]",
    runs: Path | None = None,
    step_records: Path | None = None,
    papers: Path = FOLDER,
) -> None:
    """Write the page of one scale.

    Args:
        files: what it shows.
        output: HTML file.
        settings: `scale`, `sources`, `scoring`.
        not_run: JSON list of {what, why, command}: what this machine did not run.
        runs: runs/<scale>, beside the results tree that the tables are in: predictions, scores and checkpoints, for plots and
            the lineage; None: tables and figures alone.
        step_records: folder of step records; what is not there is said to be not recorded.
        papers: the folder of the papers' declarations.

    Raises:
        RescoreError: inputs are missing or not what they should be.
    """
    require(files.traced)
    declared = read_papers(papers)
    provenance = read_provenance(step_records, None)
    fingerprint = fingerprint_in_words(provenance)
    beside = {**beside_papers(files, settings), "not_run": json.loads(not_run)}
    decided = beside["controls"]["cells"] if beside["controls"] else {}
    views = [table_section(path, declared, settings, provenance, runs is not None, decided) for path in files.tables]
    views = details_once(views)
    back = [link["path"] for view in views for link in view["back"]]
    provenance = behind(provenance, [*names_of(files.traced, runs), *back])
    parts = paper_sections(files, views, drawn_plots(files.tables, files.curves, runs, declared), declared)
    shown = {
        **beside,
        **heading(settings, [part["id"] for part in parts], declared),
        **summary(files, views, declared),
        "papers": parts,
        "sections": sections(parts, beside, declared),
        "made": made(settings, provenance, most_seeds(files.tables), fingerprint),
        "data": data_behind(views),
        "steps": step_lines(provenance),
    }
    write_text(output, render("page.html.j2", **shown))


def beside_papers(files: Files, settings: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of the data and of all papers together."""
    contradictions = [line for path in files.findings for line in records_of(read_result(path))]
    return {
        "audit": audit_view(files.audit) if files.audit else None,
        "errors": errors_view(files.errors, settings) if files.errors else None,
        "controls": controls_view(files.controls) if files.controls else None,
        "findings": contradictions,
        "finding_sources": [(name, name) for name in dict.fromkeys(line["source"] for line in contradictions)],
        "records": [record_section(path) for path in files.records],
        "dropped": dropped_samples(files.dropped) if files.dropped else None,
    }


def scale_view(folder: Path, papers: Papers) -> dict[str, Any] | None:
    """What the overview shows of results/<scale>; None where it has no tables."""
    found = sorted((folder / "tables").glob("*.csv"))
    claims = [path for path in found if path.stem.endswith("_claims")]
    keys = {table.key for paper in papers.values() for table in paper.tables.values()}
    tables = [path for path in found if path.stem in keys]
    if not tables:
        return None
    link = f"{folder.name}/index.html"
    reasons = pd.concat([read_result(path)["reason"] for path in tables])
    synthetic = bool(reasons.str.startswith("synthetic").any())
    counts = [verdict_line(path, link, papers) for path in tables]
    return {
        "name": folder.name,
        "link": link,
        "synthetic": synthetic,
        "counts": counts,
        "printed": printed_numbers(tables),
        "judged": judged_numbers(tables),
        "compared": sum(sum(line["numbers"]) for line in counts),
        "claims": [line for path in claims for line in claim_counts(path, link, synthetic, papers)],
        "controls": controls_of(folder),
    }


def controls_of(folder: Path) -> list[tuple[str, int]]:
    """How many controls of results/<scale> have each result; nothing where none were asked."""
    path = folder / "tables" / "controls.csv"
    return list(controls.counts(read_result(path)).items()) if path.is_file() else []


def overview(results: Path, output: Path, audit: Path | None = None, papers: Path = FOLDER) -> None:
    """Write the page that sums up every scale whose tables are there.

    Args:
        results: folder with a folder a scale.
        output: HTML file, beside the scales' folders, whose pages it links to.
        audit: results/audit.csv, shown whole.
        papers: the folder of the papers' declarations.

    Raises:
        RescoreError: no scale has tables.
    """
    require([audit] if audit else [])
    declared = read_papers(papers)
    views = [scale_view(folder, declared) for folder in sorted(results.iterdir()) if folder.is_dir()]
    scales = sorted((view for view in views if view), key=lambda view: (view["synthetic"], view["name"]))
    if not scales:
        raise RescoreError(f"{results}: no scale has tables. Run the workflow, which writes them.")
    counted = [line for scale in scales if not scale["synthetic"] for line in scale["counts"]]
    shown = {"scales": scales, "totals": totals_of(counted), "audit": audit_view(audit) if audit else None}
    write_text(output, render("overview.html.j2", synthetic=False, **shown))
