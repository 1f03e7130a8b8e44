"""What a scale takes: the counted operations are those of the real modules, and the table adds up."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rescore.engine import parameters
from rescore.experiments import cost
from rescore.models.c3d import C3DClassifier
from rescore.models.c3d_avg import C3DAverage
from rescore.models.li_network import LiNetwork
from rescore.models.mscadc import MSCADC
from rescore.models.s3d import S3D

SETTINGS = parameters.load(scale="paper")[1]
MEMBERS = {"c3d_avg": 10.0, "mscadc": 6.0, "c3d_avg jobs": 12, "mscadc jobs": 8}


def operations(network, *inputs):
    with FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops()


def test_forward_operations_are_those_of_the_modules():
    with torch.device("meta"):
        tokens = torch.zeros(1, 100, dtype=torch.long)
        counted = {
            "c3d": operations(C3DClassifier(101), torch.zeros(1, 3, 16, 112, 112)),
            "c3d_avg": operations(C3DAverage(), torch.zeros(1, 3, 96, 112, 112), tokens),
            "mscadc": operations(MSCADC(), torch.zeros(1, 3, 16, 180, 180), tokens),
            "s3d": operations(S3D(), torch.zeros(1, 3, 4 * 16, 112, 112)),
            "li": operations(LiNetwork(), torch.zeros(1, 3, 9 * 16, 112, 112)),
        }
    assert pytest.approx(counted, rel=1e-4) == cost.FORWARD_OPERATIONS


def test_stores_take_the_bytes_that_they_will_have():
    step = {step.name: step for step in cost.steps(SETTINGS, MEMBERS)}
    assert step["aqa7_clips"].disk == 1106 * 103 * 112 * 112 * 3
    assert step["mtl_aqa_clips"].disk == 1412 * 109 * (112 * 112 + 180 * 180) * 3


def test_training_counts_three_forward_passes_and_the_evaluation_one():
    step = {step.name: step for step in cost.multitask_steps(SETTINGS, MEMBERS)}["c3d_avg members"]
    forward = cost.FORWARD_OPERATIONS["c3d_avg"]
    assert step.operations == pytest.approx(10 * 100 * (3 * 1059 + 353) * forward)


def test_probed_bodies_run_over_dives_and_vaults_once():
    step = {step.name: step for step in cost.steps(SETTINGS, MEMBERS)}["linear_probe_activations"]
    assert step.jobs == 9  # three backbones, and two networks each
    assert step.operations == pytest.approx(9 * 6 * (1412 + 176) * cost.FORWARD_OPERATIONS["c3d"])
    assert step.disk == 9 * 5 * 10_000 * (1412 + 176) * 2


def test_the_table_says_what_its_hours_rest_on(tmp_path):
    figures = tmp_path / "gpu.json"
    rows = cost.steps(SETTINGS, MEMBERS)
    assert "assumed: bench/gpu.py has not been run" in cost.describe(rows, figures)
    figures.write_text(json.dumps({"operations_per_second": 4e14, "device": "a device"}))
    text = cost.describe(rows, figures)
    assert "400 TFLOP/s, measured by bench/gpu.py on a device" in text
    hours = sum(step.operations for step in rows) / 4e14 / 3600
    assert f"Together {hours:.0f} GPU hours" in text
