"""A whole tree of data, runs and results, small and real: scored, tabled and drawn by the steps themselves."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.reporting.figures import forest
from rescore.reporting.page import Files, page
from rescore.reporting.tables import make_table
from rescore.scoring.claims import evaluate_claims
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.score_table import score_table
from tests.scoring.conftest import SETTINGS, make_samples, members

ROOT = Path(__file__).parents[2]
SYNTHETIC = {"aqa7_videos": "synthetic", "mtl_aqa_videos": "synthetic", "pretraining_videos": "synthetic"}
OFFICIAL = dict.fromkeys(SYNTHETIC, "official")
EXPERIMENTS = {
    "table2": ["all_action"],
    "table3": ["all_action", "zero_shot"],
    "table4": ["fine_tuning"],
    "figure3": ["fine_tuning"],
}
TABLES = ("table2", "table3", "table4")
PICTURES = ("aqa7_table2_forest.svg", "aqa7_figure1.png")
FINDINGS = [
    (
        "text/aqa7/samples",
        "aqa7, Abstract",
        "“1106 action samples”",
        "1106",
        "1189",
        "error",
        "claims.yaml",
        "another sum",
    ),
    ("predictors/mtl_aqa", "mtl_aqa labels", "labels <alone>", "", "0.72", "notable", "open", "another split"),
    ("text/aqa7", "aqa7", "the text fits the tables", "61", "48", "note", "claims.yaml", "numbers read wrongly"),
]


def settings_of(scale: str) -> dict:
    sources = SYNTHETIC if scale == "demo" else OFFICIAL
    return {"scale": scale, "sources": sources, "scoring": SETTINGS["scoring"], "seeds": 2}


def write_data(root: Path, scale: str) -> dict[str, Any]:
    """Samples, features, clips, video index and a backbone; the hashes that checkpoints name."""
    data, dataset = root / "data" / scale, "synthetic_aqa7" if scale == "demo" else "aqa7"
    rows = make_samples().assign(dataset=dataset)
    for table in ("features/aqa7/0", "clips/aqa7", "manifests/aqa7"):
        write_table(data / f"{table}.parquet", rows)
    write_table(data / "videos" / "aqa7.csv", pd.DataFrame({"video": rows["sample"], "bytes": 1, "sha256": "0" * 64}))
    write_table(data / "clips" / "aqa7.dropped.csv", pd.DataFrame(columns=["sample", "video", "reason"]))
    for name in ("features/aqa7/0", "clips/aqa7"):
        np.save(data / f"{name}.npy", np.zeros((len(rows), 4), np.float16))
    if scale != "demo":
        source = {
            "origin": {"repository": "https://example.org/aqa7", "commit": "844747a"},
            "files": [{}],
            "licence": "none",
        }
        (root / "data/raw/aqa7-lists").mkdir(parents=True)
        (root / "data/raw/aqa7-lists/SOURCE.json").write_text(json.dumps(source))
    backbone = root / "runs" / scale / "backbone" / "0"
    save_arrays(backbone / "weights.safetensors", {"w": np.zeros(2)}, {"seed": 0, "parameters": {"width": 0.125}})
    curve = pd.DataFrame({"iteration": [20, 40, 60], "loss": [2.5, 2.0, 1.6], "test_accuracy": [np.nan, 0.3, 0.5]})
    write_table(backbone / "curve.csv", curve)
    return {
        "features_sha256": {"0": sha256_file(data / "features/aqa7/0.npy")},
        "rows_sha256": sha256_file(data / "features/aqa7/0.parquet"),
        "backbone_sha256": {"0": sha256_file(backbone / "weights.safetensors")},
    }


def write_runs(root: Path, scale: str, hashes: dict[str, Any]) -> None:
    """Predictions, checkpoints and scores."""
    runs = root / "runs" / scale
    for name, table in members(make_samples()).items():
        dataset = "synthetic_aqa7" if scale == "demo" else "aqa7"
        write_table(runs / name / "predictions.parquet", table.assign(dataset=dataset))
        pairs = table[["member", "seed"]].drop_duplicates().to_dict("records")
        header = {"experiment": name, "code": "abc", "members": pairs, "settings": {"lstm": {"width": 16}}, **hashes}
        save_arrays(runs / name / "members.safetensors", {"w": np.zeros(3)}, header)
    for table, experiments in EXPERIMENTS.items():
        files = [runs / experiment / "predictions.parquet" for experiment in experiments]
        rows = root / "data" / scale / "features/aqa7/0.parquet"
        scores = runs / "scores" / f"aqa7_{table}.csv"
        paper = root / "papers" / "aqa7" / "paper.yaml"
        score_table(
            paper,
            table,
            ScoredFiles(files, [rows]),
            scores,
            SETTINGS,
            estimates=scores.with_suffix(".estimates.parquet"),
        )


def write_results(root: Path, scale: str) -> None:
    """Tables, claims, a figure and an audit."""
    results, runs, paper = root / "results" / scale, root / "runs" / scale, root / "papers" / "aqa7" / "paper.yaml"
    for table in TABLES:
        outputs = [results / "tables" / f"aqa7_{table}.{suffix}" for suffix in ("csv", "md", "tex")]
        make_table(paper, table, *outputs, settings_of(scale), runs / "scores" / f"aqa7_{table}.csv")
    tables = [results / "tables" / f"aqa7_{table}.csv" for table in TABLES]
    claims = root / "papers" / "aqa7" / "claims.yaml"
    estimates = [runs / "scores" / f"aqa7_{table}.estimates.parquet" for table in TABLES]
    output = results / "tables" / "aqa7_claims.csv"
    evaluate_claims(claims, tables, output, settings_of(scale), estimates=estimates)
    pictures = [results / "figures" / name for name in PICTURES]
    forest(paper, "table2", tables[0], *pictures, settings_of(scale))
    columns = ["id", "subject", "statement", "stated", "found", "severity", "evidence", "refutation"]
    write_table(root / "results" / "audit.csv", pd.DataFrame(FINDINGS, columns=columns))


def make_tree(root: Path, scale: str = "demo") -> Path:
    """Everything from samples to tables under a folder, as the workflow leaves it."""
    shutil.copytree(ROOT / "papers", root / "papers", dirs_exist_ok=True)
    write_runs(root, scale, write_data(root, scale))
    write_results(root, scale)
    return root


def make_page(
    root: Path, scale: str = "demo", output: Path | None = None, tables: tuple[str, ...] = TABLES, **more: object
) -> Path:
    """The page of a tree, with all that it can show."""
    results, runs = root / "results" / scale, root / "runs" / scale
    output = output or results / "index.html"
    given = {
        "tables": [results / "tables" / f"aqa7_{table}.csv" for table in tables],
        "figures": [results / "figures" / name for name in PICTURES],
        "claims": [results / "tables" / "aqa7_claims.csv"],
        "curves": [runs / "scores" / "aqa7_figure3.csv", runs / "backbone/0/curve.csv"],
        "dropped": [root / "data" / scale / "clips" / "aqa7.dropped.csv"],
        "audit": root / "results" / "audit.csv",
    }
    behind = {
        "not_run": json.dumps(
            [{"what": "Pose <DCT>", "why": 'no "pose"', "command": "snakemake --config scale=paper"}]
        ),
        "runs": runs,
        "step_records": runs / "records",
        "papers": root / "papers",
    }
    for name, value in more.items():
        (behind if name in behind else given)[name] = value
    page(Files(**given), output, settings_of(scale), **behind)  # type: ignore[arg-type]
    return output


RECORD = {
    "rule": "scores",
    "function": "scoring.score_table.score_table",
    "code": {"commit": "5ee7808", "dirty": False, "hash": "2a14148798645e9b"},
    "versions": {"numpy": "2.4.6", "python": "3.11.7"},
    "hardware": {
        "processor": "A processor",
        "cores": 2,
        "memory_gib": 8.0,
        "system": "Linux",
        "device": "cpu",
        "arithmetic": {
            "mode": "portable",
            "torch": "AVX2",
            "openblas": ["Haswell"],
            "threads": 1,
            "libc": "glibc 2.36",
        },
    },
}


def write_record(root: Path, scale: str, name: str, seconds: float, **more: object) -> None:
    """A step's record, as rescore.engine.step_record writes it."""
    path = root / "runs" / scale / "records" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**RECORD, "seconds": seconds, **more}))
