"""The three experiments on small planted features: what they train, what they predict, what they refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, sha256_file
from rescore.systems.aqa7_lstm import all_action, fine_tuning, zero_shot
from rescore.systems.common.samples import PREDICTION_COLUMNS, read_samples

LSTM = {
    "width": 8,
    "initial_sd": 0.1,
    "learning_rate": 0.005,
    "anneal_every": 200,
    "anneal_factor": 0.5,
    "iterations": 200,
    "batch": 15,
    "evaluate_every": 100,
    "checkpoint_every": 100,
}
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "seeds": 2,
    "backbone": {"test_offset": 0, "weights": "pretrained"},
    "lstm": LSTM,
    "fine_tuning": {
        "training_samples": {"default": [10, 20], "synchronised": [5, 10]},
        "iterations": {"default": [20, 40], "synchronised": [10, 20]},
        "anneal_every": {"default": [10, 20], "synchronised": [5, 10]},
        "test_samples": 12,
        "evaluate_every": 10,
    },
    "support_vector_regression": {
        "kernels": ["linear"],
        "c": [0.01, 1.0],
        "epsilon": [0.1],
        "folds": 3,
        "max_iterations": 100000,
    },
}
TRAIN, TEST = 30, 12


GIVEN: dict[str, Any] = {**SETTINGS, "backbone": {"test_offset": 0, "weights": "sports1m"}}
"""With public weights: one backbone for all trainings."""


def write_features(folder: Path, actions: tuple[str, ...] = (*EXPERIMENT_ACTIONS, "trampoline")) -> dict[str, Any]:
    """Features of two backbones in which one shared direction carries the quality of every action, and scores on scales of
    their own."""
    rng = np.random.default_rng(0)
    rows, qualities = [], []
    for number, action in enumerate(actions):
        for index in range(TRAIN + TEST):
            qualities.append(rng.normal())
            split = "train" if index < TRAIN else "test"
            score = 3 * (number + 1) * (4 + qualities[-1])
            rows.append(
                {"dataset": "aqa7", "sample": f"{action}/{index:03d}", "action": action}
                | {"split": split, "score": score}
            )
    for number in (0, 1):
        features = rng.normal(size=(len(rows), 2, 6, 10))
        features[..., :4] += np.array(qualities)[:, None, None, None]
        np.save(folder / f"{number}.npy", features.astype(np.float16))
    pd.DataFrame(rows).to_parquet(folder / "aqa7.parquet")
    return inputs_of(folder)


def inputs_of(folder: Path) -> dict[str, Any]:
    return {"features": [folder / "0.npy", folder / "1.npy"], "rows": folder / "aqa7.parquet"}


def outputs(folder: Path) -> dict[str, Path]:
    return {"predictions": folder / "predictions.parquet", "members": folder / "members.safetensors"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three experiments, run once."""
    folder = tmp_path_factory.mktemp("aqa7")
    inputs = write_features(folder)
    all_action.run(**inputs, **outputs(folder / "all_action"), settings=SETTINGS, backbone=inputs["features"])
    zero_shot.run(**inputs, **outputs(folder / "zero_shot"), settings=SETTINGS)
    initial = folder / "zero_shot/members.safetensors"
    fine_tuning.run(**inputs, initial=initial, **outputs(folder / "fine_tuning"), settings=SETTINGS)
    return folder


def read(runs: Path, experiment: str) -> pd.DataFrame:
    return pd.read_parquet(runs / experiment / "predictions.parquet")


def rho(table: pd.DataFrame, member: str, action: str, iteration: int | None = None) -> float:
    """Mean over seeds of Spearman's rho after an iteration, or after the last."""
    part = table[(table["member"] == member) & (table["action"] == action)]
    part = part[part["iteration"] == (part["iteration"].max() if iteration is None else iteration)]
    return float(np.mean([spearmanr(g["target"], g["predicted"])[0] for _, g in part.groupby("seed")]))


def test_predictions_keep_the_contract(runs: Path) -> None:
    for experiment in ("all_action", "zero_shot", "fine_tuning"):
        table = read(runs, experiment)
        assert tuple(table.columns) == PREDICTION_COLUMNS
        assert not table.duplicated(["member", "seed", "iteration", "sample"]).any()
        assert np.isfinite(table[["target", "predicted"]].to_numpy()).all()
        assert set(table["unit"]) == {"points"}
        assert set(table["split"]) == {"test"}
        assert "trampoline" not in set(table["action"])
        assert not list((runs / experiment).glob("*.restart"))


def test_table_2_members_and_samples(runs: Path) -> None:
    table = read(runs, "all_action")
    singles = {f"single/{action}" for action in EXPERIMENT_ACTIONS}
    machines = {f"svr/{action}" for action in EXPERIMENT_ACTIONS}
    assert set(table["member"]) == singles | machines | {"all"}
    counts = table.groupby(["member", "seed", "iteration"]).size()
    assert {counts[name, 1, 200] for name in singles | {"all"}} == {6 * TEST}
    assert {counts[name, 0, 0] for name in machines} == {TEST}
    assert set(table.loc[table["member"] == "all", "iteration"]) == {100, 200}


def test_planted_signal_is_learned_and_points_come_back(runs: Path) -> None:
    table = read(runs, "all_action")
    for action in EXPERIMENT_ACTIONS:
        assert rho(table, "all", action) > 0.7
        assert rho(table, f"single/{action}", action) > 0.6
        assert rho(table, f"svr/{action}", action) > 0.7
    last = table[(table["member"] == "all") & (table["iteration"] == 200)]
    # Scores lie at four standard deviations: predictions that were not multiplied back would be off by most of that.
    errors = (last["predicted"] - last["target"]).abs().groupby(last["action"]).mean()
    assert (errors < 1.5 * last.groupby("action")["target"].std()).all()


def test_transfer_to_an_unseen_action_and_none_from_random_weights(runs: Path) -> None:
    table = read(runs, "zero_shot")
    assert set(table["member"]) == {"random"} | {f"without/{action}" for action in EXPERIMENT_ACTIONS}
    assert set(table.loc[table["member"] == "random", "iteration"]) == {0}
    transfer = [rho(table, f"without/{action}", action) for action in EXPERIMENT_ACTIONS]
    assert min(transfer) > 0.6
    for name, group in table[table["member"] != "random"].groupby("member"):
        assert set(group["action"]) == {str(name).split("/")[1]}
    assert len(table[table["member"] == "random"]) == 2 * 6 * TEST


def test_fine_tuning_draws_and_starts(runs: Path) -> None:
    table = read(runs, "fine_tuning")
    assert len(set(table["member"])) == 6 * 2 * 2
    long = table[table["member"] == "fine_tuned/diving/20/multi_action"]
    assert sorted(set(long["iteration"])) == [0, 10, 20, 30, 40]
    tested = {
        size: set(table.loc[(table["member"] == f"fine_tuned/diving/{size}/random") & (table["seed"] == 0), "sample"])
        for size in (10, 20)
    }
    assert tested[10] == tested[20]
    assert len(tested[10]) == 12
    # The multi-action start already knows the shared quality; a random one does not.
    starts = {
        start: np.mean([rho(table, f"fine_tuned/{a}/{n}/{start}", a, 0) for a, n in (("diving", 20), ("skiing", 20))])
        for start in ("random", "multi_action")
    }
    assert starts["multi_action"] > 0.6
    assert starts["multi_action"] > starts["random"]


def test_draws_are_nested_and_disjoint_from_the_test(tmp_path: Path) -> None:
    samples = read_samples(**write_features(tmp_path), numbers=[0, 1], settings=SETTINGS)
    small, test = fine_tuning.draw(samples, "diving", 10, 12, 0)
    large, again = fine_tuning.draw(samples, "diving", 20, 12, 0)
    assert np.array_equal(small, large[:10])
    assert np.array_equal(test, again)
    assert not set(large) & set(test)
    assert not np.array_equal(test, fine_tuning.draw(samples, "diving", 10, 12, 1)[1])


def test_checkpoint_names_members_parameters_and_hashes(runs: Path) -> None:
    arrays, header = load_arrays(runs / "all_action/members.safetensors")
    assert len(header["members"]) == 14 == len(arrays["fc.bias"])
    assert header["members"][-1]["member"] == "all"
    assert header["members"][0]["score_sd"]["diving"] == pytest.approx(3, rel=0.5)
    assert header["settings"]["lstm"] == LSTM
    assert header["backbone_sha256"] == {str(k): sha256_file(runs / f"{k}.npy") for k in (0, 1)}
    assert header["features_sha256"] == header["backbone_sha256"]  # the test's backbones are its files of features
    assert len(header["rows_sha256"]) == 64
    assert "code" not in header  # it stands in the step's record: equal weights are equal files
    assert header["support_vector_regression"]["diving, seed 1"]["kernel"] == "linear"
    tuned = load_arrays(runs / "fine_tuning/members.safetensors")[1]["members"][0]
    assert set(tuned["score_sd"]) == {"diving"}


def test_same_seed_gives_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    inputs = inputs_of(runs)
    zero_shot.run(**inputs, **outputs(tmp_path), settings=SETTINGS)
    for name in ("predictions.parquet", "members.safetensors"):
        assert (tmp_path / name).read_bytes() == (runs / "zero_shot" / name).read_bytes()


def test_too_few_samples_are_named_together(runs: Path, tmp_path: Path) -> None:
    sizes = {"default": [25, 40], "synchronised": [5, 10]}
    settings = {**SETTINGS, "fine_tuning": {**SETTINGS["fine_tuning"], "training_samples": sizes}}
    inputs = inputs_of(runs)
    initial = runs / "zero_shot/members.safetensors"
    with pytest.raises(RescoreError, match=r"diving: 42 samples, 40 \+ 12 for testing needed") as caught:
        fine_tuning.run(**inputs, initial=initial, **outputs(tmp_path), settings=settings)
    assert "snowboard" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_pretrained_checkpoint_missing_corrupt_or_of_other_seeds(runs: Path, tmp_path: Path) -> None:
    inputs = inputs_of(runs)
    corrupt = tmp_path / "corrupt.safetensors"
    corrupt.write_bytes((runs / "zero_shot/members.safetensors").read_bytes()[:200])
    for initial, settings, message in (
        (tmp_path / "none.safetensors", SETTINGS, "no such checkpoint"),
        (corrupt, SETTINGS, "not a readable safetensors file"),
        (runs / "zero_shot/members.safetensors", {**GIVEN, "seeds": 3}, r"without/diving \(seed 2\)"),
        (runs / "zero_shot/members.safetensors", {**SETTINGS, "lstm": {**LSTM, "width": 4}}, "lstm.width 4"),
    ):
        given = inputs | {"features": inputs["features"][: 1 if settings["seeds"] == 3 else 2]}
        with pytest.raises(RescoreError, match=message):
            fine_tuning.run(**given, initial=initial, **outputs(tmp_path / "out"), settings=settings)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", np.nan, r"row 3 \(diving/003\): score is not finite"),
        ("action", "curling", r"row 3 \(diving/003\): unknown action"),
        ("split", "validation", "split is neither train nor test"),
        ("sample", "diving/004", "sample appears twice"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, column: str, value: object, message: str) -> None:
    inputs = write_features(tmp_path)
    table = pd.read_parquet(inputs["rows"])
    table.loc[3, column] = value
    table.to_parquet(inputs["rows"])
    with pytest.raises(RescoreError, match=message):
        zero_shot.run(**inputs, **outputs(tmp_path), settings=SETTINGS)


def test_missing_actions_and_files_are_named(tmp_path: Path) -> None:
    inputs = write_features(tmp_path, EXPERIMENT_ACTIONS[:5])
    with pytest.raises(RescoreError, match="sync_diving_10m: no train samples"):
        read_samples(**inputs, numbers=[0, 1], settings=SETTINGS)
    inputs = write_features(tmp_path)
    with pytest.raises(RescoreError, match="no such file"):
        read_samples([tmp_path / "none.npy"], inputs["rows"], [0], SETTINGS)
    inputs["features"][1].write_bytes(b"\x93NUMPY")
    with pytest.raises(RescoreError, match=r"1.npy: not a readable"):
        read_samples(**inputs, numbers=[0, 1], settings=SETTINGS)
    np.save(inputs["features"][1], np.zeros((3, 2, 6, 10), np.float16))
    with pytest.raises(RescoreError, match=r"shape \(3, 2, 6, 10\) for 294 rows"):
        read_samples(**inputs, numbers=[0, 1], settings=SETTINGS)


def test_features_that_are_not_finite_are_named(tmp_path: Path) -> None:
    inputs = write_features(tmp_path)
    features = np.load(inputs["features"][1])
    features[2, 1, 3, 0] = np.nan
    np.save(inputs["features"][1], features)
    with pytest.raises(RescoreError, match=r"(?s)not finite \(1\).*diving/002"):
        all_action.run(**inputs, **outputs(tmp_path), settings=SETTINGS)


def run_all(folder: Path, inputs: dict[str, Any], settings: dict[str, Any]) -> pd.DataFrame:
    all_action.run(**inputs, **outputs(folder / "all_action"), settings=settings)
    zero_shot.run(**inputs, **outputs(folder / "zero_shot"), settings=settings)
    initial = folder / "zero_shot/members.safetensors"
    fine_tuning.run(**inputs, initial=initial, **outputs(folder / "fine_tuning"), settings=settings)
    return pd.concat([read(folder, name) for name in ("all_action", "zero_shot", "fine_tuning")], ignore_index=True)


def test_a_member_changes_with_its_own_backbone_and_with_no_other(runs: Path, tmp_path: Path) -> None:
    before = pd.concat([read(runs, name) for name in ("all_action", "zero_shot", "fine_tuning")], ignore_index=True)
    inputs = write_features(tmp_path)
    np.save(inputs["features"][1], np.load(inputs["features"][1])[:, :, ::-1])  # another backbone 1
    after = run_all(tmp_path, inputs, SETTINGS)
    same = before["predicted"] == after["predicted"]
    changed = (~same).groupby([before["member"], before["seed"]]).any().unstack()
    assert changed[1].drop([name for name in changed.index if name.startswith("svr/")]).all()
    assert not changed[0].any()  # `svr/` reads means over clips, which their order does not change


def test_another_first_training_is_another_training_on_the_same_data(runs: Path, tmp_path: Path) -> None:
    inputs = write_features(tmp_path)
    shifted = run_all(tmp_path, inputs | {"features": inputs["features"][::-1]}, {**SETTINGS, "first_training": 1})
    assert set(shifted["seed"]) == {1, 2}
    before = pd.concat([read(runs, name) for name in ("all_action", "zero_shot", "fine_tuning")], ignore_index=True)
    by = ["experiment", "member", "iteration", "dataset", "sample", "action", "target"]
    mine, theirs = (table[table["seed"] == 1].sort_values(by, ignore_index=True) for table in (before, shifted))
    # Training 1 is training 1, whichever is the first: the same draws, the same start, the same backbone.
    pd.testing.assert_frame_equal(mine[by], theirs[by])
    np.testing.assert_array_equal(mine["predicted"], theirs["predicted"])


def test_given_weights_serve_all_trainings_and_leave_a_regression_nothing_to_repeat(tmp_path: Path) -> None:
    inputs = write_features(tmp_path)
    given = inputs | {"features": inputs["features"][:1]}
    all_action.run(**given, **outputs(tmp_path / "given"), settings={**GIVEN, "first_training": 3})
    seeds = read(tmp_path, "given").groupby("member")["seed"].unique().map(list)
    assert seeds["all"] == [3, 4]
    assert seeds["svr/diving"] == [0]
    with pytest.raises(RescoreError, match="2 files of features for the backbones 0: one each expected"):
        all_action.run(**inputs, **outputs(tmp_path / "two"), settings=GIVEN)
    with pytest.raises(RescoreError, match="1 files of features for the backbones 0, 1: one each expected"):
        all_action.run(**given, **outputs(tmp_path / "one"), settings=SETTINGS)
