"""What a scale takes: the counted operations are those of the real modules, and the table adds up."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rescore.engine import parameters
from rescore.experiments import cost
from rescore.models.c3d import C3DClassifier
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from rescore.systems.common import amounts
from rescore.systems.li import system as li
from rescore.systems.li.network import LiNetwork
from rescore.systems.multitask import system as multitask
from rescore.systems.s3d import system as s3d
from rescore.systems.s3d.network import S3D

SETTINGS = parameters.load(scale="paper")[1]
BY_NAME = {step.name: step for step in cost.steps(SETTINGS)}


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
    assert pytest.approx(counted, rel=1e-4) == {
        **{"c3d": amounts.C3D_CLIP, "c3d_avg": amounts.C3D_AVG, "mscadc": multitask.MSCADC},
        **{"s3d": s3d.FORWARD, "li": li.FORWARD},
    }


def test_stores_take_the_bytes_that_they_will_have():
    assert BY_NAME["aqa7_clips"].disk == 1106 * 103 * 112 * 112 * 3
    assert BY_NAME["mtl_aqa_clips"].disk == 1412 * 109 * (112 * 112 + 180 * 180) * 3


def test_training_counts_three_forward_passes_and_the_evaluation_one():
    step, trainings = BY_NAME["c3d_avg members"], multitask.full_trainings(SETTINGS)["c3d_avg"]
    assert step.jobs == 75  # 13 members and 12 twins, 3 seeds
    assert step.operations == pytest.approx(trainings * 100 * (3 * 1059 + 353) * amounts.C3D_AVG)


def test_probed_bodies_run_over_dives_and_vaults_once():
    step = BY_NAME["linear_probe_activations"]
    assert step.jobs == 9  # three backbones, and two networks each
    assert step.operations == pytest.approx(9 * 6 * (1412 + 176) * amounts.C3D_CLIP)
    assert step.disk == 9 * 5 * 10_000 * (1412 + 176) * 2


def test_the_table_says_what_its_hours_rest_on(tmp_path):
    figures = tmp_path / "gpu.json"
    rows = cost.steps(SETTINGS)
    assert "assumed: bench/gpu.py has not been run" in cost.describe(rows, figures)
    figures.write_text(json.dumps({"operations_per_second": 4e14, "device": "a device"}))
    text = cost.describe(rows, figures)
    assert "400 TFLOP/s, measured by bench/gpu.py on a device" in text
    hours = sum(step.operations for step in rows) / 4e14 / 3600
    assert f"Together {hours:.0f} GPU hours" in text
