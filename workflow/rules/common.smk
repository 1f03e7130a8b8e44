# Shared by all families of rules: the scale, its settings, the hash of a step's code, and which real data is at hand.

import os
import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import snakemake
from rescore.datasets import registry as datasets
from rescore.datasets.declaration import place as dataset_place
from rescore.engine import (
    arithmetic,
    checkout,
    libraries,
    lock,
    outside,
    processes,
    repair,
    step_server,
)
from rescore.engine.errors import RescoreError
from rescore.engine.parameters import SCHEMA
from rescore.experiments import plan
from rescore.systems import declaration, files, parameters, registry
from rescore.systems.common import repetition
from rescore.engine import provenance
from rescore.engine.provenance import code_hash, module_of
from rescore.sources import fetch
from rescore.engine.storage import canonical_json, sha256_text
from snakemake.exceptions import WorkflowError
from snakemake.io import _IOFile
from snakemake.persistence import RECORD_FORMAT_VERSION

# Looking at the graph is possible without `--cores`.
CORES = workflow.resource_settings.cores or os.cpu_count()
processes.prepare_environment()
checkout.settle_user()


async def unprotected(file):
    """No rule protects its outputs, but DVC's hardlinks into its cache are read-only, and the engine would refuse to replace
    them. It unlinks a job's outputs before the job runs, so the cache is never written to.
    """
    return False


_IOFile.protected = unprotected

ENGINE = Path(".snakemake").absolute()
SOURCES = ENGINE / "rescore-sources.json"
provenance.recall(SOURCES)
ONLY_ASKS = processes.only_asks(sys.argv[1:])
if workflow.is_main_process and not ONLY_ASKS:
    if not repair.is_part() and (warning := libraries.warning()):
        print(warning, file=sys.stderr)
    if {"--touch", "-t"} & set(sys.argv[1:]):
        raise WorkflowError(
            "--touch makes old results look new; run without it: only what changed is made again"
        )
    try:
        alone = repair.is_part() or processes.hold_run_lock(ENGINE)
    except RescoreError as error:
        raise WorkflowError(str(error))
    if not alone:
        raise WorkflowError(
            "another run is at work in this directory; wait for it, or run in another clone"
        )


if (
    workflow.is_main_process
    and ONLY_ASKS
    and not checkout.is_writable(Path(".snakemake"))
):

    # Whoever only asks may do so in a checkout that is not theirs.
    workdir: checkout.shadow(Path())


def check_unchanged():
    """A job on a cluster reads params.yaml anew: it must be the one that the run was planned with."""
    now = sha256_text(canonical_json(config))
    if workflow.is_main_process:
        os.environ["RESCORE_PARAMETERS"] = now
    elif os.environ.get("RESCORE_PARAMETERS", now) != now:
        raise RescoreError(
            "params.yaml was edited while the run was going on; run again to bring its results up to date"
        )


try:
    lock.check_engine(snakemake.__version__, RECORD_FORMAT_VERSION)
    # Of a config that is not what it should be, the schema's check below says why.
    os.environ[outside.VARIABLE] = canonical_json(outside.section(config))
    outside.settle(copy=workflow.is_main_process)
    SCALE, SETTINGS = parameters.from_config(
        config, None, Path(workflow.basedir) / SCHEMA, "params.yaml"
    )
    check_unchanged()
    if workflow.is_main_process and not ONLY_ASKS:
        checkout.check_run(SCALE)
    # Results that a commit describes and that are there count as run, whether or not their sources are here.
    DONE = plan.complete(lambda name: lock.complete("open", f"runs/open/{name}"))
    # All jobs inherit it, and the server that runs most of them.
    arithmetic.prepare(SETTINGS["arithmetic"], SETTINGS["threads"])
    MIRROR = fetch.configured_mirror()
    DATASETS = datasets.found()
except RescoreError as error:
    raise WorkflowError(str(error))

# What a cluster's jobs have to know of where the run was started; a scheduler that hands over no environment is told so.
workflow.register_envvars(
    *(
        name
        for name in (
            "RESCORE_MIRROR",
            "RESCORE_PARAMETERS",
            outside.VARIABLE,
            "TORCH_HOME",
        )
        if name in os.environ
    )
)

DATA, RUNS, RESULTS, LOGS = (
    f"{room}/{SCALE}" for room in ("data", "runs", "results", "logs")
)
FILES = files.Files(SCALE, SETTINGS)
NOT_RUN = plan.not_run(SCALE, SETTINGS, MIRROR, DONE)
REAL_DATA = plan.runnable(SETTINGS, MIRROR, DONE)
if (
    ONLY_ASKS
    and workflow.is_main_process
    and SCALE == "paper"
    and {"-n", "--dry-run", "--dryrun"} & set(sys.argv[1:])
):
    print(plan.describe_cost(SETTINGS, MIRROR), file=sys.stderr)
# The pages of this run: the scale's own, and that of the real data that is at hand.
PAGES = [f"{RESULTS}/index.html"]
PAGES += ["results/open/index.html"] if REAL_DATA and SCALE != "open" else []
# What sums up every scale that was run here; only where a scale has tables.
OVERVIEW = (
    ["results/index.html"] if SCALE != "open" or REAL_DATA else [f"{RESULTS}/audit.csv"]
)
# What `dvc metrics` speaks of: the same numbers as the tables', few enough to compare.
METRICS = [f"{RESULTS}/metrics.json"] if SCALE != "open" or REAL_DATA else []
# How trainings vary of what this scale trains once: a tracked file, measured at another scale (variance.smk).
VARIANCE = [
    path for path in (f"workflow/variance/{SCALE}.csv",) if Path(path).is_file()
]
METRICS += ["results/open/metrics.json"] if REAL_DATA and SCALE != "open" else []


def settings(*names, scale=SCALE, changed=None):
    """The sections of params.yaml that a step reads, as the JSON that its command carries: what reruns it when changed.

    `"scale"` among the names hands over the scale's own name, which tables and figures print; `!a.b` leaves that out. `changed`
    are settings that are others for this step.
    """
    resolved = SETTINGS if scale == SCALE else parameters.resolve(config, scale)
    resolved = parameters.merge(resolved, changed) if changed else resolved
    return canonical_json(declaration.settings_of(names, {**resolved, "scale": scale}))


# What the numbers of trainings are counted by (rescore.systems.trainings).
COUNTED_BY = (
    "first_training",
    "seeds",
    "multitask.seeds",
    "semi_supervised.label_draws",
    "backbone.weights",
    "poses.estimator",
)
# Processor threads of every rule that computes with torch; part of its result.
THREADS = SETTINGS["threads"]
# GPUs that a rule reserves which can use one; several where a training is spread over them (`multitask.gpus`).
GPU = min(1, SETTINGS["multitask"]["gpus"])


def code(step, scale=SCALE):
    """Hash of the code that a step (module.function) can reach, and the arithmetic that it is computed in."""
    resolved = SETTINGS if scale == SCALE else parameters.resolve(config, scale)
    computes = step.split(".")[0] in step_server.FRAMEWORK_LAYERS
    planned = arithmetic.planned(
        resolved["arithmetic"], resolved["threads"] if computes else None
    )
    return f"{code_hash(module_of(step))}-{planned}"


# Which folders hold an experiment's predictions: a list, or for experiments with a folder a training, by member (systems.smk).
# paper.yaml names the experiments that fill a table.
PREDICTED = {}


def folders_of(experiment):
    """All folders of an experiment's predictions."""
    known = PREDICTED[experiment]
    return (
        [folder for part in known.values() for folder in part]
        if isinstance(known, dict)
        else known
    )


# What papers' tables are held against: the samples of each data set, where they are at hand.
SAMPLES = {}


def options(wildcards, input, output):
    """A step's options, from what its rule reads and writes by name; `beside` is read, but not by name, and of a source a step
    is handed the folder.
    """
    words = []
    for name, value in [*input.items(), *output.items()]:
        if name == "beside" or not len(value):
            continue
        paths = [value] if isinstance(value, str) else value
        paths = [
            path.parent if path.name == fetch.RECORD else path
            for path in map(Path, paths)
        ]
        words += [f"--{name.replace('_', '-')}", *map(shlex.quote, map(str, paths))]
    return " ".join(words)


# Steps of which steps.smk makes a rule each.
STEPS = {}


def step(
    name,
    function,
    reads,
    writes,
    settings=None,
    *,
    log=None,
    scale=SCALE,
    told="",
    wildcards=None,
    workers=False,
    computes=False,
    gpus=0,
    minutes=None,
    launch="rescore",
):
    """List a step.

    reads, writes: files by option of the step; `reads` may be a function of the wildcards.
    settings: the JSON of what it reads of params.yaml, or a function of the wildcards that gives it; None: nothing.
    told: further options, text or a function of the wildcards.
    wildcards: patterns of those in its paths.
    workers: whether it starts processes, as many as there are cores. computes: whether it computes with torch.
    gpus: that it takes. minutes: that a cluster is asked for; None: what it gives unasked.
    """
    if name in STEPS:
        raise WorkflowError(f"two steps are called {name}; rename one")

    def read(wildcards):
        return f"--settings {shlex.quote(settings(wildcards))}"

    STEPS[name] = {
        "function": function,
        "reads": reads,
        "writes": writes,
        "settings": (
            ""
            if settings is None
            else read if callable(settings) else f"--settings {shlex.quote(settings)}"
        ),
        "code": code(function.split()[0], scale),
        "log": log or f"logs/{scale}/{name}.log",
        "told": told,
        "wildcards": wildcards or {},
        "threads": CORES if workers else THREADS if computes else 1,
        "resources": {"gpu": gpus, **({"runtime": minutes} if minutes else {})},
        # Whoever asks for no GPU gets none; a training that is spread over several starts as many processes.
        "launch": f"{launch} step --gpus {gpus}" if computes else f"{launch} step",
    }
