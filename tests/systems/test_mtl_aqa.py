import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.models.losses import DIVE_CLASSES
from rescore.systems.common.dives import DiveFiles, read_captions, read_dives
from rescore.systems.multitask.members import members
from rescore.systems.multitask.training import build_network, initial_network, network_settings
from rescore.training.batches import load, place_clips
from rescore.training.end_to_end import learning_rate
from tests.training.dives import WORDS, settings, train, write_dives

ALL = ("score", "classes", "caption")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_dives(tmp_path_factory.mktemp("dives"))


@pytest.fixture(scope="module")
def written(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    return train(tmp_path_factory.mktemp("member"), data)


def read(data: dict[str, Path], training_set: str = "1059", **changes: Any) -> Any:
    wanted = settings(**changes)["multitask"]
    return read_dives(dive_files(data), wanted["clips"]["crop"], ALL, training_set, WORDS, wanted)


def dive_files(data: dict[str, Path], **more: Path) -> DiveFiles:
    return DiveFiles(**{name: data[name] for name in ("clips", "rows", "splits")}, **more)


def copied(path: Path, directory: Path) -> Path:
    """A copy that a test may damage."""
    target = directory / path.name
    target.write_bytes(path.read_bytes())
    return target


def test_predictions_of_every_epoch_are_in_points(data: dict[str, Path], written: dict[str, Path]) -> None:
    table = pd.read_parquet(written["predictions"])
    rows = pd.read_parquet(data["rows"]).set_index("sample")
    assert list(table.columns) == [
        *(
            "experiment",
            "member",
            "seed",
            "iteration",
            "dataset",
            "sample",
            "action",
            "split",
            "target",
            "predicted",
            "unit",
        )
    ]
    assert (table["member"] == "c3d_avg/score_classes_caption/1059").all()
    assert table.groupby(["iteration", "split"]).size().to_dict() == {
        (epoch, split): 5 for epoch in (1, 2, 3) for split in ("test", "validation")
    }
    np.testing.assert_array_equal(table["target"], rows.loc[table["sample"], "score"])
    curve = pd.read_csv(written["curve"])
    for epoch, found in table[table["split"] == "test"].groupby("iteration"):
        rho = found["predicted"].corr(found["target"], method="spearman")
        assert rho == pytest.approx(curve["test_correlation"][epoch - 1])


def test_last_predictions_are_those_of_the_weights(data: dict[str, Path], written: dict[str, Path]) -> None:
    arrays, header = load_arrays(written["weights"])
    network = build_network(header["network"], ALL, len(WORDS), header["parameters"]["multitask"]).eval()
    shapes = {name: value.shape for name, value in network.state_dict().items() if name in arrays}
    network.load_state_dict({name: torch.from_numpy(arrays[name]).view(shape) for name, shape in shapes.items()})
    assert header["tasks"] == "score_classes_caption"
    assert set(header["data"]) == {"clips", "rows", "splits", "vocabulary", "backbone"}
    table, dives = read(data)
    source = place_clips(dives.clips, network, settings()["multitask"], "rgb_imagenet", torch.device("cpu"))
    rows = torch.from_numpy(dives.test)
    with torch.inference_mode():
        encoded = network.encode(load(source, rows, torch.zeros_like(rows), torch.zeros_like(rows, dtype=torch.bool)))
        outputs = network.heads(encoded)
    samples = table["sample"][dives.test]
    predicted = pd.read_parquet(written["predictions"]).query("iteration == 3").set_index("sample")["predicted"]
    np.testing.assert_allclose(outputs["score"] * 17, predicted[samples], rtol=1e-5)
    classes = (
        pd.read_parquet(written["classes"]).query("iteration == 3 and subaction == 'position'").set_index("sample")
    )
    names = np.array(["free", "pike", "tuck"])
    np.testing.assert_array_equal(names[outputs["position"].argmax(1)], classes["predicted"][samples])
    said = pd.read_parquet(written["captions"]).query("iteration == 3").set_index("sample")["predicted"]
    tokens = network.captions(encoded, 7)
    assert [" ".join(WORDS[t] for t in row if t) for row in tokens.tolist()] == list(said[samples])


def test_classes_are_words_and_captions_are_those_of_best_and_last_epochs(written: dict[str, Path]) -> None:
    classes = pd.read_parquet(written["classes"])
    assert classes.groupby(["iteration", "split", "subaction"]).size().eq(5).all()
    assert set(classes["subaction"]) == set(DIVE_CLASSES)
    truth = classes.query("iteration == 1").groupby("subaction")["target"].agg(set).to_dict()
    assert truth["position"] == {"pike", "tuck"}
    assert truth["armstand"] == {"yes", "no"}
    assert truth["somersaults"] == {"2.5", "0"}
    assert truth["twists"] == {"3.5"}
    curve = pd.read_csv(written["curve"])
    accuracy = (
        classes[classes["split"] == "validation"]
        .groupby("iteration")[["target", "predicted"]]
        .apply(lambda t: (t["target"] == t["predicted"]).mean())
    )
    np.testing.assert_allclose(accuracy, curve["validation_class_accuracy"])
    captions = pd.read_parquet(written["captions"])
    best = {int(curve[column].idxmax()) + 1 for column in ("test_correlation", "validation_correlation")}
    assert set(captions["iteration"]) == {*best, 3}
    assert (captions["split"] == "test").all()
    assert set(captions["target"]) == {"a fast pike dive", "a slow tuck"}


def test_a_member_without_a_task_writes_its_table_without_rows(
    data: dict[str, Path], tmp_path: Path, written: dict[str, Path]
) -> None:
    only = train(tmp_path, data, "mscadc", "classes", epochs=1)
    for name in ("predictions", "captions"):
        empty, full = pd.read_parquet(only[name]), pd.read_parquet(written[name])
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert len(pd.read_parquet(only["classes"])) == 5 * 10
    curve = pd.read_csv(only["curve"])
    assert curve["score_loss"].isna().all()
    assert curve["loss"][0] == curve["class_loss"][0]


def test_task_sets_of_one_seed_start_alike(data: dict[str, Path]) -> None:
    both = [initial_network("c3d_avg", tasks, 8, 0, settings(), data["backbone"]) for tasks in (("score",), ALL)]
    single, multi = (network.state_dict() for network in both)
    assert all(torch.equal(value, multi[name]) for name, value in single.items())
    body, _ = load_arrays(data["backbone"])
    np.testing.assert_array_equal(single["body.conv3b.weight"], body["conv3b.weight"])
    other = initial_network("c3d_avg", ("score",), 8, 1, settings(), data["backbone"]).state_dict()
    assert not torch.equal(other["trunk.weight"], single["trunk.weight"])
    random = initial_network("c3d_avg", ("score",), 8, 0, settings(body_weights="random"), None).state_dict()
    assert random["body.conv3b.weight"].std() == pytest.approx((2 / (27 * 16)) ** 0.5, rel=0.1)  # He's, of 16 channels
    assert torch.equal(random["trunk.weight"], single["trunk.weight"])


@pytest.mark.parametrize("network", ["c3d_avg", "mscadc"])
def test_scores_may_start_at_the_training_mean(data: dict[str, Path], tmp_path: Path, network: str) -> None:
    """With steps of nothing the network stays as it starts."""
    still = {"epochs": 1, "learning_rate": 1e-12}
    predicted = {
        start: pd.read_parquet(
            train(tmp_path / start, data, network, "score", initial_score=start, **still)["predictions"]
        )
        for start in ("default", "mean")
    }
    means = {start: table["predicted"].mean() for start, table in predicted.items()}
    rows = pd.read_parquet(data["rows"])
    wanted = rows["score"][np.isin(np.arange(25) % 5, (1, 2, 4))].mean()
    assert means["mean"] == pytest.approx(wanted, abs=12)
    assert abs(means["default"]) < 12 < wanted


def test_captions_are_encoded_and_cut_as_released() -> None:
    table = pd.DataFrame({"sample": ["a", "b"], "caption": ["a fast pike dive", "a slow tuck dive a a a a"]})
    rows = np.arange(2)
    tokens, problems = read_captions(table, rows, rows, WORDS, 7)
    assert problems == []
    assert tokens.tolist() == [[1, 2, 3, 6, 5, 0, 0], [1, 2, 4, 7, 5, 2, 0]]


def test_only_training_captions_need_the_vocabulary(data: dict[str, Path], tmp_path: Path) -> None:
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    rows = pd.read_parquet(mine["rows"])
    rows.loc[[0, 3], "caption"] = "unheard words"  # a test and a validation dive
    rows.to_parquet(mine["rows"])
    _, dives = read(mine)
    assert dives.targets["caption"][[0, 3]].sum() == 0
    rows.loc[1, "caption"] = "unheard words"
    rows.to_parquet(mine["rows"])
    with pytest.raises(RescoreError, match=r"row 1 \(01/001\): 'unheard', 'words' not in the vocabulary"):
        read(mine)


def test_all_bad_samples_are_named_at_once(data: dict[str, Path], tmp_path: Path) -> None:
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    rows = pd.read_parquet(mine["rows"])
    rows.loc[0, "score"], rows.loc[1, "score"] = np.nan, 151.0
    rows.loc[2, "position"], rows.loc[3, "somersaults"], rows.loc[4, "twists"] = "layout", 5.0, np.nan
    rows.loc[6, "caption"], rows.loc[7, "caption"] = "", "a zebra"
    rows.to_parquet(mine["rows"])
    with pytest.raises(RescoreError) as error:
        read(mine)
    said = str(error.value)
    for expected in (
        "rows.parquet: samples that cannot be learned (7)",
        "row 0 (01/000): score nan is not between 0 and 150 points",
        "row 1 (01/001): score 151",
        "row 2 (01/002): position layout is none of free, pike, tuck",
        "row 3 (01/003): somersaults 5.0 is none of 0, 0.5",
        "row 4 (01/004): twists nan is none of 0, 0.5",
        "row 6 (01/006): the caption is empty",
        "row 7 (01/007): 'zebra' not in the vocabulary",
        "Remedy: mend",
    ):
        assert expected in said


def test_bad_values_of_samples_that_are_not_used_do_not_matter(data: dict[str, Path], tmp_path: Path) -> None:
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    rows, splits = pd.read_parquet(mine["rows"]), pd.read_parquet(mine["splits"])
    rows.loc[1, ["score", "position", "caption"]] = [np.nan, "layout", ""]
    rows.to_parquet(mine["rows"])
    splits.drop(index=1).to_parquet(mine["splits"])
    _, dives = read(mine)
    assert 1 not in dives.train


def damaged(mine: dict[str, Path], damage: str) -> dict[str, Any]:
    """Damage one thing; settings that go with it."""
    rows, splits = pd.read_parquet(mine["rows"]), pd.read_parquet(mine["splits"])
    if damage == "samples":
        rows.drop(index=[1, 5]).to_parquet(mine["rows"])
        np.save(mine["clips"], np.delete(np.load(mine["clips"]), [1, 5], 0))
    elif damage == "rows":
        rows.drop(index=24).assign(sample=[*rows["sample"][:-1]]).to_parquet(mine["rows"])
        splits.drop(index=24).to_parquet(mine["splits"])
    elif damage == "truncated":
        mine["clips"].write_bytes(mine["clips"].read_bytes()[:5000])
    elif damage == "no test":
        splits[splits["split"] != "test"].to_parquet(mine["splits"])
    elif damage == "column":
        rows.drop(columns="score").to_parquet(mine["rows"])
    elif damage == "vocabulary":
        mine["vocabulary"].write_text(json.dumps(["<sos>", "<eos>", "a"]))
    elif damage == "backbone":
        return {"width": 0.125}
    elif damage == "no backbone":
        mine["backbone"].unlink()
    elif damage == "frames":
        return {"clips": {"frames": 50, "shift": 2, "step": 1, "crop": 32, "wide_crop": 32}}
    return {}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("samples", r"training set 1059 \(2\):\n  - 01/001 \(train\) is not among the clips\n  - 01/005 \(test\)"),
        ("rows", "its rows and the settings ask for uint8 of 24 x 38"),
        ("truncated", "not a readable clip store"),
        ("no test", "no test samples"),
        ("column", "columns are missing"),
        ("vocabulary", "not a list of different words"),
        ("backbone", "backbone that does not fit C3D-AVG's body"),
        ("no backbone", "no such checkpoint"),
        ("frames", "ask for uint8 of 25 x 54"),
    ],
)
def test_files_that_do_not_fit_are_named(data: dict[str, Path], tmp_path: Path, damage: str, message: str) -> None:
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    changes = damaged(mine, damage)
    with pytest.raises(RescoreError, match=message):
        train(tmp_path / "run", mine, **changes)


def test_dropped_samples_may_be_absent(data: dict[str, Path], tmp_path: Path) -> None:
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    damaged(mine, "samples")
    dropped = tmp_path / "dropped.csv"
    dropped.write_text("sample,video,reason\n01/001,01.mp4,gone\n01/005,01.mp4,gone\n")
    wanted = settings()["multitask"]
    table, dives = read_dives(dive_files(mine, dropped=dropped), wanted["clips"]["crop"], ALL, "1059", WORDS, wanted)
    assert (len(dives.train), len(dives.test), len(dives.validation)) == (14, 4, 5)
    assert list(table["sample"][dives.test]) == ["01/000", "01/010", "01/015", "01/020"]


def test_validation_dives_that_are_also_training_dives(data: dict[str, Path], tmp_path: Path) -> None:
    """As `multitask.validation.separate` writes them: learned from by the main member, held out of its twin."""
    mine = {name: copied(path, tmp_path) for name, path in data.items()}
    splits = pd.read_parquet(mine["splits"])
    pd.concat([splits, splits[splits["split"] == "validation"].assign(split="train")]).to_parquet(mine["splits"])
    main, twin = (read(mine, training_set)[1] for training_set in ("1059", "1059_validated"))
    assert (len(main.train), len(main.validation), len(main.test)) == (20, 0, 5)
    assert (len(twin.train), len(twin.validation), len(twin.test)) == (15, 5, 5)
    assert not set(twin.train) & set(twin.validation)


def test_members_are_listed_once_and_those_that_are_only_probed_have_no_twin() -> None:
    """Which of them a table needs: tests/scoring/test_outputs.py."""
    alone, twins = (
        [m.name for m in members({"multitask": {"validation": {"separate": separate}}})] for separate in (False, True)
    )
    assert len(set(alone)) == len(alone) == 20
    assert twins[:20] == alone
    assert {name.removesuffix("_validated") for name in twins[20:]} == set(alone) - {"c3d_avg/classes/1059"}


def test_the_list_of_members_needs_no_framework() -> None:
    code = "import sys, rescore.systems.multitask.members; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_epochs_and_the_falling_rate_are_each_networks_own() -> None:
    """MSCADC's rate falls by its own epochs; 0 is never, as the papers train."""
    given = {"multitask": {"epochs": 3, "wide_epochs": 5, "anneal_every": 2, "wide_anneal_every": 4}}
    rates = {"learning_rate": 1.0, "anneal_factor": 0.25}
    read = {network: network_settings(network, given) | rates for network in ("c3d_avg", "mscadc")}
    assert [read[network]["epochs"] for network in read] == [3, 5]
    assert [learning_rate(read["c3d_avg"], epoch) for epoch in range(3)] == [1, 1, 0.25]
    assert [learning_rate(read["mscadc"], epoch) for epoch in range(5)] == [1, 1, 1, 1, 0.25]
    assert learning_rate(read["c3d_avg"] | {"anneal_every": 0}, 99) == 1


def test_dropout_after_the_body_of_mscadc_is_a_setting() -> None:
    wanted = settings()["multitask"] | {"wide_dropout": 0.125}
    network = build_network("mscadc", ("score",), 8, wanted)
    assert network.body.dropout == 0.125
