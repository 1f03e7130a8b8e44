# Shared by all families of rules: the scale, its settings, the hash of a step's code, and which real data is at hand.

import os
import sys
from pathlib import Path

from rescore import parameters, processes
from rescore.errors import RescoreError
from rescore.experiments import plan
from rescore.provenance import code_hash
from rescore.sources import fetch
from rescore.storage import canonical_json
from snakemake.exceptions import WorkflowError

# Looking at the graph is possible without `--cores`.
CORES = workflow.resource_settings.cores or os.cpu_count()
processes.prepare_environment(CORES)

if workflow.is_main_process and not processes.only_asks(sys.argv[1:]):
    if not processes.hold_run_lock(Path(".snakemake")):
        raise WorkflowError(
            "another run is at work in this directory; wait for it, or run in another clone"
        )

try:
    SCALE, SETTINGS = parameters.from_config(
        config, None, Path(workflow.basedir) / parameters.SCHEMA, "params.yaml"
    )
except RescoreError as error:
    raise WorkflowError(str(error))

DATA, RUNS, RESULTS, LOGS = (
    f"{room}/{SCALE}" for room in ("data", "runs", "results", "logs")
)
MIRROR = fetch.configured_mirror()
NOT_RUN = plan.not_run(SCALE, SETTINGS, MIRROR)
REAL_DATA = plan.runnable(SETTINGS, MIRROR)
# The pages of this run: the scale's own, and that of the real data that is at hand.
PAGES = [f"{RESULTS}/index.html"]
PAGES += ["results/open/index.html"] if REAL_DATA and SCALE != "open" else []


def settings(*names, scale=SCALE):
    """The sections of params.yaml that a step reads, as the JSON that its command carries: what reruns it when changed.

    `"scale"` among the names hands over the scale's own name, which tables and figures print.
    """
    resolved = SETTINGS if scale == SCALE else parameters.resolve(config, scale)
    return canonical_json(parameters.section({**resolved, "scale": scale}, *names))


def code(step):
    """Hash of the code that a step (module.function) can reach."""
    return code_hash(f"rescore.{step.rpartition('.')[0]}")
