"""bench/gpu.py on small networks: that its code runs and its figures hang together. Speeds of such networks say nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_small_networks(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "gpu.py"), "--tiny", "--repeats", "1", "--training-batch", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = (ROOT / "bench" / "gpu.json").exists()
    done = subprocess.run(
        [*command, "--part", "training", "--part", "features"],
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (ROOT / "bench" / "gpu.json").exists() == before  # a small network's rate is nobody's estimate
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line[:1] == "|"
    ]
    speed = {row[0]: row for row in rows if len(row) == 5}
    plain, ours = speed["plain recipe, batch 2"], speed["C3D-AVG-MTL, batch 2"]
    ratio = float(re.search(r"([\d.]+) x plain", ours[1])[1])
    assert ratio > 0
    for row in (plain, ours, speed["C3D features, batch 64"]):
        assert float(row[1].split(",")[0]) > 0
        assert float(row[2]) > 0
    losses = [row for row in rows if row[0] in ("1", "2")]
    assert len(losses) == 2
    for row in losses:  # on a CPU both are float32
        assert float(row[1]) == float(row[2]) > 0
