"""Statistics of logs and predictions, by hand and held against independent code on the released files themselves."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.released import cells
from rescore.scoring.released.collect import LOG_COLUMNS, collect
from rescore.scoring.released.declared import declared_files, read_declared
from rescore.sources.catalogue import BY_NAME

MIRROR = os.environ.get("RESCORE_MIRROR")
PAPERS = Path(__file__).parents[3] / "papers"
SETTINGS = {"seed": 0, "scoring": {"bootstrap": 200, "confidence": 0.95}}


def points(values: dict[tuple[int, int], list[float]], statistic: str = "rho") -> pd.DataFrame:
    """Points of a log from its values by (run, fold), epoch by epoch."""
    rows = [
        ("p/n", "S", "D", "authors", f"fold_{fold}.log", 10, run, fold, epoch, statistic, value, epoch + 1)
        for (run, fold), series in values.items()
        for epoch, value in enumerate(series)
    ]
    return pd.DataFrame(rows, columns=LOG_COLUMNS)


def test_folds_are_averaged_before_an_epoch_is_chosen_and_runs_after():
    table = points({(0, 0): [0.9, 0.1], (0, 1): [0.1, 0.5], (1, 0): [0.2, 0.4], (1, 1): [0.2, 0.6]})
    best = cells.chosen_of(table, "rho", "rho", "log_best_epoch_on_test")
    assert (best.value, best.samples, best.runs) == (pytest.approx((0.5 + 0.5) / 2), 20, 2)
    assert cells.chosen_of(table, "rho", "rho", "log_last_epoch").value == pytest.approx((0.3 + 0.5) / 2)
    assert cells.chosen_of(table, "rho", "rho", "log_mean_of_last_ten") == "2 epochs, fewer than 10"


def test_a_statistic_at_anothers_best_epoch_and_nan_is_no_best():
    table = pd.concat([points({(0, 0): [np.nan, 0.7, 0.6]}), points({(0, 0): [0.1, 0.4, 0.3]}, "relative_l2")])
    assert cells.chosen_of(table, "relative_l2", "rho", "log_best_epoch_on_test").value == 0.4
    assert cells.chosen_of(table, "relative_l2", "relative_l2", "log_best_epoch_on_test").value == 0.1
    nothing = points({(0, 0): [np.nan, np.nan]})
    assert cells.chosen_of(nothing, "rho", "rho", "log_best_epoch_on_test") == "rho is NaN in every epoch"


def test_declarations_say_everything_that_is_wrong_at_once(tmp_path):
    (tmp_path / "released.yaml").write_text(
        "logs:\n"
        "  one: {source: released-musld, file: a, system: S, data: D, samples: [1], values: {rho: {pattern: 'x'}}}\n"
        "  two: {source: released-musdl, file: a, system: S, data: D, samples: [1, 2], values: {rho: {pattern: '(?P<value>)'}}}\n"
        "  three: {source: released-musld, file: a, system: S, data: D, samples: [1], values: {rho: {pattern: '(?P<value>.)'}}}\n"
        "tables:\n"
        "  t: [{rows: {R: {}}, columns: {C: {}}, log: four}]\n"
    )
    with pytest.raises(RescoreError) as error:
        read_declared(tmp_path / "released.yaml")
    said = str(error.value)
    for part in (
        "logs, one: 'x' has no group (?P<value>...)",
        "logs, two: 2 numbers of samples for 1 folds",
        "no source 'released-musld'",
        "tables, t: R / C: no log 'four'",
    ):
        assert part in said


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The scores of every table, by paper and table, from the released files."""
    if not MIRROR or not (Path(MIRROR) / "released").is_dir():
        pytest.skip("no released files under RESCORE_MIRROR")
    folder = tmp_path_factory.mktemp("released")
    declared = declared_files(PAPERS)
    names = {name for path in declared for name in read_declared(path).sources}
    for name in names:  # as fetched: a folder of the source's name
        (folder / name).symlink_to(Path(MIRROR) / str(BY_NAME[name].mirror))
    files = [folder / name for name in ("points.parquet", "predictions.parquet", "findings.csv")]
    collect(declared, [folder / name for name in sorted(names)], *files)
    found = {}
    for path in declared:
        for table in read_declared(path).tables:
            cells.score_released(path, *files, folder / "scores.csv", table, SETTINGS)
            scores = pd.read_csv(folder / "scores.csv")
            found[path.parent.name, table] = scores.set_index(["row", "column", "protocol"])["value"]
    return found


def raw(name: str) -> Path:
    return Path(str(MIRROR)) / "released" / name


def test_a_dozen_cells_by_independent_code_on_the_raw_files(scored):
    """Regular expressions, NumPy's own reader and SciPy; nothing of the project's."""
    for network in ("USDL", "MUSDL"):
        for task, column in (
            ("Suturing", "Suturing"),
            ("Needle_Passing", "Needle Passing"),
            ("Knot_Tying", "Knot Tying"),
        ):
            text = (raw("nzl-thu__MUSDL") / f"JIGSAWS/exp/{network}/{task}/avg.log").read_text()
            runs = re.split(r"-+exp\d+-+", text)[1:]  # the authors' own averages over folds
            values = np.array(
                [[float(word) for word in re.findall(r"test correlation: (\S+)\n", run)][:80] for run in runs]
            )
            mine = scored["musdl", "jigsaws"][network, column]
            assert mine["log_mean_of_last_ten"] == pytest.approx(values[:, -10:].mean(), abs=1e-9)
            assert mine["log_best_epoch_on_test"] == pytest.approx(np.nanmax(values, axis=1).mean(), abs=1e-9)
    folder = raw("Angel-1999__MCoRe") / "experiments/FineDiving/w_DN/rny002_gsm_gru_0127_1942"
    predicted, target = np.load(folder / "pred.npy"), np.load(folder / "true.npy")
    mcore = scored["mcore", "finediving"]["MCoRe"]
    assert mcore["Sp. Corr.", "released_predictions"] == pytest.approx(spearmanr(predicted, target).statistic, abs=1e-9)
    distance = 100 * np.mean(((predicted - target) / (target.max() - target.min())) ** 2)
    assert mcore["Relative L2 (x100)", "released_predictions"] == pytest.approx(distance, abs=1e-9)
    log = (raw("abrarmajeedi__rica2_aqa") / "aqa_logs/mtl_deter.log").read_text(encoding="utf-8")
    said = float(re.findall(r"^Best SRCC: ([\d.]+)$", log, re.MULTILINE)[-1])  # as the log sums itself up
    rica2 = scored["rica2", "mtl_aqa"]["RICA2, deterministic", "Sp. Corr."]
    assert rica2["log_best_epoch_on_test"] == pytest.approx(said / 100, abs=1e-9)
    ball = (raw("ZhouKanglei__CoFInAl_AQA") / "temp_log/RG/VST/cofinal/train_log-cofinal-Ball.txt").read_text()
    cofinal = scored["cofinal", "rhythmic_gymnastics"]["CoFInAl", "Ball"]
    best = float(re.findall(r"Best Test Coef: ([\d.]+)", ball)[-1])
    assert cofinal["log_best_epoch_on_test"] == pytest.approx(best, abs=1e-9)


def test_the_paths_of_jigsaws_by_independent_code(scored):
    """Object arrays by NumPy's own reader: this test trusts the mirror, whose checksums the catalogue has."""
    labels = np.load(raw("nzl-thu__MUSDL") / "JIGSAWS/data/info/label.pkl", allow_pickle=True, encoding="latin1")
    folder = raw("Finspire13__Towards-Unified-Surgical-Skill-Assessment") / "pre_result"
    for place, row in enumerate(("VTPE", "Tool path", "Visual path", "Proxy path", "Event path")):
        values = []
        for fold in range(4):
            path = folder / f"JIGSAWS_TVPE_4FOLD_Knot_Tying_{fold}/test_preds-epoch950.npy"
            entries = np.load(path, allow_pickle=True).item()
            predicted = [float(np.ravel(entry)[place]) for entry in entries.values()]
            target = [sum(labels[name.rsplit("_", 1)[0]]) for name in entries]
            values.append(spearmanr(predicted, target).statistic)
        mine = scored["vtpe", "jigsaws"][row, "Knot Tying", "released_predictions"]
        assert mine == pytest.approx(np.mean(values), abs=1e-9)
