"""Published labels where they are at hand: the mirror that RESCORE_MIRROR names."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.judging.judge import judge
from rescore.judging.predicted import read_predictions
from rescore.judging.references import DATA, RELEASED, published
from rescore.sources import fetch

MIRROR = fetch.configured_mirror()
OPTIONS = {"replicates": 200, "confidence": 0.95, "seed": 0}
TEST = {"mtl_aqa": 353, "aqa7": 303, "unlv_dive": 70, "rhythmic_gymnastics": 200}


@pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
@pytest.mark.parametrize("name", DATA)
def test_noisy_labels_are_judged_by_their_data_set(tmp_path, name):
    reference = published(name, tmp_path, MIRROR)
    assert len(reference.splits[RELEASED]) == TEST[name]
    test = reference.table[reference.table["sample"].isin(reference.splits[RELEASED])]
    noise = 5 * np.random.default_rng(0).standard_normal(len(test))
    table = pd.DataFrame({"video": test["sample"], "pred": test["score"] + noise})
    table.to_csv(tmp_path / "p.csv", index=False)
    found = judge(read_predictions(tmp_path / "p.csv"), reference, OPTIONS)
    assert [message for message in found.odd if "unit" not in message] == []
    assert found.measures[0].value == pytest.approx(spearmanr(test["score"], table["pred"]).statistic, abs=1e-9)
    if name == "mtl_aqa":
        assert [one.of.partition(",")[0] for one in found.baselines] == [
            "difficulty alone",
            "mean of its event",
            "mean of its dive class",
        ]


@pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
def test_mtl_aqas_other_split_is_named(tmp_path):
    reference = published("mtl_aqa", tmp_path, MIRROR)
    table = reference.table[reference.table["sample"].isin(reference.splits["unlv_dive"])]
    scores = table["score"] + np.arange(len(table)) % 11
    pd.DataFrame({"sample": table["sample"].str.replace("/", "_"), "predicted": scores}).to_csv(
        tmp_path / "p.csv", index=False
    )
    found = judge(read_predictions(tmp_path / "p.csv"), reference, OPTIONS)
    assert any("--split unlv_dive judges by it" in message for message in found.odd)
    found = judge(read_predictions(tmp_path / "p.csv"), reference, OPTIONS, "unlv_dive")
    assert found.odd == ()


def test_labels_that_are_not_here_are_one_command_away(tmp_path):
    with pytest.raises(RescoreError, match="Fetch them: rescore fetch aqa7-lists"):
        published("aqa7", tmp_path)
