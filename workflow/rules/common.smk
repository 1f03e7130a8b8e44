# Shared by all families of rules: the scale, its settings, the hash of a step's code, and which real data is at hand.

import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import snakemake
from rescore.engine import (
    arithmetic,
    checkout,
    libraries,
    lock,
    parameters,
    processes,
    repair,
    step_server,
)
from rescore.engine.errors import RescoreError
from rescore.experiments import plan, repetition
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
    SCALE, SETTINGS = parameters.from_config(
        config, None, Path(workflow.basedir) / parameters.SCHEMA, "params.yaml"
    )
    check_unchanged()
    if workflow.is_main_process and not ONLY_ASKS:
        checkout.check_run(SCALE)
    # Results that a commit describes and that are there count as run, whether or not their sources are here.
    DONE = plan.complete(lambda name: lock.complete("open", f"runs/open/{name}"))
    # All jobs inherit it, and the server that runs most of them.
    arithmetic.prepare(SETTINGS["arithmetic"], SETTINGS["threads"])
except RescoreError as error:
    raise WorkflowError(str(error))

# What a cluster's jobs have to know of where the run was started; a scheduler that hands over no environment is told so.
workflow.register_envvars(
    *(
        name
        for name in ("RESCORE_MIRROR", "RESCORE_PARAMETERS", "TORCH_HOME")
        if name in os.environ
    )
)

DATA, RUNS, RESULTS, LOGS = (
    f"{room}/{SCALE}" for room in ("data", "runs", "results", "logs")
)
MIRROR = fetch.configured_mirror()
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


def settings(*names, scale=SCALE):
    """The sections of params.yaml that a step reads, as the JSON that its command carries: what reruns it when changed.

    `"scale"` among the names hands over the scale's own name, which tables and figures print.
    """
    resolved = SETTINGS if scale == SCALE else parameters.resolve(config, scale)
    return canonical_json(parameters.section({**resolved, "scale": scale}, *names))


# What the numbers of trainings are counted by (rescore.experiments.trainings).
COUNTED_BY = (
    "first_training",
    "seeds",
    "multitask.seeds",
    "semi_supervised.label_draws",
    "backbone.weights",
    "poses.estimator",
)
# What of the synthetic athlete's settings its performances, its events and its labelled motions are made from: another number
# of one renders that one again and nothing else.
FILMED = ("seed", "synthetic.frame_size")
PERFORMANCES = (
    *FILMED,
    "synthetic.samples",
    "synthetic.trampoline_samples",
    "synthetic.length",
)
EVENTS = (
    *FILMED,
    "synthetic.dives",
    "synthetic.length",
    "multitask.clips.frames",
    "multitask.clips.shift",
    "multitask.validation",
)
MOTIONS = (*FILMED, "synthetic.motions_per_class", "synthetic.motion_frames")
# Processor threads of every rule that computes with torch; part of its result.
THREADS = SETTINGS["threads"]
# GPUs that a rule reserves which can use one; several where a training is spread over them (`multitask.gpus`).
GPU = min(1, SETTINGS["multitask"]["gpus"])


def backbone_of(training):
    """Weights of the backbone that a training rests on."""
    number = repetition.backbone_of(int(training), SETTINGS)
    return repetition.backbone_weights(Path(RUNS), number).as_posix()


def backbones_of(numbers):
    """Weights of the backbones that some trainings rest on, once each."""
    return list(dict.fromkeys(map(backbone_of, numbers)))


def features_of(dataset, numbers, suffix="npy"):
    """Features that some trainings read, once for each backbone; the tables beside them are all alike."""
    return [
        f"{DATA}/features/{dataset}/{number}.{suffix}"
        for number in repetition.backbones(numbers, SETTINGS)
    ]


def feature_rows(dataset, numbers):
    """The table of the features that some trainings read."""
    return features_of(dataset, numbers, "parquet")[0]


def code(step, scale=SCALE):
    """Hash of the code that a step (module.function) can reach, and the arithmetic that it is computed in."""
    resolved = SETTINGS if scale == SCALE else parameters.resolve(config, scale)
    computes = step.split(".")[0] in step_server.FRAMEWORK_ROOMS
    planned = arithmetic.planned(
        resolved["arithmetic"], resolved["threads"] if computes else None
    )
    return f"{code_hash(module_of(step))}-{planned}"


# Which folders hold an experiment's predictions: a list, or for experiments with a folder a training, by member. Each family of
# rules adds its own; paper.yaml names the experiments that fill a table.
PREDICTED = {}
# Experiments whose errors in points are measured: they predict samples of the videos' data sets.
MEASURED = []
# Names of the checkpoints beside predictions.
CHECKPOINTS = {}


def predicts(experiment, folders=None, weights=None, measured=True):
    """Say where an experiment's predictions are; without folders in the one that has its name."""
    PREDICTED[experiment] = [f"{RUNS}/{experiment}"] if folders is None else folders
    MEASURED.extend([experiment] if measured else [])
    CHECKPOINTS[experiment] = [weights] if weights else []


def folders_of(experiment):
    """All folders of an experiment's predictions."""
    known = PREDICTED[experiment]
    return (
        [folder for part in known.values() for folder in part]
        if isinstance(known, dict)
        else known
    )


# What papers' tables are held against: the samples of each data set, where they are at hand.
DATASETS = ("aqa7", "mtl_aqa", "rhythmic_gymnastics")
SAMPLES = {}


def options(wildcards, input, output):
    """A step's options, from what its rule reads and writes by name; `beside` is read, but not by name."""
    named = [*input.items(), *output.items()]
    return " ".join(
        f"--{name.replace('_', '-')} {' '.join(shlex.quote(str(path)) for path in ([value] if isinstance(value, str) else value))}"
        for name, value in named
        if name != "beside" and len(value)
    )
