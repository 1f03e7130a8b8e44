"""Three steps of every family of trainings leave the committed bytes: here, with other threads and cores, on other processors."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from rescore.engine import arithmetic
from rescore.engine.errors import RescoreError
from rescore.experiments import states
from rescore.models import fingerprint
from rescore.systems.common import rehearsal
from rescore.systems.common.rehearsal import Stage
from rescore.systems.multitask.rehearsal import network

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / fingerprint.REFERENCE
UNPREPARED = {
    name: value for name, value in os.environ.items() if name not in (*arithmetic.HELD, *arithmetic.HELD_WITH_AVX512)
}
PROCESSORS = ("Haswell-noTSX", "EPYC-Rome")
"""Intel's first with AVX2, and an AMD one without AVX-512."""


def verify(*command, **environment):
    """`rescore verify --arithmetic` in a process of its own, which prepares itself."""
    line = [*command, "-m", "rescore", "verify", "--arithmetic"]
    return subprocess.run(line, cwd=ROOT, env=UNPREPARED | environment, capture_output=True, text=True)


def test_this_machine_computes_what_is_committed():
    done = verify(sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(states.families())} trainings of 3 steps give the reference's bytes" in done.stdout


def test_every_family_is_committed_with_its_origin():
    known = states.read(REFERENCE)
    assert set(known["states"]) == set(states.families())
    assert len(set(known["states"].values())) == len(states.families())
    assert {"processor", "libc", "python", "torch", "numpy"} <= set(known["made_with"])


def test_a_state_depends_on_the_weights_and_on_the_predictions(tmp_path):
    stage = Stage(tmp_path, states.settings(), states.STEPS, rehearsal.TINY)
    weights, *others = network(stage, "mscadc")
    found = {states.state(files) for files in ([weights, *others], [weights], others)}
    assert len(found) == 3
    longer = Stage(tmp_path / "longer", states.settings(), states.STEPS + 1, rehearsal.TINY)
    longer.folder.mkdir()
    assert states.state(network(longer, "mscadc")) != states.state([weights, *others])


def test_two_threads_as_one():
    done = verify(sys.executable, OMP_NUM_THREADS="2", MKL_NUM_THREADS="2")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("taskset") or (os.cpu_count() or 1) < 2, reason="no taskset, or one core")
@pytest.mark.slow
def test_one_core_as_two():
    core = str(min(os.sched_getaffinity(0)))
    done = verify("taskset", "--cpu-list", core, sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr


def test_other_arithmetic_gives_other_bytes_and_is_named():
    """MKL left to choose for itself: what the list is for."""
    code = (
        "import os, json\nfrom rescore.engine import arithmetic\narithmetic.prepare()\ndel os.environ['MKL_CBWR']\n"
        "from rescore.experiments import states\n"
        "faults = states.check(only=['C3D-LSTM and C3D-SVR of AQA-7', 'GDLT'])\n"
        "print(states.describe(faults))\nprint(json.dumps(faults))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=UNPREPARED, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    faults = json.loads(done.stdout.splitlines()[-1])
    assert "the process was not prepared for portable arithmetic before it loaded its libraries" in faults
    different = [fault for fault in faults if fault.endswith("gives other bytes")]
    if not different:
        pytest.skip("MKL chooses the portable branch by itself on this processor")
    assert different[0].partition(":")[0] in ("operation", "training")
    assert "arithmetic: not the reference's" in done.stdout


@pytest.mark.slow
@pytest.mark.portability
@pytest.mark.timeout(1200)  # 3 to 5 minutes beside other work
@pytest.mark.parametrize("processor", PROCESSORS)
def test_another_processor_computes_the_same(processor):
    emulator = shutil.which("qemu-x86_64")
    if not emulator:
        pytest.skip(f"NOT TESTED as {processor}: qemu-x86_64 is missing (apt-get install qemu-user)")
    # The emulator runs no scripts and no links into another environment: the base interpreter, told where the packages are.
    paths = os.pathsep.join([str(ROOT / "src"), sysconfig.get_paths()["purelib"]])
    done = verify(emulator, "-cpu", processor, os.path.realpath(sys.executable), PYTHONPATH=paths)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"operations": {}}', '{"operations": {}, "states": 3, "made_with": {}}']
)
def test_an_unreadable_list_is_one_sentence(tmp_path, text):
    path = tmp_path / "arithmetic.json"
    path.write_text(text)
    with pytest.raises(RescoreError, match=r"no readable list of operations and states .* git checkout"):
        states.read(path)


def test_what_differs_is_named_with_what_may_explain_it(tmp_path):
    known = json.loads(REFERENCE.read_text())
    known["made_with"] |= {"torch": "1.0"}
    path = tmp_path / "arithmetic.json"
    path.write_text(json.dumps(known))
    said = states.describe(["operation: softmax gives other bytes"], path)
    assert "operation: softmax gives other bytes" in said
    assert f"torch {torch.__version__.partition('+')[0]}" in said
    assert "1.0 there" in said
    assert "prediction intervals" in said
