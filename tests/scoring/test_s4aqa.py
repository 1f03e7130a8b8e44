"""Scores of semi-supervised systems against scipy; missing data sets, missing draws and wrong values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import read_paper
from rescore.scoring.score_table import score_table

SETTINGS = {
    "seed": 0,
    "first_training": 0,
    "scoring": {"bootstrap": 60, "confidence": 0.95},
    "semi_supervised": {"label_draws": 2},
}
ROOT = Path(__file__).parents[2]
PAPER = ROOT / "papers" / "s4aqa" / "paper.yaml"
DECLARED = read_paper(PAPER).tables
TABLES = tuple(DECLARED)
APPARATUS = {"Ball": "ball", "Clubs": "clubs", "Hoop": "hoop", "Ribbon": "ribbon"}


def write(folder: Path, dataset: str, draws: int = 2) -> tuple[list[Path], Path]:
    """Predictions of every member of a data set with noise of its own, ACTION-NET's in a file of its own, and the rows."""
    random = np.random.default_rng(1)
    actions = ["diving"] if dataset == "mtl_aqa" else list(APPARATUS.values())
    rows = pd.DataFrame(
        [(dataset, f"{action}/{number}", action, "test") for action in actions for number in range(20)],
        columns=["dataset", "sample", "action", "split"],
    ).assign(score=random.normal(60, 10, 20 * len(actions)))
    cells = {(cell.member, cell.action or "diving") for table in DECLARED.values() for cell in table.cells({})}
    parts = []
    for member, action in sorted(cell for cell in cells if cell[0].split("/")[1] == dataset):
        mine = rows[rows["action"] == action]
        single = member.startswith("observer")
        fixed = member.startswith(("svr", "coreg", "label_only", "observer"))
        for seed in range(1 if single else draws):
            for iteration in [0] if fixed else [5, 10]:
                noise = random.normal(0, 1 if single else 12, len(mine))
                about = {
                    "experiment": "s4aqa",
                    "member": member,
                    "seed": seed,
                    "iteration": iteration,
                    "unit": "points",
                }
                parts.append(
                    mine.drop(columns="score").assign(target=mine["score"], predicted=mine["score"] + noise, **about)
                )
    table, paths = pd.concat(parts), []
    is_own = table["member"].str.startswith("action_net/")
    for experiment, mine in (("s4aqa", table[~is_own]), ("action_net", table[is_own].assign(experiment="action_net"))):
        if len(mine):
            paths.append(folder / experiment / dataset / "predictions.parquet")
            paths[-1].parent.mkdir(parents=True)
            mine.to_parquet(paths[-1])
    rows.to_parquet(folder / f"{dataset}.parquet")
    return paths, folder / f"{dataset}.parquet"


def scored(table: str, files: list[tuple[list[Path], Path]], out: Path) -> pd.DataFrame:
    predictions = [path for file in files for path in file[0]]
    score_table(PAPER, table, ScoredFiles(predictions, [file[1] for file in files]), out, SETTINGS)
    return pd.read_csv(out, dtype={"protocol": str, "reason": str}).fillna({"protocol": "", "reason": ""})


def rho(table: pd.DataFrame, member: str, iteration: int, seed: int) -> float:
    mine = table[(table["member"] == member) & (table["iteration"] == iteration) & (table["seed"] == seed)]
    return float(spearmanr(mine["target"], mine["predicted"])[0])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Path], Path]]:
    folder = tmp_path_factory.mktemp("s4aqa")
    return {dataset: write(folder, dataset) for dataset in ("mtl_aqa", "rhythmic_gymnastics")}


def test_every_reported_cell_that_can_be_run_is_scored(files, tmp_path):
    for table in TABLES:
        mine = [pair for dataset, pair in files.items() if table in ("ablation", dataset)]
        found = scored(table, mine, tmp_path / f"{table}.csv")
        reported = pd.read_csv(ROOT / f"papers/s4aqa/tables/{table}.csv", dtype=str)
        wanted = set(zip(reported["row"], reported["column"], strict=True))
        assert wanted <= set(zip(found["row"], found["column"], strict=True))
        assert found["value"].notna().all()
        assert (found["low"] <= found["value"]).all()
        assert not found.duplicated(["row", "column", "protocol"]).any()


def test_a_cell_is_the_mean_of_its_draws(files, tmp_path):
    found = scored("mtl_aqa", [files["mtl_aqa"]], tmp_path / "s.csv").set_index(["row", "column", "protocol"])
    table = pd.read_parquet(files["mtl_aqa"][0][0])
    last = np.mean([rho(table, "s4aqa/mtl_aqa/10", 10, seed) for seed in (0, 1)])
    best = np.mean([max(rho(table, "s4aqa/mtl_aqa/10", at, seed) for at in (5, 10)) for seed in (0, 1)])
    assert found.loc[("S4AQA", "10%", "last_iteration"), "value"] == pytest.approx(last)
    assert found.loc[("S4AQA", "10%", "best_iteration_on_test"), "value"] == pytest.approx(best)
    assert found.loc[("S4AQA", "10%", "last_iteration"), "seeds"] == 2
    assert ("SVR", "40%", "training_set") in found.index
    assert ("COREG", "40%", "") in found.index
    assert found.loc[("Perfect observer", "10%", ""), "seeds"] == 1


def test_averages_over_apparatus_are_fishers(files, tmp_path):
    found = scored("rhythmic_gymnastics", [files["rhythmic_gymnastics"]], tmp_path / "s.csv")
    lines = found[(found["row"] == "VAT") & (found["protocol"] == "last_iteration")].set_index("column")["value"]
    four = lines[list(APPARATUS)].to_numpy()
    assert lines["Avg"] == pytest.approx(np.tanh(np.arctanh(four).mean()))
    ablation = scored("ablation", list(files.values()), tmp_path / "a.csv")
    assert set(ablation["column"]) == {"MTL-AQA 10%", "MTL-AQA 40%", "Rhythmic Gymnastics Avg"}


def test_the_printed_averages_are_fishers_too():
    reported = pd.read_csv(ROOT / "papers/s4aqa/tables/rhythmic_gymnastics.csv").set_index(["row", "column"])["value"]
    for row in reported.index.unique("row"):
        four = np.array([reported[row, column] for column in APPARATUS])
        assert np.tanh(np.arctanh(four).mean()) == pytest.approx(reported[row, "Avg"], abs=0.0011), row


def test_without_gymnastics_its_cells_are_left_out_and_the_paper_says_why(files, tmp_path):
    found = scored("rhythmic_gymnastics", [], tmp_path / "s.csv")
    assert found.empty
    why = {DECLARED["rhythmic_gymnastics"].why_absent(row, "Avg") for row in ("SVR", "S4AQA", "VAT")}
    assert len(why) == 1
    assert "not part of this project" in why.pop()
    ablation = scored("ablation", [files["mtl_aqa"]], tmp_path / "a.csv")
    assert set(ablation["column"]) == {"MTL-AQA 10%", "MTL-AQA 40%"}
    assert "not part of this project" in DECLARED["ablation"].why_absent("AA", "Rhythmic Gymnastics Avg")


def test_without_the_static_stream_action_net_says_why_and_the_others_are_scored(files, tmp_path):
    paths, rows = files["rhythmic_gymnastics"]
    found = scored("rhythmic_gymnastics", [(paths[:1], rows)], tmp_path / "s.csv")
    assert "ACTION-NET" not in set(found["row"])
    assert "action_net.static.directory" in DECLARED["rhythmic_gymnastics"].why_absent("ACTION-NET", "Ball")
    assert found["value"].notna().all()
    whole = scored("rhythmic_gymnastics", [(paths, rows)], tmp_path / "w.csv")
    # No row reads another's.
    pd.testing.assert_frame_equal(found, whole[whole["row"] != "ACTION-NET"].reset_index(drop=True))
    scored_own = whole[whole["row"] == "ACTION-NET"].set_index(["column", "protocol"])["value"]
    table = pd.read_parquet(paths[1])
    last = np.mean([rho(table, "action_net/rhythmic_gymnastics/40/ball", 10, seed) for seed in (0, 1)])
    assert scored_own["Ball", "last_iteration"] == pytest.approx(last)


def test_what_is_wrong_is_said_together(files, tmp_path):
    table = pd.read_parquet(files["mtl_aqa"][0][0])
    table = table[~((table["member"] == "vat/mtl_aqa/10") & (table["seed"] == 1))]
    table = table[table["member"] != "s4l/mtl_aqa/40"]
    table.loc[table["member"] == "usdl/mtl_aqa/10", "target"] /= 100
    path = tmp_path / "mtl_aqa" / "predictions.parquet"
    path.parent.mkdir()
    table.to_parquet(path)
    with pytest.raises(
        RescoreError, match=r"(?s)s4l/mtl_aqa/40: no predictions.*vat/mtl_aqa/10: 1 seeds.*targets differ"
    ):
        scored("mtl_aqa", [([path], files["mtl_aqa"][1])], tmp_path / "s.csv")
    with pytest.raises(RescoreError, match="no scores are declared"):
        scored("table9", [], tmp_path / "s.csv")
