import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.engine.steps import call_step
from rescore.reporting.tables import make_table
from rescore.scoring.score_table import score_table

PAPER = Path(__file__).parents[2] / "papers" / "extensions" / "paper.yaml"
ONE = {
    "name": "attention",
    "row": "C3D + attention",
    "backbone": "c3d",
    "aggregation": "attention",
    "head": "regression",
}
DIVES = 30
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "multitask": {"seeds": 2, "validation": {"share": 0.2, "separate": False}},
    "extensions": {"systems": [ONE, {**ONE, "name": "usdl", "row": "USDL", "head": "usdl"}], "training": {"epochs": 3}},
    "scoring": {"bootstrap": 100, "confidence": 0.95},
}
NOISE = {
    **{"c3d_avg/1059": (9.0, 2.0, 5.0), "attention/1059": (8.0, 4.0, 1.0), "usdl/1059": (9.0, 8.0, 7.0)},
    "dae/1059": (9.0, 6.0, 5.0),
}
"""Standard deviation about the score, by epoch."""


def write(directory: Path) -> dict[str, Any]:
    """Predictions of two systems, the row to beat and the baselines on dives of which the first ten are for validation."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            **{"dataset": "synthetic_mtl_aqa", "sample": [f"01/{n:03d}" for n in range(DIVES)], "action": "diving"},
            "score": generator.uniform(20, 100, DIVES),
        }
    )
    split = np.where(np.arange(DIVES) < 10, "validation", "test")
    rows.to_parquet(directory / "rows.parquet")
    pd.DataFrame({"training_set": "1059", "sample": rows["sample"], "split": split}).to_parquet(
        directory / "splits.parquet"
    )
    base = rows.drop(columns="score").assign(target=rows["score"], split=split, unit="points")
    paths = []
    for member, noises in NOISE.items():
        for seed in (0, 1):
            parts = [
                base.assign(
                    **{"experiment": "extensions", "member": member, "seed": seed, "iteration": epoch},
                    predicted=rows["score"] + noise * 4 * generator.normal(size=DIVES),
                )
                for epoch, noise in enumerate(noises, start=1)
            ]
            paths.append(directory / f"{member.replace('/', '_')}_{seed}.parquet")
            pd.concat(parts).to_parquet(paths[-1])
    tested = base[base["split"] == "test"].assign(experiment="mtl_aqa_baselines", seed=0, iteration=0)
    baselines = [
        tested.assign(member="observer/1059", predicted=tested["target"]),
        tested.assign(member="label_only/1059", predicted=generator.normal(size=len(tested))),
        tested.assign(member="observer/140", predicted=np.nan),  # another table's, not read
    ]
    paths.append(directory / "baselines.parquet")
    pd.concat(baselines).to_parquet(paths[-1])
    return {
        "predictions": paths,
        "rows": [directory / "rows.parquet"],
        "splits": directory / "splits.parquet",
        "scores": directory / "scores.csv",
    }


def test_every_protocol_is_what_scipy_says(tmp_path: Path) -> None:
    files = write(tmp_path)
    call_step(score_table, paper=PAPER, table="table", **files, settings=SETTINGS)
    scores = pd.read_csv(files["scores"], keep_default_na=False).set_index(["row", "column", "protocol"])
    assert list(dict.fromkeys(scores.index.get_level_values("row"))) == [
        *("C3D-AVG-STL", "C3D + attention", "USDL", "DAE", "Label only", "Perfect observer")
    ]
    table = pd.concat([pd.read_parquet(path) for path in files["predictions"][:4]])
    rho = {
        (member, seed, split, epoch): 100 * spearmanr(part["target"], part["predicted"])[0]
        for (member, seed, split, epoch), part in table.groupby(["member", "seed", "split", "iteration"])
    }

    def best(member: str, by: str) -> float:
        return float(
            np.mean(
                [
                    rho[member, seed, "test", max((1, 2, 3), key=lambda e: (rho[member, seed, by, e], -e))]
                    for seed in (0, 1)
                ]
            )
        )

    for protocol, value in {
        "last_iteration": lambda member: np.mean([rho[member, seed, "test", 3] for seed in (0, 1)]),
        "best_iteration_on_test": lambda member: best(member, "test"),
        "best_on_validation": lambda member: best(member, "validation"),
    }.items():
        ours, beaten = value("attention/1059"), value("c3d_avg/1059")
        found = scores.loc[("C3D + attention", "Sp. Corr.", protocol)]
        assert float(found["value"]) == pytest.approx(ours, abs=1e-6)
        assert json.loads(found["cells"]) == [["attention/1059", "diving"]]
        assert int(found["n"]) == 20
        difference = scores.loc[("C3D + attention", "Less C3D-AVG-STL", protocol)]
        assert float(difference["value"]) == pytest.approx(ours - beaten, abs=1e-6)
        assert float(difference["low"]) <= ours - beaten <= float(difference["high"])
    assert float(scores.loc[("Perfect observer", "Sp. Corr.", ""), "value"]) == pytest.approx(100)
    assert ("Perfect observer", "Less C3D-AVG-STL", "") not in scores.index


def test_the_table_has_reported_only_rows_with_their_reason(tmp_path: Path) -> None:
    files = write(tmp_path)
    call_step(score_table, paper=PAPER, table="table", **files, settings=SETTINGS)
    reported = Path(__file__).parents[2] / "papers" / "extensions" / "tables" / "table.csv"
    outputs = {"csv": tmp_path / "t.csv", "markdown_file": tmp_path / "t.md", "latex_file": tmp_path / "t.tex"}
    sources = {"mtl_aqa_videos": "synthetic", "aqa7_videos": "synthetic", "pretraining_videos": "synthetic"}
    settings = {"scale": "demo", "sources": sources, "scoring": SETTINGS["scoring"]}
    make_table(PAPER, "table", scores=files["scores"], settings=settings, **outputs)
    table = pd.read_csv(outputs["csv"], dtype=str, keep_default_na=False).set_index(["row", "column", "protocol"])
    assert table.loc[("TPT", "Sp. Corr.", ""), "verdict"] == "reported only"
    assert "its authors published" in table.loc[("TPT", "Sp. Corr.", ""), "reason"]
    reasons = pd.read_csv(reported, keep_default_na=False).set_index("row")["reason"]
    assert {row for row, _, _ in table.index[table["verdict"] == "reported only"]} == set(reasons.index[reasons != ""])
    assert table.loc[("USDL", "Sp. Corr.", "last_iteration"), "reported"] == "90.66"
    assert table.loc[("USDL", "Sp. Corr.", "last_iteration"), "verdict"] == "not comparable"
    real = {**settings, "scale": "paper", "sources": dict.fromkeys(sources, "official")}
    make_table(PAPER, "table", scores=files["scores"], settings=real, **outputs)
    table = pd.read_csv(outputs["csv"], dtype=str, keep_default_na=False).set_index(["row", "column", "protocol"])
    assert "I3D" in table.loc[("USDL", "Sp. Corr.", "last_iteration"), "reason"]


def test_what_is_wrong_is_named_together(tmp_path: Path) -> None:
    files = write(tmp_path)
    table = pd.read_parquet(files["predictions"][0])
    table[table["sample"] != "01/015"].to_parquet(files["predictions"][0])
    with pytest.raises(RescoreError) as caught:
        call_step(
            score_table,
            paper=PAPER,
            table="table",
            **{**files, "predictions": [*files["predictions"][:3], files["predictions"][-1]]},
            settings=SETTINGS,
        )
    message = str(caught.value)
    for words in ("usdl/1059: no predictions", "attention/1059: 1 seeds", "01/015"):
        assert words in message
