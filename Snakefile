"""rescore: rerun the papers' experiments and hold each reported number against a recomputed one.

    snakemake --cores all                          the scale that params.yaml names (demo: a CPU, minutes)
    snakemake --cores all --config scale=open      real public data that needs no video
    snakemake -n --config scale=paper              what the official videos would take

Rules live in workflow/rules/, a file a family, left to right as in src/rescore: sources, data, backbones; the papers' own experiments
(aqa7, mtl_aqa); other systems (frozen_features, linear_probes, poses, stages, semi_supervised, extensions). papers has the tables,
claims and comparisons of every paper, report the figures and the page, open the real data that needs no video, audit what the papers'
own numbers contradict, provenance the lock.
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
include: "workflow/rules/papers.smk"
include: "workflow/rules/open.smk"
include: "workflow/rules/audit.smk"


if SCALE != "open":

    include: "workflow/rules/data.smk"
    include: "workflow/rules/backbones.smk"
    include: "workflow/rules/aqa7.smk"
    include: "workflow/rules/mtl_aqa.smk"
    include: "workflow/rules/frozen_features.smk"
    include: "workflow/rules/extensions.smk"
    include: "workflow/rules/linear_probes.smk"
    include: "workflow/rules/stages.smk"
    include: "workflow/rules/poses.smk"
    include: "workflow/rules/semi_supervised.smk"
    include: "workflow/rules/report.smk"

    if SCALE == "variance":

        include: "workflow/rules/variance.smk"


include: "workflow/rules/provenance.smk"


rule all:
    default_target: True
    input:
        PAGES,
        OVERVIEW,
        METRICS,
        MISSING,
