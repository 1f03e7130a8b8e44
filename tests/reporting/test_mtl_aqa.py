"""MTL-AQA's tables, figures and claims, from the files that scoring writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.reporting import mtl_aqa_figures as figures
from rescore.reporting.figures import forest
from rescore.reporting.tables import make_table, read_result
from rescore.reporting.wording import figure_title, scale_line
from rescore.scoring.claims import CANNOT_TELL, evaluate_claims
from rescore.scoring.mtl_aqa_samples import MEMBER, SUBTASKS, choose_samples
from rescore.scoring.mtl_aqa_summary import summarise_data, summarise_table1, summarise_table2
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import read_paper
from rescore.scoring.score_table import score_table
from rescore.scoring.scores import INTERVALS
from tests.mtl_aqa_files import SETTINGS, files_of, write_files
from tests.scoring.test_outputs import systems_of

REPORTED = Path(__file__).parents[2] / "papers" / "mtl_aqa"
DECLARED = REPORTED / "paper.yaml"
SYNTHETIC = {"aqa7_videos": "official", "mtl_aqa_videos": "synthetic", "pretraining_videos": "official"}
DEMO = {
    "scale": "demo",
    "sources": SYNTHETIC,
    "scoring": {"confidence": 0.95},
    "multitask": {"clips": {"frames": 103, "shift": 3}},
}
PAPER = {"scale": "paper", "sources": dict.fromkeys(SYNTHETIC, "official"), "scoring": {"confidence": 0.95}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Scores of tables 4, 7 and 8, summaries, and Table 6's dives."""
    folder = tmp_path_factory.mktemp("mtl_aqa")
    files = write_files(folder)
    predictions = [*files.predictions, files.baselines["predictions"]]
    for table in ("table4", "table7", "table8"):
        outputs = {"scores": folder / f"{table}.csv", "estimates": folder / f"mtl_aqa_{table}.estimates.parquet"}
        given = [*predictions, *(systems_of(files, folder) if table == "table7" else [])]
        score_table(DECLARED, table, ScoredFiles(given, [files.rows], files.splits), settings=SETTINGS, **outputs)
    summarise_table1(files.manifest, files.splits, folder / "table1.csv")
    summarise_table2(files.manifest, folder / "table2.csv")
    summarise_data(files.manifest, files.splits, files.vocabulary, folder / "mtl_aqa_data.csv")
    parts = {kind: files_of(files, kind, MEMBER) for kind in ("predictions", "classes", "captions")}
    read = ScoredFiles(rows=[files.rows], splits=files.splits, **parts)
    choose_samples(DECLARED, read, folder / "table6.csv", folder / "samples.json", SETTINGS)
    np.save(folder / "clips.npy", np.random.default_rng(0).integers(0, 255, (70, 109, 24, 24, 3), dtype=np.uint8))
    return folder


def table(made, name, settings, folder):
    outputs = [folder / f"mtl_aqa_{name}.{suffix}" for suffix in ("csv", "md", "tex")]
    make_table(DECLARED, name, *outputs, settings, made / f"{name}.csv")
    return read_result(outputs[0]), outputs


@pytest.mark.parametrize("name", ["table1", "table2", "table4", "table6", "table7", "table8"])
def test_synthetic_dives_are_never_compared(made, tmp_path, name):
    result, paths = table(made, name, DEMO, tmp_path)
    assert set(result["verdict"]) <= {"not comparable", "not run", "reported only"}
    assert "not run" not in set(result["verdict"])
    printed = pd.read_csv(REPORTED / "tables" / f"{name}.csv", dtype=str)
    assert set(zip(printed["row"], printed["column"], strict=True)) <= set(
        zip(result["row"], result["column"], strict=True)
    )
    assert all("SYNTHETIC" in path.read_text() for path in paths[1:])


def test_percentages_have_the_papers_digits_and_all_three_protocols(made, tmp_path):
    result, paths = table(made, "table8", PAPER, tmp_path)
    ours = result[(result["row"] == "MTL") & (result["column"] == "450")]
    assert set(ours["protocol"]) == {"last_iteration", "best_on_validation", "best_iteration_on_test"}
    assert ours["reproduced"].str.fullmatch(r"-?\d{1,3}\.\d{2}").all()
    assert set(ours["reported"]) == {"83.52"}
    assert set(ours["verdict"]) <= {"reproduced", "differs"}
    assert {"Label only", "Commentary only", "Perfect observer"} | {"MTL less STL"} <= set(result["row"])
    text = paths[1].read_text()
    assert "in percent" in text
    assert all(f"{row}: " in text for row in ("Label only", "MTL less STL"))


def test_a_reason_of_the_scores_is_the_reason_of_the_table(made, tmp_path):
    scores = pd.read_csv(made / "table4.csv").astype({"reason": object})
    empty = (scores["row"] == "AQA") & (scores["protocol"] == "best_on_validation")
    scores.loc[empty, ["value", *INTERVALS, "n", "seeds", "variance"]] = np.nan
    scores.loc[empty, "reason"] = "no validation predictions"
    replaced = (scores["row"] == "+ Cls") & (scores["protocol"] == "last_iteration")
    scores.loc[replaced, "reason"] = "tokenised otherwise"
    scores.to_csv(tmp_path / "table4.csv", index=False)
    result, _ = table(tmp_path, "table4", PAPER, tmp_path)
    told = result.set_index(["row", "column", "protocol"])[["verdict", "reason"]]
    assert told.loc[("AQA", "MSCADC", "best_on_validation")].tolist() == ["not run", "no validation predictions"]
    assert told.loc[("+ Cls", "MSCADC", "last_iteration")].tolist() == ["not comparable", "tokenised otherwise"]


def test_characteristics_need_equal_words_beside_equal_numbers(made, tmp_path):
    summary = pd.read_csv(REPORTED / "tables" / "table3.csv", dtype=str).assign(reason="")
    changed = (summary["column"] == "AQA Score Head") & (summary["row"] == "6")
    summary.loc[changed, "value"] = "MP(2,11,11)"
    summary.to_csv(tmp_path / "table3.csv", index=False)
    result, _ = table(tmp_path, "table3", PAPER, tmp_path)
    assert set(result.loc[result["row"] != "6", "verdict"]) == {"reproduced"}
    cell = result[(result["row"] == "6") & (result["column"] == "AQA Score Head")].iloc[0]
    assert (cell["verdict"], cell["reason"]) == ("differs", "another layer in the module that is trained")


def test_table6_shows_other_dives_than_the_papers(made, tmp_path):
    result, _ = table(made, "table6", PAPER, tmp_path)
    assert set(result["verdict"]) == {"not comparable"}
    assert result.loc[result["column"] == "Caption", "reproduced"].str.len().gt(0).all()


def test_each_paper_is_marked_by_its_own_videos():
    assert scale_line({"scale": "paper", "sources": SYNTHETIC}, "mtl_aqa_videos").startswith("SYNTHETIC")
    assert scale_line({"scale": "paper", "sources": SYNTHETIC}, "aqa7_videos") == "Scale paper: real data."
    assert scale_line({"scale": "paper", "sources": SYNTHETIC}).startswith("SYNTHETIC")


def test_claims_are_checked_in_our_numbers_under_every_protocol(made, tmp_path):
    tables = [table(made, name, DEMO, tmp_path)[1][0] for name in ("table1", "table2", "table4", "table7", "table8")]
    estimates = [made / f"mtl_aqa_{name}.estimates.parquet" for name in ("table4", "table7", "table8")]
    files = REPORTED / "claims.yaml", [*tables, made / "mtl_aqa_data.csv"], tmp_path / "claims.csv"
    evaluate_claims(*files, SETTINGS, estimates=estimates)
    found = read_result(tmp_path / "claims.csv").set_index(["id", "source"])
    protocols = {"last_iteration", "best_on_validation", "best_iteration_on_test"}
    assert set(found.index.get_level_values("source")) == {"reported", *protocols}
    for protocol in protocols:
        for claim in ("mtl_outperforms_stl", "gap_widens"):
            assert found.loc[(claim, protocol), "plain"] in ("holds", "does not hold")
            assert found.loc[(claim, protocol), "result"] in (found.loc[(claim, protocol), "plain"], CANNOT_TELL)
        assert found.loc[("vocabulary", protocol), "found"] == "sum is 14, stated 5779"
        assert found.loc[("better_at_all_layers", protocol), "result"] == "undecided"


@pytest.mark.parametrize("name", ["table4", "table7", "table8"])
def test_forests(made, tmp_path, name):
    _, paths = table(made, name, DEMO, tmp_path)
    for stem in ("a", "b"):
        forest(DECLARED, name, paths[0], tmp_path / f"{stem}.svg", tmp_path / f"{stem}.png", DEMO)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert "in percent" in text
    assert "ours, best iteration on validation data" in text
    assert "Perfect observer" in text


@pytest.mark.parametrize("draw", [figures.table6_frames, figures.figure1])
def test_frames_with_what_was_said(made, tmp_path, draw):
    for stem in ("a", "b"):
        draw(DECLARED, made / "samples.json", made / "clips.npy", tmp_path / f"{stem}.png", DEMO)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = np.array(Image.open(tmp_path / "a.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000  # the frames' colours


def test_a_strip_shows_the_window_that_tests_read():
    store = np.zeros((2, 109, 4, 4, 3), np.uint8)
    store[1] = np.arange(109, dtype=np.uint8)[:, None, None, None]
    shown = figures.strip(store, 1, DEMO)
    assert shown.shape == (4, 10 * 5, 3)
    assert shown[0, ::5, 0].tolist() == [3, 14, 26, 37, 48, 60, 71, 82, 94, 105]
    assert (shown[:, 4::5] == 255).all()


def test_architecture_and_curves(tmp_path):
    layers = [
        {
            "name": "conv1",
            "kind": "convolution",
            "output": [8, 16, 56, 56],
            "parameters": 656,
            "part": "Common network body",
        },
        {"name": "mean", "kind": "mean", "output": [8], "parameters": 0, "part": "Common network body"},
        {"name": "score_head", "kind": "fully connected", "output": [1], "parameters": 9, "part": "AQA Score Head"},
    ]
    (tmp_path / "network.json").write_text(json.dumps({"network": "C3D-AVG-MTL", "layers": layers}))
    figures.architecture(DECLARED, "figure2", tmp_path / "network.json", tmp_path / "a.svg", tmp_path / "a.png", DEMO)
    text = (tmp_path / "a.svg").read_text()
    assert all(word in text for word in ("SYNTHETIC", "conv1", "8 × 16 × 56 × 56", "665 parameters", "Captioning Head"))
    paths = []
    for tasks in ("score", "classes"):
        for seed in ("0", "1"):
            paths.append(tmp_path / "mscadc" / tasks / "1059" / seed / "curve.csv")
            paths[-1].parent.mkdir(parents=True)
            correlation = [0.1, 0.2 + int(seed)] if tasks == "score" else [None, None]
            pd.DataFrame({"epoch": [1, 2], "test_correlation": correlation, "score_loss": [2.0, 1.0]}).to_csv(
                paths[-1], index=False
            )
    figures.curves(DECLARED, paths, tmp_path / "c.svg", tmp_path / "c.png", DEMO)
    text = (tmp_path / "c.svg").read_text()
    assert all(word in text for word in ("MSCADC: rho, test dives", "Cls alone (Nibali et al.)", "epoch"))
    pd.DataFrame({"loss": [1.0]}).to_csv(paths[0], index=False)
    with pytest.raises(RescoreError, match="not a learning curve"):
        figures.curves(DECLARED, paths, tmp_path / "c.svg", tmp_path / "c.png", DEMO)


def test_damaged_choices_are_named(made, tmp_path):
    (tmp_path / "samples.json").write_text("[]")
    with pytest.raises(RescoreError, match="not a list of chosen dives"):
        figures.figure1(DECLARED, tmp_path / "samples.json", made / "clips.npy", tmp_path / "a.png", DEMO)
    with pytest.raises(RescoreError, match="not a list of chosen dives"):
        figures.figure1(DECLARED, tmp_path / "absent.json", made / "clips.npy", tmp_path / "a.png", DEMO)


def test_table5_without_java_says_which_cells_that_costs(tmp_path, monkeypatch):
    files = write_files(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    parts = {kind: [*getattr(files, kind), files.baselines[kind]] for kind in ("predictions", "classes", "captions")}
    inputs = ScoredFiles(rows=[files.rows], splits=files.splits, **parts)
    score_table(DECLARED, "table5", inputs, tmp_path / "table5.csv", SETTINGS)
    result, paths = table(tmp_path, "table5", PAPER, tmp_path)
    last = result[result["protocol"] == "last_iteration"].set_index(["row", "column"])
    assert last.loc[("MSCADC", "M"), "verdict"] == "not run"
    assert "openjdk-17-jre-headless" in last.loc[("MSCADC", "M"), "reason"]
    assert last.loc[("MSCADC", "B1"), "verdict"] == "not comparable"
    assert "tokenised by a rule" in last.loc[("MSCADC", "B1"), "reason"]
    # Two trainings that are right equally often predict nothing of a third.
    accuracies = [last.loc[(row, "C3D-AVG")] for row in SUBTASKS]
    equal = [line["prediction_low"] == "" for line in accuracies]
    assert [line["verdict"] not in ("reproduced", "differs") for line in accuracies] == equal
    assert not all(equal)
    head = next(line for line in paths[1].read_text().splitlines() if line.startswith("| | |"))
    assert [cell.strip() for cell in head.split("|")[3:-1]] == [
        *("Nibali et al.", "MSCADC", "C3D-AVG"),
        *("B1", "B2", "B3", "B4", "M", "R", "C"),
        "Majority class",
    ]
    forest(DECLARED, "table5", paths[0], tmp_path / "a.svg", tmp_path / "a.png", PAPER)
    text = (tmp_path / "a.svg").read_text()
    assert "Accuracy in percent" in text
    assert "Majority class (n = 20)" in text
    assert "Random caption" not in text
    titles = [figure_title(read_paper(DECLARED), f"{name}_forest") for name in ("table4", "table5")]
    assert [title.rpartition(": ")[2] for title in titles] == ["Spearman's rho in percent", "Accuracy in percent"]
