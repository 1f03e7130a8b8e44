import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from rescore.engine.errors import RescoreError
from rescore.systems.common.ridge import choose_and_fit, decompose, held_out_errors

SETTINGS = {"penalties": [0.001, 0.1, 10.0], "folds": 4}


def planted(samples: int, width: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(samples + width)
    inputs = rng.normal(3, 2, (samples, width)) * rng.uniform(0.1, 5, width)
    return inputs, 60 + inputs[:, :3] @ [2.0, -1.0, 0.5] + noise * rng.normal(size=samples)


@pytest.mark.parametrize(("samples", "width"), [(30, 80), (80, 30), (40, 40)])
def test_both_problems_give_what_sklearn_gives(samples: int, width: int) -> None:
    inputs, targets = planted(samples, width)
    model = choose_and_fit(inputs, targets, {"penalties": [0.3], "folds": 4}, 0)
    scaled = (inputs - inputs.mean(0)) / inputs.std(0)
    expected = Ridge(alpha=0.3 * width).fit(scaled, targets).predict(scaled[:7] + 0.5)
    found = model.predict(inputs[:7] + 0.5 * inputs.std(0))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("samples", "width"), [(30, 80), (80, 30)])
@pytest.mark.parametrize("penalty", [0.5, 40.0])
def test_errors_of_a_fold_are_those_of_a_fit_without_it(samples: int, width: int, penalty: float) -> None:
    inputs, targets = planted(samples, width)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    folds = list(KFold(4, shuffle=True, random_state=0).split(inputs))
    found = held_out_errors(decompose(inputs), targets, [held for _, held in folds], penalty)
    for train, held in folds:
        fitted = Ridge(alpha=penalty).fit(inputs[train], targets[train])  # the intercept is fitted anew
        np.testing.assert_allclose(found[held], targets[held] - fitted.predict(inputs[held]), rtol=1e-7, atol=1e-9)


def test_the_penalty_is_the_one_with_the_least_error_out_of_fold() -> None:
    clean, noisy = (choose_and_fit(*planted(60, 20, noise), SETTINGS, 0) for noise in (0.01, 200.0))
    assert (clean.penalty, noisy.penalty) == (0.001, 10.0)
    assert clean.error < 1 < noisy.error


def test_columns_that_do_not_vary_have_no_say() -> None:
    inputs, targets = planted(40, 10)
    constant = np.column_stack([inputs, np.full(40, 0.1), np.zeros(40)])
    one, other = (choose_and_fit(each, targets, SETTINGS, 0) for each in (inputs, constant))
    np.testing.assert_allclose(other.weights, [*one.weights, 0, 0])
    np.testing.assert_allclose(other.predict(constant + 1), one.predict(inputs + 1))


def test_inputs_that_depend_on_one_another_are_fitted() -> None:
    inputs, targets = planted(40, 5)
    doubled = np.column_stack([inputs, inputs])
    np.testing.assert_allclose(
        choose_and_fit(doubled, targets, SETTINGS, 0).predict(doubled),
        choose_and_fit(inputs, targets, SETTINGS, 0).predict(inputs),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:4], y[:4]), "4 training samples for 4 folds"),
        (lambda x, y: (x, y[1:]), "40 rows of inputs but 39 targets"),
        (lambda x, y: (np.where(x > x[0, 0], np.nan, x), y), "not finite"),
        (lambda x, y: (x, np.ones_like(y)), "nothing to learn"),
        (lambda x, y: (np.ones_like(x), y), "nothing to learn"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message: str) -> None:
    with pytest.raises(RescoreError, match=message):
        choose_and_fit(*change(*planted(40, 5)), SETTINGS, 0)
