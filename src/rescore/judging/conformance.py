"""What holds for every system that there is, tried: its declaration fits its step, and its trainings keep the contracts.

    rescore conform gdlt ─► declaration ─► problems
                            trainings at the smallest sizes, whole, and killed and run again ─► problems

`tests/judging/test_conformance.py` runs it over all systems, and over broken ones, each of which must be found.
"""

import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import reduce
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine import provenance, steps
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table
from rescore.experiments import states
from rescore.scoring.papers import Paper, read_papers
from rescore.scoring.predictions import COLUMNS, read_predictions
from rescore.systems import parameters, registry, trainings
from rescore.systems.common import rehearsal
from rescore.systems.common.rehearsal import Stage
from rescore.systems.common.training_sets import WHOLE
from rescore.systems.declaration import Experiment, settings_of
from rescore.systems.files import Files

Training = Callable[[Stage], list[Path]]
SCALES = ("demo", "paper")
"""Where declarations are looked at."""


class Killed(BaseException):
    """Ends a training in its midst, as nothing that a step catches would."""


def try_systems(names: Sequence[str] = (), tell: Callable[[str], None] = lambda name: None) -> list[str]:
    """Everything that is wrong with some systems, or with all, a sentence each.

    Args:
        names: folders of src/rescore/systems.
        tell: is told what is tried next.

    Raises:
        RescoreError: no such system, or papers that cannot be read.
    """
    found = registry.found()
    unknown = [name for name in names if name not in found]
    if unknown:
        raise RescoreError(f"no system {', '.join(unknown)}: {' | '.join(found)}")
    papers, problems = read_papers(), list[str]()
    for name in names or found:
        for experiment in getattr(found[name], "EXPERIMENTS", ()):
            tell(f"{name}: {experiment.name}")
            problems += [f"{experiment.name}: {problem}" for problem in declared_problems(experiment, papers)]
        for title, family in getattr(found[name], "TRIED", {}).items():
            tell(f"{name}: {title}")
            training = family.load(registry.package_of(found[name]))
            problems += [f"{title}: {problem}" for problem in trained_problems(training)]
    return problems


def describe(problems: Sequence[str]) -> str:
    """The verdict as text."""
    return (
        "\n".join(["systems that do not conform:", *(f"  - {line}" for line in problems)])
        if problems
        else "all conform"
    )


def declared_problems(experiment: Experiment, papers: Mapping[str, Paper]) -> Iterator[str]:
    """What of an experiment's declaration does not fit its step, params.yaml or the papers."""
    try:
        module = importlib.import_module(provenance.module_of(experiment.step))
        function = getattr(module, experiment.step.rpartition(".")[2])
    except (ImportError, AttributeError) as error:
        yield f"no step {experiment.step} ({error})"
        return
    if not set(experiment.writes.values()) & {"predictions.parquet", "record.json"}:
        yield "writes neither predictions.parquet nor record.json"
    named = {name for paper in papers.values() for table in paper.tables.values() for name in table.experiments}
    if experiment.scored and experiment.name not in named and "predictions.parquet" in experiment.writes.values():
        yield "no table of a paper names it (papers/<paper>/paper.yaml, `experiments` of a table or `experiment` of a row)"
    for scale in SCALES:
        settings = parameters.load(scale=scale)[1]
        yield from (
            f"at scale {scale}: {problem}" for problem in planned_problems(experiment, function, scale, settings)
        )


def planned_problems(
    experiment: Experiment, function: Callable[..., Any], scale: str, settings: Mapping[str, Any]
) -> Iterator[str]:
    """What is wrong with the jobs that a scale would have."""
    try:
        settings_of(experiment.settings, settings)
    except KeyError as error:
        yield f"reads {error}, which params.yaml does not have"
    job = (experiment.jobs(settings) if experiment.jobs else [{}])[0]
    reads = experiment.reads(Files(scale, settings), job)
    told = experiment.told(settings, job) if experiment.told else {}
    given = {*reads, *experiment.writes, *experiment.options, *job, *told}
    given -= {name for name, value in told.items() if value is None}
    given |= {"settings"} if experiment.settings else set()
    options = {name: default for name, _, default in steps.options_of(function)}
    yield from (f"its step has no option {name}" for name in sorted(given - set(options)))
    needed = {name for name, default in options.items() if default is inspect.Parameter.empty}
    yield from (f"its step needs {name}, which is not given" for name in sorted(needed - given - {"workers"}))
    for member in filter(None, experiment.members(settings) or ()):
        try:
            trainings.declared(member, settings)
        except RescoreError as error:
            yield str(error)


def trained_problems(training: Training) -> list[str]:
    """What is wrong with a training at the smallest sizes: its predictions, its header, and itself when it was killed."""
    with tempfile.TemporaryDirectory(prefix="rescore-conform-") as folder:
        whole, killed = (stage_in(Path(folder) / name) for name in ("whole", "killed"))
        try:
            with counted() as taken:
                files = quietly(training, whole)
            with counted(limit=2 * taken[0] // 3) as _:
                again = quietly(training, killed)
            again = quietly(training, killed) if again is None else again
        except (RescoreError, ValueError, KeyError, OSError) as error:
            return [f"cannot be tried: {error}"]
        found = [*prediction_problems(files or [], whole), *header_problems(files or [])]
        found += [f"{taken[0]} optimiser steps, no multiple of {states.STEPS}"] if taken[0] % states.STEPS else []
        return found + list(resumed_problems(files or [], again or [], killed.folder))


def stage_in(folder: Path) -> Stage:
    folder.mkdir()
    return Stage(folder, states.settings(), states.STEPS, rehearsal.TINY)


def quietly(training: Training, stage: Stage) -> list[Path] | None:
    """The files of a training; None where it was killed. What it prints is held back."""
    with rehearsal.without_clock(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            return training(stage)
        except Killed:
            return None


@contextmanager
def counted(limit: int = 0) -> Iterator[list[int]]:
    """Count the steps of all optimisers; with a limit the training is killed after so many."""
    hook_on = importlib.import_module("torch.optim.optimizer").register_optimizer_step_post_hook
    taken = [0]

    def count(*_: Any) -> None:
        taken[0] += 1
        if taken[0] == limit:
            raise Killed

    hook = hook_on(count)
    try:
        yield taken
    finally:
        hook.remove()


def prediction_problems(files: Sequence[Path], stage: Stage) -> Iterator[str]:
    """What scoring would refuse: test samples that are missing, twice, or not numbers; other trainings than declared."""
    tables = [path for path in files if path.suffix == ".parquet" and set(COLUMNS) <= set(read_table(path).columns)]
    if not tables:
        yield "no predictions"
    for path in tables:
        name = str(read_table(path)["experiment"].iloc[0])
        tested = next((one.tested for one in registry.on_videos() if one.name.split("/")[0] == name and one.tested), "")
        count = reduce(lambda value, key: value[key], tested.split("."), stage.settings) if tested else None
        try:
            read_predictions(path, tested_rows(stage.folder), stage.settings, count)  # type: ignore[arg-type]
        except RescoreError as error:
            yield str(error)


def tested_rows(folder: Path) -> pd.DataFrame:
    """The made-up samples, `split` as the training sets have it where there are any."""
    rows, splits = read_table(folder / "rows.parquet"), folder / "splits.parquet"
    if not splits.exists():
        return rows
    table = read_table(splits)
    roles = table[table["training_set"].astype(str) == WHOLE].set_index("sample")["split"]
    return rows.assign(split=rows["sample"].map(roles))


def header_problems(files: Sequence[Path]) -> Iterator[str]:
    """Checkpoints that do not say what they were made from, or carry the code, which stands in the step's record."""
    checkpoints = {path: load_arrays(path)[1] for path in files if path.suffix == ".safetensors"}
    for path, header in checkpoints.items():
        lacking = [] if "experiment" in header else ["its experiment"]
        lacking += [] if {"parameters", "settings"} & set(header) else ["its settings"]
        hashes = [value for name, value in header.items() if name.endswith("sha256") or name == "data"]
        lacking += [] if any(hashes) else ["hashes of what it was made from"]
        lacking += [] if {"seed", "members"} & set(header) else ["its seed or members"]
        yield from (f"{path.name}: the header lacks {what}" for what in lacking)
        if "code" in header:
            yield f"{path.name}: the header has the code, so that equal weights are other files"


def resumed_problems(whole: Sequence[Path], again: Sequence[Path], folder: Path) -> Iterator[str]:
    """Files of a killed run that went on which are not the whole one's, and what it left behind."""
    if [path.name for path in whole] != [path.name for path in again]:
        yield "a killed run ends with other files"
        return
    for first, second in zip(whole, again, strict=True):
        if first.read_bytes() != second.read_bytes():
            yield f"{first.name}: a killed run ends with other bytes"
    yield from (f"{path.name}: left behind when all was done" for path in sorted(folder.rglob("*restart*")))
