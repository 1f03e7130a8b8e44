"""The file of variances over trainings: measured from predictions, read where a member was trained once, refused where wrong."""

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.correlation import Trained, estimate_spearman
from rescore.scoring.intervals import TrainingVariance, sampling_covariance
from rescore.scoring.measured_variance import measure_variance
from rescore.scoring.training_variance import (
    COLUMNS,
    pooled,
    read_variances,
    trained,
    with_variances,
)
from rescore.systems.trainings import family_of
from tests.mtl_aqa_files import SETTINGS, files_of, write_files

LINE = {
    "family": "c3d_avg",
    "statistic": "spearman",
    "mean_square": 0.02,
    "degrees": 4,
    "shared": 0.8,
    "sampling": 0.01,
}
REST = {"trainings": 5, "n": 106, "measured_on": "c3d_avg/score/1059"}


def write(path, *changes):
    pd.DataFrame([LINE | REST | change for change in changes or ({},)])[COLUMNS].to_csv(path, index=False)
    return path


def test_a_file_is_read_by_family_and_statistic(tmp_path):
    path = write(tmp_path / "demo.csv", {}, {"statistic": "accuracy", "mean_square": 0.03})
    settings = with_variances({"seed": 0}, [path])
    assert settings["variances"]["c3d_avg", "accuracy"].mean_square == 0.03
    known = trained("c3d_avg/score/140", [3], "spearman", settings)
    assert known == Trained((3,), TrainingVariance(0.02, 4, 0.8, 0.01))
    assert trained("mscadc/score/1059", [0], "spearman", settings) == Trained((0,))
    assert trained("observer/1059", [0], "spearman", settings) == Trained()
    assert with_variances({}, None)["variances"] == with_variances({}, [])["variances"] == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([{}, {}], r"line 3 \(c3d_avg, spearman\): this family and statistic stand twice"),
        ([{"mean_square": "x"}], "line 2 .*: mean_square, degrees, shared and sampling are numbers"),
        (
            [{"shared": 1.2}, {"family": "li", "degrees": 0}],
            "(?s)line 2 .*shared from 0 to 1.*line 3 .*degrees above 0",
        ),
    ],
)
def test_what_is_no_variance_is_named_by_line(tmp_path, changes, said):
    with pytest.raises(RescoreError, match=said):
        read_variances(write(tmp_path / "demo.csv", *changes))


def test_a_file_of_another_form_is_refused(tmp_path):
    pd.DataFrame([LINE]).to_csv(tmp_path / "demo.csv", index=False)
    with pytest.raises(RescoreError, match="no column 'trainings'"):
        read_variances(tmp_path / "demo.csv")


def test_families():
    settings = {
        "extensions": {"systems": [{"name": "attention", "head": "regression"}, {"name": "core", "head": "core"}]}
    }
    named = {
        "c3d_avg/score_classes_caption/450": "c3d_avg",
        "c3d_avg/1059": "extensions/regression",  # the row to beat, where it is trained as the extensions are
        "attention/1059": "extensions/regression",
        "core/1059": "extensions/core",
        "classes/dives/c3": "classes/dives",
        "s3d/1059": "s3d",
    }
    assert {member: family_of(member, settings) for member in named} == named


def test_pooling_by_hand():
    generator = np.random.default_rng(0)
    estimates = []
    for trainings in (5, 3):
        target = np.tile(generator.normal(size=30), (trainings, 1))
        predicted = target + generator.normal(size=(trainings, 30))
        names = np.tile(np.array([f"s{number:02d}" for number in range(30)], dtype=object), (trainings, 1))
        whose = Trained(tuple(range(trainings)))
        estimates.append((f"m{trainings}", estimate_spearman(target, predicted, names, whose, 10, 0)))
    line = pooled("f", "spearman", estimates)
    squares = [np.arctanh(estimate.values).var(ddof=1) for _, estimate in estimates]
    assert line["mean_square"] == pytest.approx((4 * squares[0] + 2 * squares[1]) / 6)
    assert (line["degrees"], line["trainings"], line["measured_on"]) == (4, 5, "m5 m3")
    slopes = [1 / (1 - estimate.values**2) for _, estimate in estimates]
    parts = [sampling_covariance(slope[:, None] * e.influence) for slope, (_, e) in zip(slopes, estimates, strict=True)]
    sampling, common = ((4 * parts[0][i] + 2 * parts[1][i]) / 6 for i in (0, 1))
    assert (line["sampling"], line["shared"]) == pytest.approx((sampling, common / sampling))
    assert pooled("f", "spearman", []) is None


def test_it_is_measured_from_files_and_read_back(tmp_path):
    files = write_files(tmp_path)
    member = "c3d_avg/score_classes_caption/1059"
    parts = {kind: files_of(files, kind, member) for kind in ("predictions", "classes", "captions")}
    settings = SETTINGS | {"extensions": {"systems": []}}
    measure_variance(rows=files.rows, variance=tmp_path / "demo.csv", settings=settings, **parts)
    found = read_variances(tmp_path / "demo.csv")
    assert {family for family, _ in found} == {"c3d_avg"}
    assert {"spearman", "accuracy", "rmse", "bleu_1", "cider"} <= {statistic for _, statistic in found}
    assert all(line.degrees == 1 and line.mean_square >= 0 for line in found.values())
    once = [path for path in parts["predictions"] if (pd.read_parquet(path)["seed"] == 0).all()]
    with pytest.raises(RescoreError, match="no member was trained more than once"):
        measure_variance(once, files.rows, tmp_path / "none.csv", settings)
