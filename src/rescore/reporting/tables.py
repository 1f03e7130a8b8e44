"""Result tables: every reported number beside the recomputed one, with a verdict and its reason.

The CSV holds every value as the text that Markdown, LaTeX and the page print: nothing is rounded twice.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table, remedy_of_damaged, write_table, write_text
from rescore.manifests.summary import REPORTED_ONLY
from rescore.reporting.wording import NOT_RUN, PROTOCOLS, not_comparable, note, scale_line
from rescore.scoring.estimates import NONE, NOTHING_TRAINED
from rescore.scoring.papers import BEST, BEST_ON_TEST, LAST, LOG_RULES, RELEASED_RULES, Table, read_paper
from rescore.scoring.reported import UNCONFIRMED, read_reported
from rescore.scoring.scores import INTERVALS, RERUN

COLUMNS = [
    *("row", "column", "protocol", "reported", "reproduced", *INTERVALS, *RERUN),
    *("n", "seeds", "variance", "verdict", "reason"),
]
IN_LOG, NOT_IN_LOG = "agrees with the authors' log", "not in the authors' log"
JUDGED = ("reproduced", "differs", IN_LOG, NOT_IN_LOG)
VERDICTS = (*JUDGED, "not comparable", "not run", "reported only")
SCORES = ["row", "column", "statistic", "protocol", "value", *INTERVALS, *RERUN, "n", "seeds", "variance", "reason"]
SUMMARY = ["row", "column", "value", "n", "reason"]
ONE_TRAINING = "one training, and nothing says how others would vary: the interval is over test samples only"
SAMPLES_ONLY = "†"
"""Mark of such an interval."""
NUMBER = r"\d+(?:\.\d+)?"


def numbers_in(text: str) -> list[float]:
    """The numbers of a cell such as `21.60 - 102.60`."""
    return [float(part) for part in re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", text)]


def same_to_printed_digits(reported: str, reproduced: str) -> bool:
    """Whether a characteristic agrees: numbers rounded to the digits that the paper prints, words as they are."""
    ours, theirs = numbers_in(reproduced), numbers_in(reported)
    digits = [len(part.partition(".")[2]) for part in re.findall(NUMBER, reported)]
    words = [re.sub(NUMBER, "#", text).strip() for text in (reported, reproduced)]
    if words[0] != words[1] or len(ours) != len(theirs):
        return False
    return all(abs(a - b) <= 0.5 * 10.0**-d + 1e-9 for a, b, d in zip(ours, theirs, digits, strict=True))


def verdict(table: Table, line: dict[str, str], settings: dict[str, Any]) -> tuple[str, str]:
    """Verdict and reason of one line (values as text); docs/statistics.md gives the rules in this order."""
    if not line["reported"]:
        why = table.own.get(line["column"], "the paper prints no such number")
        where = line.get("missing", "")
        return "not comparable", f"{why}; {where}" if line["protocol"] in RELEASED_RULES and where else where or why
    if not line["reproduced"] and not line["seeds"]:
        why = line.get("missing") or table.why_absent(line["row"], line["column"]) or NOT_RUN
        only = why.startswith(REPORTED_ONLY)
        return ("reported only", why.removeprefix(REPORTED_ONLY)) if only else ("not run", why)
    if line["protocol"] in RELEASED_RULES:
        return verdict_on_released(table, line)
    if reason := not_comparable(settings, table.videos) or table.other_input.get(line["row"]) or line.get("missing"):
        return "not comparable", reason
    if not line["reproduced"]:
        return "not comparable", "undefined: constant predictions in some seed, or fewer than 4 samples"
    if table.characteristics:
        same = same_to_printed_digits(line["reported"], line["reproduced"])
        return ("reproduced", "equal to the printed digits") if same else ("differs", table.differs)
    if line["protocol"] == BEST_ON_TEST:
        return "not comparable", "chosen on test data; the paper does not say that it did so"
    if table.prints == BEST and line["protocol"] == LAST:
        return "not comparable", "the paper prints the best of all iterations, this is the last"
    return verdict_by_interval(line)


def verdict_on_released(table: Table, line: dict[str, str]) -> tuple[str, str]:
    """Verdict on a printed number from a released file: equal to the printed digits or not; nothing is drawn or trained anew.

    A number that could not be confirmed in a source at hand, and one by another rule than the printed ones, get none.
    """
    read_in, where = line.get("read_in", ""), line.get("missing", "")
    if line.get("confirmed") == UNCONFIRMED:
        return "not comparable", f"the printed number was not confirmed in a source at hand ({read_in}); {where}"
    if line["protocol"] != table.prints:
        return "not comparable", f"another rule than the printed numbers'; {where}"
    same = same_to_printed_digits(line["reported"], line["reproduced"])
    verdicts = (IN_LOG, NOT_IN_LOG) if line["protocol"] in LOG_RULES else ("reproduced", "differs")
    judged = "equal to the printed digits" if same else "another number than the printed one"
    return verdicts[0 if same else 1], f"{judged} (read in: {read_in}); {where}"


def verdict_by_interval(line: dict[str, str]) -> tuple[str, str]:
    """Verdict on a printed number: by the prediction interval, or where nothing is trained the confidence interval."""
    if line["variance"] == NONE:
        return "not comparable", ONE_TRAINING
    kind, prefix = ("confidence", "") if line["variance"] == NOTHING_TRAINED else ("prediction", "prediction_")
    if not line[f"{prefix}low"]:
        return "not comparable", f"no {kind} interval is defined"
    reported, low, high = (float(line[name]) for name in ("reported", f"{prefix}low", f"{prefix}high"))
    whose = " (nothing is trained again)" if kind == "confidence" else ""
    if low <= reported <= high:
        return "reproduced", f"the reported value lies in the {kind} interval{whose}"
    outside = max(low - reported, reported - high)
    return "differs", f"the reported value lies outside the {kind} interval by {outside:.4f}{whose}"


def printed(value: Any, statistic: str) -> str:
    """A statistic as every table prints it: two digits of a percentage, four of anything else; empty for NaN."""
    return "" if pd.isna(value) else f"{float(value):.{2 if statistic.endswith('_percent') else 4}f}"


def read_scores(table: Table, path: Path) -> pd.DataFrame:
    """The reproduced side as text: row, column, protocol, reproduced, both intervals, n, seeds, variance, missing.

    Characteristics come from the summary of a manifest. There, and in scores that have it, the column `reason` (here `missing`)
    says why a cell is empty, or why it is not what the paper printed.

    Raises:
        RescoreError: columns are missing.
    """
    scores, needed = read_table(path), SUMMARY if table.characteristics else SCORES
    missing = [f"no column '{name}'" for name in needed if name not in scores.columns]
    raise_together(f"{path}: not a table of scores", missing, "delete it and run the workflow again.")
    if table.characteristics:
        lines = read_result(path).rename(columns={"value": "reproduced", "reason": "missing"})
        return lines.assign(protocol="", seeds="", variance="", **dict.fromkeys((*INTERVALS, *RERUN), ""))
    lines = pd.DataFrame({name: scores[name].astype(str) for name in ("row", "column")})
    lines["protocol"] = scores["protocol"].map(lambda name: "" if pd.isna(name) else name)  # an empty one reads as NaN
    for name, column in (("reproduced", "value"), *((name, name) for name in (*INTERVALS, *RERUN))):
        lines[name] = [printed(*pair) for pair in zip(scores[column], scores["statistic"], strict=True)]
    for name in ("n", "seeds"):
        lines[name] = scores[name].map(lambda count: "" if pd.isna(count) else str(int(count)))
    lines["variance"] = scores["variance"].astype(object).fillna("")
    lines["missing"] = scores["reason"].astype(object).fillna("")
    return lines.reset_index(drop=True)


def join(table: Table, reported: pd.DataFrame, scores: pd.DataFrame | None, settings: dict[str, Any]) -> pd.DataFrame:
    """Reported and reproduced side by side with verdicts: the paper's cells in its order, then rows and columns of our own."""
    ours_have = ["row", "column", "protocol", "reproduced", *INTERVALS, *RERUN, "n", "seeds", "variance"]
    empty = pd.DataFrame(columns=ours_have)
    theirs, ours = (
        reported.rename(columns={"value": "reported", "n": "reported_n"}),
        empty if scores is None else scores,
    )
    lines = theirs.merge(ours, how="outer", on=["row", "column"]).astype(object).fillna("")
    lines["n"] = lines["n"].where(lines["n"] != "", lines["reported_n"])
    if "reason" in theirs:
        said = lines.get("missing", "")
        lines["missing"] = lines["reason"].where((lines["reproduced"] == "") & (said == ""), said)
    rows = list(dict.fromkeys([*theirs["row"], *ours["row"]]))
    columns = list(dict.fromkeys([*theirs["column"], *ours["column"]]))
    order = pd.DataFrame(
        {
            "row": lines["row"].map(rows.index),
            "protocol": lines["protocol"].map(list(PROTOCOLS).index),
            "column": lines["column"].map(columns.index),
        }
    )
    lines = lines.loc[order.sort_values(["row", "protocol", "column"], kind="stable").index].reset_index(drop=True)
    judged = [verdict(table, line, settings) for line in records(lines)]
    return lines.assign(verdict=[name for name, _ in judged], reason=[reason for _, reason in judged])[COLUMNS]


def cell_text(line: dict[str, str]) -> str:
    """`0.6478 [0.5512, 0.7203] (0.6011, 0.6907)`: confidence and prediction interval, where there are any.

    An interval over test samples only is marked, and a correlation that is not defined is `undefined`.
    """
    if not line["reproduced"]:
        return "undefined" if line["seeds"] else "reported only" if line["verdict"] == "reported only" else ""
    confidence = f" [{line['low']}, {line['high']}]" if line["low"] else ""
    mark = SAMPLES_ONLY if confidence and line["variance"] == NONE else ""
    prediction = f" ({line['prediction_low']}, {line['prediction_high']})" if line["prediction_low"] else ""
    return f"{line['reproduced']}{confidence}{mark}{prediction}"


def columns_of(result: pd.DataFrame) -> list[str]:
    """The columns in the order shown: the paper's, then ours."""
    return list(dict.fromkeys([*result.loc[result["reported"] != "", "column"], *result["column"]]))


def layout(result: pd.DataFrame) -> tuple[list[str], Iterator[tuple[str, str, dict[str, str]]]]:
    """The printed form: for each row a line as reported, then a line for each of our protocols.

    Returns:
        The columns, and lines of (row, whose numbers, text by column).
    """
    columns = columns_of(result)

    def lines() -> Iterator[tuple[str, str, dict[str, str]]]:
        for row, group in result.groupby("row", sort=False):
            reported = {line["column"]: line["reported"] for line in records(group) if line["reported"]}
            if reported:
                yield str(row), "reported", reported
            for protocol, part in group.groupby("protocol", sort=False):
                ours = {line["column"]: text for line in records(part) if (text := cell_text(line))}
                if ours:
                    yield str(row), PROTOCOLS[str(protocol)], ours
                elif protocol == "":
                    yield str(row), "ours", {columns[0]: "not run"}

    return columns, lines()


def sample_counts(part: pd.DataFrame) -> str:
    """`(n = 70)` of the recomputed numbers of a column, `(n = 233 to 303)` where rows differ; empty where there is none."""
    counts = pd.to_numeric(part.loc[part["seeds"] != "", "n"]).dropna().astype(int)
    if counts.empty:
        return ""
    low, high = counts.min(), counts.max()
    return f"(n = {low})" if low == high else f"(n = {low} to {high})"


def markdown(table: Table, result: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The table in Markdown, with its title and what its numbers are worth."""
    columns, lines = layout(result)
    text = [f"## {table.title}", "", f"**{scale_line(settings, table.videos)}**", ""]
    text += [note(table, list(result["row"]), settings), ""]
    text += ["| | | " + " | ".join(columns) + " |", "|---|---|" + "---:|" * len(columns)]
    text += [
        f"| {row} | {whose} | " + " | ".join(cells.get(column, "") for column in columns) + " |"
        for row, whose, cells in lines
    ]
    return "\n".join(text) + "\n"


LATEX_SPECIAL = str.maketrans({"#": r"\#", "%": r"\%", "&": r"\&", "_": r"\_", "`": "'", "†": r"\dag{}"})


def latex(table: Table, result: pd.DataFrame, settings: dict[str, Any]) -> str:
    r"""The table in LaTeX (booktabs), in a `table*` that is scaled to the text width by `\resizebox` of graphicx."""
    columns, lines = layout(result)
    head = " & ".join(["", "", *[column.translate(LATEX_SPECIAL) for column in columns]])
    scale = scale_line(settings, table.videos)
    caption = f"{table.title}. {scale} {note(table, list(result['row']), settings)}"
    text = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        rf"\caption{{{caption.translate(LATEX_SPECIAL)}}}",
        r"\resizebox{\textwidth}{!}{%",
    ]
    text += [r"\begin{tabular}{ll" + "r" * len(columns) + "}", r"\toprule", head + r" \\"]
    previous = ""
    for row, whose, cells in lines:
        text.append(r"\midrule") if row != previous else None
        first = row.translate(LATEX_SPECIAL) if row != previous else ""
        text.append(
            " & ".join([first, whose, *[cells.get(column, "").translate(LATEX_SPECIAL) for column in columns]]) + r" \\"
        )
        previous = row
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]) + "\n"


def make_table(
    paper: Path,
    table: str,
    csv: Path,
    markdown_file: Path,
    latex_file: Path,
    settings: dict[str, Any],
    scores: Path | None = None,
) -> None:
    """Write one table of results in three forms.

    Args:
        paper: papers/<name>/paper.yaml; the printed numbers lie beside it, in tables/<table>.csv.
        table: one of its tables.
        csv, markdown_file, latex_file: outputs.
        settings: `scale`, `sources`, `scoring`.
        scores: scores of the table, of characteristics their summary; None: nothing was run.

    Raises:
        RescoreError: no such table, or a file that is not what it should be.
    """
    declared = read_paper(paper).table_of(table)
    ours = None if scores is None else read_scores(declared, scores)
    result = join(declared, read_reported(paper.parent / "tables" / f"{table}.csv"), ours, settings)
    write_table(csv, result)
    write_text(markdown_file, markdown(declared, result, settings))
    write_text(latex_file, latex(declared, result, settings))


def collect_markdown(parts: list[Path], output: Path) -> None:
    """All tables in one Markdown file, in the order given."""
    write_text(output, "# Reported and recomputed\n\n" + "\n".join(part.read_text(encoding="utf-8") for part in parts))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings."""
    return [{str(name): value for name, value in line.items()} for line in table.to_dict("records")]


def read_result(path: Path) -> pd.DataFrame:
    """A results table as text.

    Raises:
        RescoreError: missing, or no CSV.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Run the workflow, which writes it.") from error
    except ValueError as error:  # pandas' own errors and undecodable bytes are ValueErrors
        raise RescoreError(f"{path}: not a table of results ({error}). {remedy_of_damaged(path)}") from error
