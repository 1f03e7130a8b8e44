"""The notebook runs from top to bottom on predictions as experiments write them, and its numbers are the package's."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

NOTEBOOK = Path("notebooks/predictions.ipynb")
ACTIONS = ("diving", "gymvault")


def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def predictions(path):
    """40 samples an action, two seeds, two iterations; the all-action member is the better one."""
    generator, rows = np.random.default_rng(0), []
    for action in ACTIONS:
        target = generator.normal(70, 10, 40)
        for member, noise in (("all", 2), (f"single/{action}", 30)):
            for seed in (0, 1):
                for iteration, more in ((1, 100), (2, noise)):
                    for number, predicted in enumerate(target + generator.normal(0, more, 40)):
                        sample = f"{action}/{number:03}"
                        values = (member, seed, iteration, sample, action, target[number], predicted)
                        rows.append(values)
    names = ["member", "seed", "iteration", "sample", "action", "target", "predicted"]
    table = pd.DataFrame(rows, columns=names).assign(experiment="all_action", dataset="x", split="test", unit="points")
    table.to_parquet(path)
    return table


def run(folder, kernel):
    """Run the notebook's cells in one process: by Jupyter's own kernel, or as the script that they make together."""
    environment = os.environ | {
        "PREDICTIONS": str(folder / "predictions.parquet"),
        "OUTPUT": str(folder),
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(Path("src").absolute()),
    }
    if kernel:
        script = (
            "import sys, nbformat, nbclient\n"
            "nbclient.NotebookClient(nbformat.read(sys.argv[1], 4), timeout=600).execute()"
        )
    else:
        script = "\n".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code")
    done = subprocess.run(
        [sys.executable, "-c", script, str(NOTEBOOK)], env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kernel", [False, True], ids=["as a script", "by nbclient"])
def test_the_notebook_gives_a_table_a_test_and_a_figure(tmp_path, kernel):
    if kernel and not (importlib.util.find_spec("nbclient") and importlib.util.find_spec("ipykernel")):
        pytest.skip("pip install -r requirements/notebook.lock")
    written = predictions(tmp_path / "predictions.parquet")
    run(tmp_path, kernel)
    table = pd.read_csv(tmp_path / "correlations.csv").set_index(["member", "action"])
    last = written[(written["iteration"] == 2) & (written["member"] == "all") & (written["action"] == "diving")]
    expected = np.mean([spearmanr(part["target"], part["predicted"]).statistic for _, part in last.groupby("seed")])
    assert table.loc[("all-action", "diving"), "rho"] == pytest.approx(expected)
    assert (table["low"] < table["rho"]).all()
    tests = pd.read_csv(tmp_path / "differences.csv")
    assert list(tests["action"]) == list(ACTIONS)
    assert (tests["p_holm"] < 0.05).all()
    assert (tests["difference"] > 0).all()
    assert (tmp_path / "correlations.svg").read_text().startswith("<?xml")


def test_no_output_is_kept_that_could_be_of_other_predictions():
    assert all(
        not cell["outputs"] and cell["execution_count"] is None for cell in cells() if cell["cell_type"] == "code"
    )
