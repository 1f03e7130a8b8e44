"""Figure 2 is read off the modules: shapes and parameter counts are those of the network that is trained."""

import json

import pytest

from rescore.engine import parameters
from rescore.models import describe
from rescore.models.backbones import empty_backbone


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_layers_are_those_of_the_network(tmp_path, scale):
    _, settings = parameters.load(scale=scale)
    describe.describe_c3d_lstm(tmp_path / "network.json", settings)
    layers = json.loads((tmp_path / "network.json").read_text())["layers"]
    backbone = sum(row["parameters"] for row in layers if row["name"] not in ("lstm", "fc"))
    assert backbone == describe.count(empty_backbone(settings))
    by_name = {row["name"]: row for row in layers}
    if scale == "paper":
        assert by_name["pool5"]["output"] == [6, 512, 1, 4, 4]
        assert by_name["fc6"]["output"] == [6, 4096]
        # 4 gates of (256 x (4096 + 256) weights + 256 biases): the 4.5 million that the experiments train
        assert by_name["lstm"]["parameters"] == 4 * 256 * (4096 + 256 + 1)
        assert by_name["fc"] == {"name": "fc", "kind": "fully connected", "output": [1], "parameters": 257}


def test_a_torchvision_backbone_is_described_by_its_stages(tmp_path):
    _, settings = parameters.load(scale="paper")
    settings["backbone"] |= {"network": "r3d_18", "weights": "kinetics400"}
    describe.describe_c3d_lstm(tmp_path / "network.json", settings)
    layers = json.loads((tmp_path / "network.json").read_text())["layers"]
    assert next(row for row in layers if row["name"] == "lstm")["parameters"] == 4 * 256 * (512 + 256 + 1)
