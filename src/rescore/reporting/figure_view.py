"""What the page shows of figures: their files as elements, and plots that it draws itself from curves and predictions."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.reporting import plots
from rescore.reporting.cells import single_cells
from rescore.reporting.evidence import Place, experiments_of, place_of, prediction_files, scores_path, split_stem
from rescore.reporting.table_view import short, table_of
from rescore.reporting.tables import read_result
from rescore.reporting.wording import figure_title
from rescore.scoring.papers import Cell, Paper

FOLDED = 12
"""A scatter plot with more panels than this waits behind a line of text."""
LARGEST_DRAWING = 300_000
"""Characters of an SVG above which the page takes the PNG beside it: a browser draws thousands of marks slowly."""
LARGEST_PICTURE = (1100, 4000)
"""Pixels, width and height, that a picture is shrunk to; pages are about as wide."""
CURVES = ("loss", "accuracy", "rho", "correlation")
"""Last words of the columns of a training curve that are shown; speed and utilisation differ between equal runs."""


def picture(path: Path, title: str) -> Markup:
    """A figure's file as an element of the page.

    Raises:
        RescoreError: it is no SVG or PNG.
    """
    try:
        if path.suffix == ".svg":
            drawing, beside = path.read_text(encoding="utf-8"), path.with_suffix(".png")
            drawing = plots.inline_svg(drawing, path.stem.replace("_", "-"), title)
            if len(drawing) <= LARGEST_DRAWING or not beside.is_file():
                return Markup(drawing)
            path = beside
        if path.suffix == ".png":
            data = base64.b64encode(smaller_picture(path)).decode()
            return Markup('<img src="data:image/webp;base64,{}" alt="{}">').format(Markup(data), title)
    except OSError as error:
        raise RescoreError(f"{path}: not a readable figure ({error})") from error
    raise RescoreError(f"{path}: not a figure that the page can show; it takes .svg and .png")


def smaller_picture(path: Path) -> bytes:
    """A picture's file as WebP, a fifth of the PNG's size, because a page has many. The PNG itself lies in figures/.

    Raises:
        RescoreError: no picture.
    """
    buffer = BytesIO()
    try:
        with Image.open(path) as picture:
            shown = picture.convert("RGB")
            shown.thumbnail(LARGEST_PICTURE)
            shown.save(buffer, "WEBP", quality=65)
    except OSError as error:  # Pillow's own errors are OSErrors
        raise RescoreError(f"{path}: not a picture ({error}). Run the workflow, which makes it again.") from error
    return buffer.getvalue()


def cells_of_table(place: Place) -> list[Cell]:
    """Cells of a table that one member's scores fill, in the table's order; averages left out."""
    return [Cell(row, column, part.member, part.what) for row, column, part in single_cells(place)]


def table_plots(
    path: Path, papers: Mapping[str, Paper], drawn: set[tuple[str, str]], in_figures: set[tuple[str, str]]
) -> Iterator[plots.Plot]:
    """Plots of a table's cells that none shows yet: correlations while training, where no figure has them, and scatter plots.

    Args:
        path: results table.
        papers: what is declared.
        drawn: members and actions that other tables' plots show; grows.
        in_figures: rows and columns whose curves a figure of the paper shows.
    """
    place, title = place_of(path, papers), short(table_of(path.stem, papers).title, papers)
    cells = [cell for cell in cells_of_table(place) if (cell.member, cell.action) not in drawn]
    members, name = {cell.member for cell in cells}, path.stem.replace("_", "-")
    experiments = experiments_of(scores_path(place))
    files = [file for experiment in experiments for file in prediction_files(place, experiment, members)]
    drawn |= {(cell.member, cell.action) for cell in cells}
    if not files:
        return
    untold = [cell for cell in cells if (cell.row, cell.column) not in in_figures]
    found = [plots.correlation_curves(f"{name}-curves", f"{title}: correlation while training", files, untold)]
    found += [plots.scatter(f"{name}-scatter", f"{title}: predicted against true scores", files, cells)]
    yield from (plot for plot in found if plot is not None)


def cells_in_figures(curves: Sequence[Path], paper: str, papers: Mapping[str, Paper]) -> set[tuple[str, str]]:
    """Rows and columns whose scores by iteration a figure of a paper shows."""
    tables = [read_table(path) for path in curves if split_stem(path.stem, papers)[0] == paper]
    shown = [table[["row", "column"]] for table in tables if {"row", "column", "iteration"} <= set(table.columns)]
    return {(str(row), str(column)) for part in shown for row, column in part.itertuples(index=False)}


def curve_plots(
    paths: Sequence[Path], tables: Sequence[Path], runs: Path | None, papers: Mapping[str, Paper]
) -> Iterator[tuple[str, plots.Plot]]:
    """Paper and plot of scores by iteration (named as the paper's figure) and of training curves, one plot an experiment."""
    trainings: dict[str, dict[str, Path]] = {}
    for path in paths:
        if {"row", "iteration"} <= set(read_table(path).columns):
            paper, figure = split_stem(path.stem, papers)
            printed = pd.concat([read_result(table) for table in tables if split_stem(table.stem, papers)[0] == paper])
            name, title = f"{path.stem}-plot".replace("_", "-"), figure_title(papers[paper], figure)
            yield paper, plots.scored_curves(name, title, path, printed)
        else:
            parts = path.parent.relative_to(runs).parts if runs else (path.parent.name,)
            trainings.setdefault("/".join(parts[:2]), {})["/".join(parts[2:]) or parts[-1]] = path
    for experiment, files in trainings.items():
        name, title = re.sub("[/_]", "-", f"training-{experiment}"), f"Training of {experiment.replace('_', ' ')}"
        yield owner_of(experiment, tables, papers), plots.training_curves(name, title, files, CURVES)


def owner_of(experiment: str, tables: Sequence[Path], papers: Mapping[str, Paper]) -> str:
    """The paper whose tables an experiment fills; of what fills none (a backbone), that of the first table shown."""
    shown = list(dict.fromkeys(split_stem(path.stem, papers)[0] for path in tables))
    folder = experiment.partition("/")[0]
    mine = [
        name
        for name in shown
        if any(
            folder == known.partition("/")[0] for table in papers[name].tables.values() for known in table.experiments
        )
    ]
    return (mine or shown)[0]


def drawn_plots(
    tables: Sequence[Path], curves: Sequence[Path], runs: Path | None, papers: Mapping[str, Paper]
) -> list[tuple[str, plots.Plot]]:
    """Paper and plot of everything that is drawn for a page; of predictions only where the runs are at hand."""
    drawn, seen = list(curve_plots(curves, tables, runs, papers)), set[tuple[str, str]]()
    for path in tables if runs else []:
        paper = split_stem(path.stem, papers)[0]
        shown = cells_in_figures(curves, paper, papers)
        drawn += [(paper, plot) for plot in table_plots(path, papers, seen, shown)]
    return drawn


def plot_view(plot: plots.Plot) -> dict[str, Any]:
    return {
        "id": plot.id,
        "title": plot.title,
        "note": plot.note,
        "panels": plot.panels,
        "folded": plot.id.endswith("-scatter") and plot.panels > FOLDED,
        "picture": Markup(plot.svg),
        "specification": Markup(plot.json),
    }
