"""rescore: rerun the papers' experiments and hold each reported number against a recomputed one.

    snakemake --cores all                          the scale that params.yaml names (demo: a CPU, minutes)
    snakemake --cores all --config scale=open      real public data that needs no video
    snakemake -n --config scale=paper              what the official videos would take

Rules live in workflow/rules/, from left to right as in src/rescore: sources, data, features; systems (whatever predicts, a rule an
experiment that a system declares), papers (tables, claims and comparisons of every paper), open (real data that needs no video),
audit (what the papers' own numbers contradict), report (figures and the page), steps (the loop that makes most rules), provenance
(the lock).
"""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

if workflow.is_main_process and not Path(workflow.basedir).samefile(Path.cwd()):
    raise WorkflowError(
        f"data, runs and results lie beside the Snakefile. Remedy: cd {workflow.basedir} (and no --directory)"
    )


configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sources.smk"


if SCALE != "open":

    include: "workflow/rules/data.smk"
    include: "workflow/rules/features.smk"


include: "workflow/rules/systems.smk"


if SCALE != "open":

    include: "workflow/rules/controls.smk"


include: "workflow/rules/papers.smk"
include: "workflow/rules/open.smk"
include: "workflow/rules/audit.smk"


if SCALE != "open":

    include: "workflow/rules/report.smk"

    if SCALE == "variance":

        include: "workflow/rules/variance.smk"


include: "workflow/rules/steps.smk"
include: "workflow/rules/provenance.smk"


rule all:
    default_target: True
    input:
        PAGES,
        OVERVIEW,
        METRICS,
        MISSING,
