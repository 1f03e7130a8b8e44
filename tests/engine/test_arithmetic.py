"""Libraries are held to one instruction set before they load, and say so."""

import json
import os
import subprocess
import sys

import pytest

from rescore.engine import arithmetic
from rescore.engine.errors import RescoreError

LIBRARIES = "import numpy, scipy.linalg, torch, cv2"
CLEAN = {name: value for name, value in os.environ.items() if name not in (*arithmetic.HELD, *arithmetic.THREADS)}


def run(code, **environment):
    command = [sys.executable, "-c", f"import json\nfrom rescore.engine import arithmetic\n{code}"]
    done = subprocess.run(command, env=CLEAN | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_prepared_before_they_load_all_libraries_use_avx2():
    said = run(f"late = arithmetic.prepare()\n{LIBRARIES}\nprint(json.dumps([late, arithmetic.in_use()]))")
    late, in_use = said
    assert late == []
    assert in_use["mode"] == "portable"
    assert (in_use["torch"], in_use["numpy"], in_use["openblas"]) == ("AVX2", "X86_V3", ["Haswell"])
    assert in_use["threads"] == 1


def test_what_the_user_had_set_does_not_count():
    said = run(
        f"arithmetic.prepare()\n{LIBRARIES}\nprint(json.dumps(arithmetic.in_use()))",
        OPENBLAS_CORETYPE="Prescott",
        ATEN_CPU_CAPABILITY="default",
        OMP_NUM_THREADS="7",
    )
    assert (said["torch"], said["openblas"], said["threads"]) == ("AVX2", ["Haswell"], 1)


def test_libraries_that_loaded_before_are_named():
    assert run(f"{LIBRARIES}\nprint(json.dumps(arithmetic.prepare()))") == ["numpy", "torch", "cv2"]
    assert run(f"arithmetic.prepare()\n{LIBRARIES}\nprint(json.dumps(arithmetic.prepare()))") == []


def test_threads_can_be_changed_after_torch_has_loaded():
    code = "arithmetic.prepare()\nimport torch\nlate = arithmetic.prepare('portable', 2)"
    assert run(f"{code}\nprint(json.dumps([late, torch.get_num_threads()]))") == [[], 2]


def test_threads_that_the_engine_set_for_a_job_count_neither_early_nor_late():
    code = f"arithmetic.prepare()\n{LIBRARIES}\nimport os\nos.environ['OPENBLAS_NUM_THREADS'] = '2'\nlate = arithmetic.prepare()"
    threads = "[library['num_threads'] for library in arithmetic.blas_libraries()]"
    late, used = run(f"{code}\nprint(json.dumps([late, {threads}]))")
    assert late == []
    assert set(used) == {1}


def test_fastest_takes_the_variables_back():
    code = "arithmetic.prepare()\narithmetic.prepare('fastest')\nimport os"
    assert run(f"{code}\nprint(json.dumps([name for name in arithmetic.HELD if name in os.environ]))") == []


def test_a_step_follows_its_rule_or_says_why_it_cannot():
    code = "arithmetic.follow('portable-2')\nimport torch\nprint(json.dumps(torch.get_num_threads()))"
    assert run(code) == 2
    follow = "try:\n    arithmetic.follow('portable-1')\nexcept Exception as error:\n    print(json.dumps(str(error)))"
    refused = f"{LIBRARIES}\n{follow}"
    assert "numpy, torch, cv2 loaded before arithmetic 'portable'" in run(refused)


def test_an_unknown_mode_is_refused():
    with pytest.raises(RescoreError, match="portable | fastest"):
        arithmetic.variables("quick")


def test_a_rule_says_threads_only_where_they_count():
    assert arithmetic.planned("portable", 2) == "portable-2"
    assert arithmetic.planned("portable", None) == "portable"
