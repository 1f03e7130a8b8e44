"""Interactive plots as Vega-Lite specifications, each with the still picture that the same specification draws.

A page carries the specification (JSON) and the picture (SVG): without JavaScript, and in print, the picture is what is seen.
Equal numbers give equal bytes: identifiers in the pictures are numbered anew, in order of appearance.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow  # type: ignore[import-untyped]

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.scoring.papers import Cell

VEGA_LITE = "6.1"
LIBRARY = f"Vega, Vega-Lite {VEGA_LITE} and Vega-Embed"
PANEL = 168
"""Side of a panel in pixels; a browser puts as many beside each other as fit."""
COLUMNS = 4
POINTS = 200
"""Points in one scatter plot at most; each panel keeps its share, evenly spread over the true scores."""
LEAST = 20
"""Points that a panel keeps at least."""
PANELS = 40
UNSEEN = 0.01
"""Opacity of what only the pointer finds; a still picture has no pointer."""
TRAININGS = 12
"""Lines in one plot of training curves at most."""
BREAK = " | "
"""Between the lines of a panel's title."""
SERIES = ["#2f6db5", "#c4532d", "#3f8f5f", "#8a5ab5", "#a67c00", "#4f6272"]
"""Colours that differ in lightness too, so that they differ in grey and for the colour-blind."""
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
CONFIG = {
    "font": FONT,
    "background": "white",
    "view": {"stroke": "#d5dae3"},
    "axis": {
        "gridColor": "#e8ebf1",
        "domainColor": "#8a94a6",
        "tickColor": "#8a94a6",
        "labelColor": "#434c5e",
        "titleColor": "#434c5e",
        "titleFontWeight": "normal",
        "labelFontSize": 10,
        "titleFontSize": 11,
        "tickCount": 4,
        "labelFlush": True,
        "labelSeparation": 8,
    },
    "header": {"labelFontSize": 11, "labelColor": "#1d2330", "labelFontWeight": "bold", "title": None},
    "legend": {
        "orient": "top",
        "symbolStrokeWidth": 2.5,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "labelColor": "#1d2330",
        "symbolOpacity": 1,
        "symbolType": "stroke",
    },
    "aria": False,  # the figure around it has the description; a label a point would be read out a thousand times
}


@dataclass(frozen=True)
class Plot:
    """One plot: what the browser draws, and what is seen without it."""

    id: str
    title: str
    note: str
    specification: dict[str, Any]
    panels: int

    @property
    def json(self) -> str:
        """The specification, safe inside a script element."""
        text = json.dumps(self.specification, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.replace("<", "\\u003c").replace("&", "\\u0026")

    @property
    def svg(self) -> str:
        """The still picture, to stand in HTML."""
        import vl_convert

        drawn = vl_convert.vegalite_to_svg(self.specification, vl_version=VEGA_LITE)
        return inline_svg(drawn, self.id, f"{self.title}. {self.note}")


def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs nothing else."""
    import vl_convert

    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    if "</script" in text or "<!--" in text:
        raise RescoreError(
            "vl-convert's script cannot stand inside HTML; install the version that requirements.lock names"
        )
    return text


@cache
def packed_bundle() -> str:
    """`bundle` as gzip in base64, which every browser of today unpacks by itself: 0.4 MB in place of 0.9.

    Packed by Arrow's zlib, whose version requirements.lock names: another's may give other bytes.
    """
    codec = pyarrow.Codec("gzip", compression_level=9)
    return base64.b64encode(codec.compress(bundle().encode(), asbytes=True)).decode()


def inline_svg(svg: str, name: str, description: str) -> str:
    """An SVG file as an element of a page: its identifiers its own, numbered in order of appearance, and a description.

    Raises:
        RescoreError: there is no SVG element.
    """
    start = svg.find("<svg")
    if start < 0:
        raise RescoreError(f"{name}: not an SVG figure")
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[start:], flags=re.S)
    svg = re.sub(r'<style type="text/css">\*\{[^<]*</style>', "", svg)  # would hold for the whole page
    numbers = {found: f"{name}-{i}" for i, found in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'\bid="([^"]+)"', lambda match: f'id="{numbers[match[1]]}"', svg)
    svg = re.sub(r'(url\(["\']?#|href="#)([^"\')]+)', lambda match: match[1] + numbers.get(match[2], match[2]), svg)
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(?:xmlns(?::\w+)?|version|role|class)="[^"]*"', "", head)
    size = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', head)
    if size:
        head = re.sub(r'\s(?:width|height)="[^"]*"', "", head) + f' width="{size[1]}" height="{size[2]}"'
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{head} role="img" aria-label="{label}" font-family="{FONT}">{rest.strip()}'


def facets(data: pd.DataFrame, layers: list[dict[str, Any]], encoding: dict[str, Any]) -> dict[str, Any]:
    """A specification with a panel for every value of `panel`, scales of their own, and the data in it."""
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE.partition('.')[0]}.json",
        "config": CONFIG,
        "data": values(data),
        "facet": {
            "field": "panel",
            "type": "nominal",
            "sort": list(dict.fromkeys(data["panel"])),
            "header": {"labelExpr": f"split(datum.label, '{BREAK}')"},
        },
        "columns": COLUMNS,
        "align": "all",
        "bounds": "flush",
        "spacing": {"row": 82 if data["panel"].str.contains(BREAK, regex=False).any() else 66, "column": 58},
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
        "spec": {"width": PANEL, "height": PANEL, "encoding": encoding, "layer": layers},
    }


def values(data: pd.DataFrame) -> dict[str, Any]:
    """Rows as CSV inside the specification, a third of the size of JSON; what is undefined is an empty cell."""
    numbers = {str(name): "number" for name in data.select_dtypes("number").columns}
    return {"values": data.to_csv(index=False, lineterminator="\n"), "format": {"type": "csv", "parse": numbers}}


def quantity(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def last_predictions(files: list[Path], members: set[str]) -> pd.DataFrame:
    """Test predictions of each member's first seed at its last iteration.

    Args:
        files: predictions of one experiment or several.
        members: those wanted.
    """
    parts = []
    for path in files:
        table = read_table(path)[["member", "seed", "iteration", "sample", "action", "split", "target", "predicted"]]
        table = table[(table["split"] == "test") & table["member"].isin(members)]
        parts.append(table[table["iteration"] == table.groupby("member")["iteration"].transform("max")])
    joined = pd.concat(parts, ignore_index=True)
    return joined[joined["seed"] == joined.groupby("member")["seed"].transform("min")]


def thinned(part: pd.DataFrame, keep: int) -> pd.DataFrame:
    """At most `keep` rows, evenly spread over the true scores, the least and the largest among them."""
    ordered = part.sort_values(["target", "sample"], kind="stable")
    if len(ordered) <= keep:
        return ordered
    return ordered.iloc[np.unique(np.linspace(0, len(ordered) - 1, keep).round().astype(int))]


def scatter(name: str, title: str, files: list[Path], cells: list[Cell]) -> Plot | None:
    """True against predicted scores of every test sample, a panel for each cell of a table.

    Args:
        name: the plot's identifier.
        title: of the table.
        files: predictions that hold the cells' members.
        cells: row, column, member and action; a member and action that fill several are drawn once.
    """
    wanted = {(cell.member, cell.action): cell for cell in reversed(cells)}
    groups = dict(list(last_predictions(files, {member for member, _ in wanted}).groupby(["member", "action"])))
    found = [(cell, groups[key]) for key, cell in reversed(wanted.items()) if key in groups]
    if not found:
        return None
    drawn = found[:PANELS]
    keep = max(LEAST, POINTS // len(drawn))
    panels = [thinned(part, keep).assign(panel=f"{cell.row}{BREAK}{cell.column}") for cell, part in drawn]
    points = pd.concat(panels)[["panel", "sample", "target", "predicted"]].round(3)
    notes = [
        "A dot is a test sample: its true score and the prediction of the first seed at the last iteration.",
        "The dashed line is equality.",
        counted(len(points), sum(len(part) for _, part in found)),
    ]
    notes += [f"The first {PANELS} of {len(found)} cells are drawn."] if len(found) > PANELS else []
    return Plot(name, title, " ".join(notes), facets(points, scatter_layers(), scatter_encoding()), len(drawn))


def counted(shown: int, total: int) -> str:
    return f"{shown} of {total} points are drawn." if shown < total else f"{total} points."


def scatter_encoding() -> dict[str, Any]:
    near = {"scale": {"zero": False, "nice": True}}
    return {"x": quantity("target", "true score (points)", **near), "y": quantity("predicted", "predicted", **near)}


def scatter_layers() -> list[dict[str, Any]]:
    """The line of equality, and dots; the sample under the pointer is marked in every panel."""
    same = {"param": "same", "empty": False}
    ends = [{"op": "min", "field": "target", "as": "from"}, {"op": "max", "field": "target", "as": "to"}]
    return [
        {
            "transform": [{"aggregate": ends, "groupby": ["panel"]}],
            "mark": {"type": "rule", "color": "#8a94a6", "strokeDash": [4, 3]},
            "encoding": {
                "x": quantity("from", "true score (points)"),
                "x2": {"field": "to"},
                "y": quantity("from", "predicted"),
                "y2": {"field": "to"},
            },
        },
        {
            "params": [
                {
                    "name": "same",
                    "select": {"type": "point", "fields": ["sample"], "on": "pointerover", "clear": "pointerout"},
                }
            ],
            "mark": {"type": "circle", "color": SERIES[0]},
            "encoding": {
                "size": {"condition": {**same, "value": 110}, "value": 18},
                "opacity": {"condition": {**same, "value": 1}, "value": 0.6},
                "color": {"condition": {**same, "value": SERIES[1]}, "value": SERIES[0]},
                "tooltip": [
                    {"field": "sample", "type": "nominal"},
                    quantity("target", "true"),
                    quantity("predicted", "predicted"),
                ],
            },
        },
    ]


def curves(name: str, title: str, note: str, data: pd.DataFrame, x: str, y: str) -> Plot:
    """Lines against iterations, a panel a `panel`, a colour and dash a `series`.

    Args:
        name: the plot's identifier.
        title, note: shown beside it.
        data: `panel, series, iteration, value`, and where there are: `low, high` (a band), `reported` (a printed value).
        x, y: titles of the axes.
    """
    series = list(dict.fromkeys(data["series"]))
    order = {"domain": series, "range": [SERIES[i % len(SERIES)] for i in range(len(series))]}
    dashes = {"domain": series, "range": [[1, 0] if i < len(SERIES) else [5, 3] for i in range(len(series))]}
    legend = {"title": None, "columns": 4} if len(series) > 1 else None
    colour = {"field": "series", "type": "nominal", "scale": order, "sort": None, "legend": legend}
    dash = {"field": "series", "type": "nominal", "scale": dashes, "sort": None, "legend": legend}
    encoding = {"x": quantity("iteration", x), "color": colour}
    return Plot(name, title, note, facets(data, list(curve_layers(data, y, dash)), encoding), data["panel"].nunique())


def curve_layers(data: pd.DataFrame, y: str, dash: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Band, line with tooltips, and printed values, as far as the data has them."""
    value = quantity("value", y, scale={"zero": False})
    if "low" in data.columns:
        yield {
            "mark": {"type": "area", "opacity": 0.16},
            "encoding": {"y": quantity("low", y, scale={"zero": False}), "y2": {"field": "high"}},
        }
    tooltip = [{"field": "series", "type": "nominal"}, quantity("iteration", "iteration"), quantity("value", y)]
    yield {"mark": {"type": "line", "strokeWidth": 1.6}, "encoding": {"y": value, "strokeDash": dash}}
    yield {
        "mark": {"type": "point", "filled": True, "size": 24, "opacity": UNSEEN},
        "encoding": {"y": value, "tooltip": tooltip},
    }
    if "reported" in data.columns and data["reported"].notna().any():
        yield {
            "transform": [
                {"filter": "isValid(datum.reported)"},
                {
                    "aggregate": [{"op": "max", "field": "reported", "as": "reported"}],
                    "groupby": ["panel", "series"],
                },
            ],
            "mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.4},
            "encoding": {
                "x": {"value": 0},
                "x2": {"value": "width"},
                "y": quantity("reported", y),
                "tooltip": [{"field": "series", "type": "nominal"}, quantity("reported", "reported")],
            },
        }


def correlation_curves(name: str, title: str, files: list[Path], cells: list[Cell]) -> Plot | None:
    """Spearman's rho on the test samples at every evaluated iteration, mean over seeds: a panel a row, a line a column.

    Args:
        name: the plot's identifier.
        title: of the table.
        files: predictions that hold the cells' members.
        cells: row, column, member and action.
    """
    if not cells:
        return None
    found = pd.concat([correlations(path, {cell.member for cell in cells}) for path in files])
    mean = found.groupby(["member", "action", "iteration"])["value"].mean().round(4).reset_index()
    mean = mean[mean.groupby(["member", "action"])["iteration"].transform("nunique") > 1].dropna()
    named = pd.DataFrame([vars(cell) for cell in cells]).rename(columns={"row": "panel", "column": "series"})
    data = named.merge(mean, on=["member", "action"])[["panel", "series", "iteration", "value"]]
    if data.empty:
        return None
    note = "Mean over seeds of Spearman's rho at every evaluated iteration, the samples of the table's cells."
    return curves(name, title, note, data, "iteration", "Spearman's rho")


def correlations(path: Path, members: set[str]) -> pd.DataFrame:
    """Spearman's rho of each member, action, seed and iteration of a predictions file; undefined ones left out."""
    table = read_table(path)
    table = table[(table["split"] == "test") & table["member"].isin(members)]
    keys = ["member", "action", "seed", "iteration"]
    ranks = table.groupby(keys, sort=False)[["target", "predicted"]].rank()
    ranks = ranks - ranks.groupby([table[key] for key in keys], sort=False).transform("mean")
    products = ranks.assign(
        xy=ranks["target"] * ranks["predicted"], xx=ranks["target"] ** 2, yy=ranks["predicted"] ** 2
    )
    sums = products.groupby([table[key] for key in keys], sort=False)[["xy", "xx", "yy"]].sum().reset_index()
    spread = np.sqrt(sums["xx"] * sums["yy"])
    return sums.assign(value=(sums["xy"] / spread).where(spread > 0)).drop(columns=["xy", "xx", "yy"])


def scored_curves(name: str, title: str, scores: Path, reported: pd.DataFrame) -> Plot:
    """Scores by iteration (a figure of a paper) with intervals, and the values that the paper prints for the same cells.

    Args:
        name: the plot's identifier.
        title: of the figure.
        scores: CSV of the scores contract with a column `iteration`.
        reported: `row, column, reported` as text, of the tables of the same paper.
    """
    table = read_table(scores)
    printed = reported[reported["reported"] != ""].drop_duplicates(["row", "column"])[["row", "column", "reported"]]
    printed = printed.assign(reported=pd.to_numeric(printed["reported"], errors="coerce"))
    data = table.merge(printed, how="left", on=["row", "column"]).rename(columns={"row": "series", "column": "panel"})
    data = data[["panel", "series", "iteration", "value", "low", "high", "reported"]].round(4)
    shown = " Dotted lines: the values that the paper prints." if data["reported"].notna().any() else ""
    note = f"Line: mean over seeds; band: bootstrap interval.{shown}"
    return curves(name, title, note, data, "iteration", "Spearman's rho")


def training_curves(name: str, title: str, files: dict[str, Path], kinds: tuple[str, ...]) -> Plot:
    """Measured columns of training curves, a panel a column, a line a training.

    Args:
        name: the plot's identifier.
        title: shown.
        files: curve.csv by the training's name: `iteration` or `epoch` and measured columns.
        kinds: last words of the columns shown.

    Raises:
        RescoreError: a file has neither, or nothing measured.
    """
    shown = dict(list(files.items()) if len(files) <= TRAININGS else first_seeds(files))
    parts = []
    for training, path in shown.items():
        table = read_table(path)
        step = next((column for column in ("iteration", "epoch") if column in table.columns), "")
        measured = [column for column in table.columns if column.endswith(kinds) and table[column].notna().any()]
        if not step or not measured:
            columns = ", ".join(table.columns)
            raise RescoreError(f"{path}: not a learning curve (columns {columns}). Delete it and run again.")
        long = table.melt(id_vars=[step], value_vars=measured, var_name="panel", value_name="value").dropna()
        parts.append(long.rename(columns={step: "iteration"}).assign(series=training))
    data = pd.concat(parts)[["panel", "series", "iteration", "value"]]
    rounded = [float(f"{value:.4g}") for value in data["value"]]
    data = data.assign(panel=data["panel"].str.replace("_", " "), value=rounded)
    left = f" {len(shown)} of {len(files)} trainings are drawn." if len(shown) < len(files) else ""
    return curves(name, title, f"What the training measured.{left}", data, "iteration", "measured")


def first_seeds(files: dict[str, Path]) -> list[tuple[str, Path]]:
    """The trainings whose name ends in the first seed, at most as many as can be told apart."""
    seeds = sorted({name.rpartition("/")[2] for name in files})
    return [(name, path) for name, path in files.items() if name.rpartition("/")[2] == seeds[0]][:TRAININGS]
