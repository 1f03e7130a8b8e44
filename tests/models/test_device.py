import subprocess
import sys

import numpy as np
import torch

from rescore.models.device import (
    choose_device,
    computes_in_bfloat16,
    derived_seed,
    make_deterministic,
    reuse_memory,
    seeded_generator,
)


def test_device_is_the_gpu_where_there_is_one() -> None:
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_seeds_depend_on_every_part_and_repeat() -> None:
    parts = [(0,), (1,), (0, "dropout"), (0, "flip"), (0, "dropout", 1), (0, "dropout", 2), (1, "dropout", 1)]
    seeds = [derived_seed(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert seeds == [derived_seed(*part) for part in parts]
    assert torch.equal(
        torch.rand(3, generator=seeded_generator(0, "a")), torch.rand(3, generator=seeded_generator(0, "a"))
    )
    assert not torch.equal(
        torch.rand(3, generator=seeded_generator(0, "a")), torch.rand(3, generator=seeded_generator(0, "b"))
    )


def test_settings_hold_in_a_fresh_process_and_work_still_runs() -> None:
    script = (
        "import torch; from rescore.models.device import make_deterministic, reuse_memory\n"
        "make_deterministic(); reuse_memory()\n"
        "x = torch.randn(2, 3, 16, 32, 32, requires_grad=True)\n"
        "torch.nn.functional.max_pool3d(torch.nn.Conv3d(3, 4, 3)(x), 2).sum().backward()\n"
        "print(torch.are_deterministic_algorithms_enabled(),"
        " torch.utils.deterministic.fill_uninitialized_memory, bool(x.grad.isfinite().all()))"
    )
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["True", "False", "True"]


def test_convolution_gradients_repeat_to_the_bit() -> None:
    make_deterministic()
    reuse_memory()
    x = torch.randn(4, 8, 8, 20, 20, generator=torch.Generator().manual_seed(0))
    layer = torch.nn.Conv3d(8, 16, 3)
    gradients = []
    for _ in range(3):
        layer.zero_grad()
        layer(x).square().sum().backward()
        gradients.append(layer.weight.grad.numpy().copy())  # type: ignore[union-attr]
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_array_equal(gradients[0], gradients[2])


def test_bfloat16_is_for_gpus() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert computes_in_bfloat16("bfloat16", gpu)
    assert not computes_in_bfloat16("bfloat16", cpu)
    assert not computes_in_bfloat16("float32", gpu)
