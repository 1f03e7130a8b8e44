"""Predictors without video: the real annotations, and what must not leak from test to training."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.systems.common.label_regression import fit, words_without_numbers
from rescore.systems.mtl_aqa_labels import predict as mtl_aqa_labels
from rescore.systems.mtl_aqa_labels.predict import MEMBERS

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
SETTINGS: dict[str, Any] = {"seed": 0, "ridge": {"penalties": [0.3, 3.0], "folds": 2}}


def dives(count: int = 40) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "difficulty": generator.choice([2.8, 3.2, 3.6], count),
            "position": "tuck",
            "armstand": False,
            "rotation_type": generator.choice(["inward", "reverse"], count),
            "somersaults": 3.5,
            "twists": 0.0,
            "event": generator.choice(["01", "02"], count),
            "caption": ["nice entry" if number % 2 else "big splash" for number in range(count)],
            "score": [80.0 if number % 2 else 40.0 for number in range(count)],
        }
    )


@needs_mirror
def test_real_annotations_give_the_known_figures(tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("predictions.parquet", "choice.json", "findings.csv")]
    mtl_aqa_labels.run(Path(str(MIRROR)) / "mtl_aqa", *outputs, SETTINGS)
    table = pd.read_parquet(outputs[0])
    rho = {
        member: spearmanr(group["target"], group["predicted"])[0]
        for member, group in table.groupby("member", sort=True)
    }
    known = {"difficulty": 0.56, "dive_class": 0.59, "event": 0.64, "commentary": 0.72, "combination": 0.82}
    assert {member: rho[member] for member in known} == pytest.approx(known, abs=0.02)
    assert rho["difficulty"] < rho["commentary_without_numbers"] < rho["commentary"]
    assert (table.groupby("member").size() == 353).all()
    assert set(json.loads(outputs[1].read_text())["members"]) == set(MEMBERS)
    assert len(pd.read_csv(outputs[2])) == 4


def test_words_of_the_commentary_are_what_is_learnt() -> None:
    train = dives()
    predicted = fit(train, ("commentary",), SETTINGS).predict(train)
    assert predicted[train["score"] == 80].min() > predicted[train["score"] == 40].max()


def test_the_vocabulary_comes_from_the_training_commentary_only() -> None:
    search = fit(dives(), ("commentary",), SETTINGS)
    vocabulary = search.best_estimator_[0].named_transformers_["commentary"].vocabulary_
    assert set(vocabulary) == {"nice", "entry", "big", "splash"}
    unseen = dives(2).assign(caption="unheard words", event="99", position="pike")
    assert np.isfinite(search.predict(unseen)).all()
    assert np.isfinite(fit(dives(), MEMBERS["combination"], SETTINGS).predict(unseen)).all()


@pytest.mark.parametrize(
    ("caption", "left"),
    [
        ("three point two tariffs", ["tariffs"]),
        ("plenty of nines he scored 88 or 7.5's", ["plenty", "of", "he", "scored", "or"]),
        ("sixty-four somersaults someone weighs", ["somersaults", "someone", "weighs"]),
    ],
)
def test_numbers_are_left_out(caption: str, left: list[str]) -> None:
    assert words_without_numbers(caption) == left


def test_fewer_dives_than_folds_are_refused() -> None:
    with pytest.raises(RescoreError, match=r"ridge\.folds"):
        fit(dives(1), ("difficulty",), SETTINGS)
