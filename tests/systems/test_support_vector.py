import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from rescore.engine.errors import RescoreError
from rescore.systems.common.support_vector import choose_and_fit, cross_validate, fit_predict

SETTINGS = {
    "kernels": ["linear", "rbf"],
    "c": [0.01, 1.0, 10.0],
    "epsilon": [0.05, 0.5],
    "folds": 4,
    "max_iterations": 1_000_000,
}


def planted(samples: int = 90, width: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(samples, width))
    return features, 60 + 10 * features[:, 0] + rng.normal(size=samples)


def test_learns_a_linear_score_in_points() -> None:
    features, scores = planted()
    predicted, chosen = fit_predict(features[:60], scores[:60], features[60:], SETTINGS, 0)
    assert chosen["kernel"] == "linear"
    assert np.corrcoef(predicted, scores[60:])[0, 1] > 0.95
    assert np.abs(predicted - scores[60:]).mean() < 3


def test_learns_a_curved_score_with_the_radial_kernel() -> None:
    features = np.random.default_rng(0).normal(size=(200, 2))
    scores = np.square(features).sum(1)
    model = choose_and_fit(features[:150], scores[:150], SETTINGS, 0)
    assert model.best_params["kernel"] == "rbf"
    assert np.corrcoef(model.predict(features[150:]), scores[150:])[0, 1] > 0.8


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_cross_validation_equals_a_pipeline_per_fold(kernel: str) -> None:
    features, scores = planted(40)
    folds = list(KFold(4, shuffle=True, random_state=0).split(features))
    one = {**SETTINGS, "kernels": [kernel], "c": [1.0], "epsilon": [0.05]}
    expected = np.empty(40)
    for train, held_out in folds:
        pipeline = make_pipeline(StandardScaler(), SVR(kernel=kernel, C=1.0, epsilon=0.05))
        expected[held_out] = pipeline.fit(features[train], scores[train] / 10).predict(features[held_out])
    rank = np.argsort(np.argsort(expected)), np.argsort(np.argsort(scores))
    found = cross_validate(features, scores / 10, folds, one)[kernel, 1.0, 0.05]
    assert found == pytest.approx(np.corrcoef(*rank)[0, 1], abs=1e-6)


def test_equal_seeds_give_equal_models() -> None:
    features, scores = planted()
    first, second = (choose_and_fit(features, scores, SETTINGS, 3) for _ in range(2))
    assert first.best_params == second.best_params
    assert np.array_equal(first.predict(features), second.predict(features))


def test_bad_training_sets_are_refused() -> None:
    features, scores = planted(20)
    broken, unknown = features.copy(), scores.copy()
    broken[4, 2] = np.nan
    unknown[7] = np.nan
    for x, y, settings, message in (
        (broken, scores, SETTINGS, r"features of training rows \[4\]"),
        (features, unknown, SETTINGS, r"scores of training rows \[7\]"),
        (features[:3], scores[:3], SETTINGS, "3 training samples for 4 folds"),
        (features, np.ones(20), SETTINGS, "equal"),
        (features, scores[:5], SETTINGS, "20 feature rows but 5 scores"),
        (features, scores, {**SETTINGS, "kernels": ["poly"]}, "unknown kernel 'poly'"),
    ):
        with pytest.raises(RescoreError, match=message):
            choose_and_fit(x, y, settings, 0)


def test_steps_have_an_end() -> None:
    features, scores = planted(60, 3)
    scores = scores + np.random.default_rng(1).normal(scale=20, size=60)
    hard = {"kernels": ["linear"], "c": [1000.0], "epsilon": [0.01], "folds": 3}
    ended = choose_and_fit(features, scores, {**hard, "max_iterations": 50}, 0)
    assert ended.pipeline[-1].n_iter_ == 50
    assert choose_and_fit(features, scores, {**hard, "max_iterations": 1000}, 0).pipeline[-1].n_iter_ > 50
    assert np.isfinite(ended.predict(features)).all()
