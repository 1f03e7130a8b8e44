"""The description of the networks is read off the modules that members train: shapes, parameters, and the paper's Table 3."""

import json
from pathlib import Path

import pandas as pd
import pytest

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.models.captioner import PAPER_VOCABULARY
from rescore.models.losses import TASKS
from rescore.scoring.mtl_aqa_summary import summarise_table3
from rescore.systems.multitask.architecture import describe
from rescore.systems.multitask.training import build_network

REPORTED = Path(__file__).parents[2] / "papers" / "mtl_aqa" / "tables" / "table3.csv"


def described(folder, network, scale, words):
    _, settings = parameters.load(scale=scale)
    (folder / "words.json").write_text(json.dumps([str(word) for word in range(words)]))
    describe(network, folder / "words.json", folder / "network.json", settings)
    return json.loads((folder / "network.json").read_text()), settings


@pytest.mark.parametrize("network", ["c3d_avg", "mscadc"])
def test_every_parameter_of_a_members_network_is_in_a_layer(tmp_path, network):
    found, settings = described(tmp_path, network, "demo", 50)
    module = build_network(network, TASKS, 50, settings["multitask"])
    count = sum(parameter.numel() for parameter in module.parameters())
    assert found["parameters"] == count == sum(layer["parameters"] for layer in found["layers"])


def test_c3d_avg_at_the_papers_size(tmp_path):
    found, _ = described(tmp_path, "c3d_avg", "paper", PAPER_VOCABULARY)
    by_name = {layer["name"]: layer for layer in found["layers"]}
    assert by_name["trunk"]["output"] == [4096]
    assert by_name["trunk"]["parameters"] == 8192 * 4096 + 4096
    assert by_name["mean"]["output"] == [8192]  # Figure 2: the average of the clips
    assert by_name["conv5b"]["output"] == [512, 2, 7, 7]
    assert [layer["name"] for layer in found["layers"] if layer["part"] == "Action recognition Head"] == [
        "position",
        "armstand",
        "rotation_type",
        "somersaults",
        "twists",
    ]


def test_mscadc_at_the_papers_size_is_its_table3_but_for_two_layers_of_the_released_code(tmp_path):
    described(tmp_path, "mscadc", "paper", PAPER_VOCABULARY)
    summarise_table3(tmp_path / "network.json", tmp_path / "table3.csv")
    ours = pd.read_csv(tmp_path / "table3.csv", dtype=str).set_index(["column", "row"])["value"]
    printed = pd.read_csv(REPORTED, dtype=str).set_index(["column", "row"])["value"]
    differing = printed[ours.reindex(printed.index) != printed]
    assert list(differing.index) == [("Captioning Head", "5"), ("Captioning Head", "6")]
    assert list(ours["Captioning Head"])[4:] == ["C3(12)", "MP(2,2,2)", "Enc. GRU", "Dec. GRU"]


def test_unknown_network(tmp_path):
    with pytest.raises(RescoreError, match="known: c3d_avg, mscadc"):
        described(tmp_path, "c3d", "demo", 5)
