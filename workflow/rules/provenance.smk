# Included last, when every rule is known: the engine is told what the records say (rescore.engine.lock), and afterwards what it
# made is recorded. Nothing here is a rule.

import re
import subprocess
import threading

from rescore.engine import mounting, repair, status, step_server
from rescore.engine.errors import raise_together

# The room `open` counts where all of it can be made: its lock describes the whole, and what is missing of it would be asked
# of origins that may be out of reach.
ROOMS = [SCALE] if SCALE != "open" else []
ROOMS += ["open"] if len(REAL_DATA) == len(registry.on_real_data()) else []


def is_output(path):
    """Whether some rule makes a path."""
    return any(
        pattern.match(path) for rule in workflow.rules for pattern in rule.output
    )


def known_to(paper):
    """What a paper can name: of real data the experiments that need no video, else what the rules above predict."""
    if paper.real:
        experiments = {experiment.name: None for experiment in registry.on_real_data()}
        return paper_problems.Known(SETTINGS, experiments, ())
    members = {
        name: list(known) if isinstance(known, dict) else None
        for name, known in PREDICTED.items()
    }
    sampled = [name for name, dataset in DATASETS.items() if dataset.samples]
    return paper_problems.Known(SETTINGS, members, [*sampled, RESCORED])


# Said now, not after a night of training. A cluster's job, which parses all of this, has no use for what it imports.
if workflow.is_main_process:
    from rescore.reporting import paper_problems

    provenance.keep(SOURCES)
    judged = {
        name: paper for name, paper in PAPERS.items() if paper.real or SCALE != "open"
    }
    declared = list(paper_problems.paper_problems(Path("papers"), judged, known_to))
    # Drawings, counts and characteristics are functions of their own, so a rule has to make each.
    made = [*FIGURES] + [
        f"{RUNS}/summary/{paper}_{name}.csv"
        for paper in VIDEO
        for name in (
            *PAPERS[paper].counted,
            *(n for n, table in PAPERS[paper].tables.items() if table.characteristics),
        )
    ]
    declared += [
        f"papers: no rule makes {path}" for path in made if not is_output(path)
    ]
    try:
        raise_together("papers", declared, "mend these files (docs/adding.md).")
    except RescoreError as error:
        raise WorkflowError(str(error))


def layer_of_step(rule):
    """The layer of src/rescore that a rule's step belongs to; None where it calls none."""
    command = rule.shellcmd or ""
    if "{params.step}" in command:
        return rule.params.step.split(".")[0]
    found = re.search(r"\{params\.code\} (\w+)\.", command)
    return "sources" if command.startswith("rescore fetch") else found and found[1]


# The files that decide what a run makes, as they were when it was planned.
def planned():
    return [
        provenance.tree_hash(provenance.WORKFLOW),
        *(provenance.tree_hash(["."], folder) for folder in mounting.folders_outside()),
    ]


PLANNED = planned()


# On a cluster these run where the run was started: they take seconds, waiting in a queue takes longer, and what fetches needs
# a network that computing nodes often lack.
NEAR = {"sources", "scoring", "reporting"}
workflow.localrules(
    *(rule.name for rule in workflow.rules if layer_of_step(rule) in NEAR)
)


def reconciled():
    """Recorded outputs that are to be kept and are not there (deleted, or not pulled): targets like the pages."""
    asking = ONLY_ASKS and not repair.is_part()
    guard = processes.asking(ENGINE) if asking else nullcontext(True)
    with guard as alone:
        if not alone:
            return []
        try:
            found = lock.reconcile(ROOMS, is_output)
            whole = not (ONLY_ASKS or repair.is_part())
            if whole and repair.repair(lock.broken(found), sys.argv[1:]):
                found = lock.reconcile(ROOMS, is_output)
        except RescoreError as error:
            raise WorkflowError(str(error))
    return lock.missing(found)


MISSING = reconciled() if workflow.is_main_process else []

if workflow.is_main_process and not ONLY_ASKS:
    for room in ("runs/open", "results/open"):
        # DVC's stage names them at every scale; empty where the real data is not at hand.
        Path(room).mkdir(parents=True, exist_ok=True)


onstart:
    # A cluster's jobs are to stay within what the cluster gave them: no threads of this machine's, and no forks of this run's
    # server, which serves the steps that run here alone.
    if workflow.non_local_exec:
        os.environ.pop("OMP_NUM_THREADS", None)
    # The engine starts at most 100 jobs a second unless it is told otherwise, and to see when it may go on it wakes its scheduler
    # every second, once more for each job that has ended: after some hundred jobs that costs as much as a job.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    if not ONLY_ASKS:
        step_server.start(Path(".snakemake"))
        for written in map(Path, [log] if isinstance(log, str) else log[:1]):
            threading.Thread(
                target=status.follow, args=(written, SCALE), daemon=True
            ).start()
    if not (ONLY_ASKS or repair.is_part()):
        # Beside the first jobs: says in its first seconds whether the same bytes are to be expected on this machine.
        record = f"{RUNS}/records/fingerprint.json"
        subprocess.Popen(
            ["rescore", "step", "models.fingerprint.check", "--record", record]
        )


onsuccess:
    lock.seal(ROOMS, is_output)
    if planned() != PLANNED:
        raise WorkflowError(
            f"{', '.join([*provenance.WORKFLOW, *map(str, mounting.folders_outside())])}: something there was edited while the run was going on. What was made belongs "
            "to the state before; run again to bring it up to date."
        )


onerror:
    lock.keep(ROOMS, is_output)
