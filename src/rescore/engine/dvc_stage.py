"""dvc.yaml, generated: the whole workflow as DVC's one stage.

The Snakefile alone says what depends on what. What is written here is only what DVC has to version, asked of the workflow
engine; a test holds the committed file to it. Every output is `persist: true`: DVC would otherwise delete it before the
run, and the engine would make everything again.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from rescore.engine import lock
from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_text

STAGE = Path("dvc.yaml")
SCALE = "demo"  # asked for its outputs; those of the other scales with videos lie in the same folders
DEPENDENCIES = (
    "Snakefile",
    "workflow/rules",
    "workflow/schemas",
    "profiles",
    "src",
    "papers",
)
HEADER = """\
# Written by `rescore dvc-yaml` from the Snakefile, which alone says what depends on what: do not edit. One stage runs the
# whole workflow, and DVC versions what it made (docs/versioning.md). Parts can be had one by one: dvc pull runs/demo/all_action
# Real data (`open`) comes out of every run that has it at hand, so its outputs belong to every scale. Choose demo, smoke or
# paper here; for the real data alone: snakemake --cores all --config scale=open
"""


def engine_outputs(scale: str) -> list[str]:
    """Every file that the workflow makes at a scale, as the engine lists them (`snakemake --summary`).

    Raises:
        RescoreError: the engine refuses.
    """
    command = [sys.executable, "-m", "snakemake", "--summary", "--config", f"scale={scale}"]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="backslashreplace", env=os.environ | {"RESCORE_MIRROR": ""}
    )
    if done.returncode:
        raise RescoreError(f"snakemake --summary --config scale={scale}: {done.stderr.strip()}")
    rows = csv.DictReader(done.stdout.splitlines(), delimiter="\t")
    return [row["output_file"] for row in rows if lock.room_of(row["output_file"]) == scale]


def folders(outputs: Iterable[str], scale: str) -> list[str]:
    """What holds the versioned outputs: folders, or single files where others beside them are not versioned (clips)."""
    kept = (path.split("/") for path in outputs if lock.is_versioned(path))
    depth = {"data": 3, "runs": 2, "results": 3}
    parts = ((part, 4 if part[2] == "clips" else depth[part[0]]) for part in kept)
    return sorted({"/".join(part[:length]).replace(f"/{scale}", "/${scale}", 1) for part, length in parts})


def outputs_of_stage(outputs: Iterable[str], scale: str) -> list[dict[str, dict[str, bool]]]:
    """DVC's `outs`: what is in DVC's cache, and with `cache: false` what is in git (small, readable, diffable)."""
    names = [*folders(outputs, scale), "runs/open", "results/open", lock.lock_path("${scale}").as_posix()]
    return [{name: {"persist": True} if goes_to_cache(name) else {"cache": False, "persist": True}} for name in names]


def goes_to_cache(name: str) -> bool:
    """Whether DVC keeps a file: results are in git, but for the pages, which embed everything and change whole."""
    return name.startswith(("data/", "runs/")) or name.endswith(".html")


def plots() -> list[dict[str, Any]]:
    """DVC's `plots`: learning curves, Figure 3, and reported against reproduced."""
    curve = "runs/${scale}/backbone/0/curve.csv"
    members = [
        f"{network}/{tasks}" for network in ("c3d_avg", "mscadc") for tasks in ("score", "score_classes_caption")
    ]
    curves = [f"runs/${{scale}}/mtl_aqa/{member}/1059/0/curve.csv" for member in members]
    tables = [
        f"results/${{scale}}/tables/{table}.csv"
        for table in ("aqa7_table2", "aqa7_table3", "aqa7_table4", "mtl_aqa_table4", "mtl_aqa_table7", "mtl_aqa_table8")
    ]
    return [
        {
            "pretraining loss": {
                "x": {curve: "iteration"},
                "y": {curve: "loss"},
                "title": "Pre-training of the backbone: loss",
            }
        },
        {
            "pretraining accuracy": {
                "x": {curve: "iteration"},
                "y": {curve: ["train_accuracy", "test_accuracy"]},
                "title": "Pre-training of the backbone: accuracy",
            }
        },
        {
            "mtl_aqa loss": {
                "x": "epoch",
                "y": dict.fromkeys(curves, "loss"),
                "title": "MTL-AQA, C3D-AVG and MSCADC (seed 0): loss",
            }
        },
        {
            "mtl_aqa correlation": {
                "x": "epoch",
                "y": dict.fromkeys(curves, "test_correlation"),
                "title": "MTL-AQA, C3D-AVG and MSCADC (seed 0): Spearman correlation on the test dives",
            }
        },
        {
            "figure 3": {
                "template": "scatter",
                "x": {"runs/${scale}/scores/aqa7_figure3.csv": "iteration"},
                "y": {"runs/${scale}/scores/aqa7_figure3.csv": "value"},
                "title": "AQA-7, Figure 3: Spearman correlation by iteration",
            }
        },
        {
            "reported against reproduced": {
                "template": "scatter",
                "x": dict.fromkeys(tables, "reported"),
                "y": dict.fromkeys(tables, "reproduced"),
                "x_label": "reported",
                "y_label": "reproduced",
                "title": "Reported against reproduced (AQA-7: correlations; MTL-AQA: percent)",
            }
        },
    ]


def render() -> str:
    """The text of dvc.yaml."""
    stage = {
        "cmd": "snakemake --cores all",
        "deps": list(DEPENDENCIES),
        "params": ["scale", "outside", "defaults", "scales"],
        "outs": outputs_of_stage(engine_outputs(SCALE), SCALE),
    }
    metrics = ["results/${scale}/metrics.json", "results/open/metrics.json"]
    text = yaml.safe_dump(
        {"stages": {"reproduce": stage}, "metrics": metrics, "plots": plots()}, sort_keys=False, width=120
    )
    return HEADER + text


def write() -> None:
    write_text(STAGE, render())


def check() -> None:
    """Hold dvc.yaml to the workflow.

    Raises:
        RescoreError: it is not what `rescore dvc-yaml` writes.
    """
    if not STAGE.exists() or STAGE.read_text(encoding="utf-8") != render():
        raise RescoreError(f"{STAGE} is not what the workflow says. Remedy: rescore dvc-yaml")
