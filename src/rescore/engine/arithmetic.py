"""The same bytes on any x86-64 processor with AVX2: what the numerical libraries are told before they load.

Each library picks its kernels by what the processor can do, and other kernels round otherwise. Here all of them are held to AVX2
and to one number of threads, by variables that they read when they load; a process that has loaded them already is too late,
which `prepare` says. docs/versioning.md has what is promised, and for which versions; models/fingerprint.py measures it.
"""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rescore.engine.errors import RescoreError

PORTABLE, FASTEST = "portable", "fastest"
MODES = (PORTABLE, FASTEST)
HELD = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    # Its matrix products and vector functions: MKL's other branches, AVX2 among them, differ between vendors.
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",  # in NumPy, SciPy and OpenCV
    "OPENCV_IPP": "avx2",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
}
HELD_WITH_AVX512 = {"OPENCV_CPU_DISABLE": "AVX512-SKX"}  # OpenCV complains where there is nothing to disable
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Always 1; the workflow engine sets it, and those above, to a job's share of the cores."""
READERS = ("numpy", "torch", "cv2", "pyarrow")
"""Libraries that read the variables when they load."""


def processor_flags() -> frozenset[str]:
    """What the processor can do, as Linux names it; empty where Linux does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


def variables(mode: str = PORTABLE, threads: int = 1) -> dict[str, str]:
    """What the environment says in a mode.

    Args:
        mode: `portable`, or `fastest`: each library as its makers ship it.
        threads: processor threads of a step that computes with torch.

    Raises:
        RescoreError: no such mode.
    """
    if mode not in MODES:
        raise RescoreError(f"arithmetic '{mode}': {' | '.join(MODES)}. Mend params.yaml.")
    held = HELD | (HELD_WITH_AVX512 if "avx512f" in processor_flags() else {}) if mode == PORTABLE else {}
    return held | dict.fromkeys(THREADS, str(threads)) | {BLAS_THREADS: "1"}


def prepare(mode: str = PORTABLE, threads: int = 1) -> list[str]:
    """Set the environment of this process and of all that it starts.

    Call it before anything imports NumPy or torch. Threads can be changed later too: a step may be a fork of a process that has
    loaded torch.

    Returns:
        Libraries that loaded before under other variables: what this process computes with them may have other bytes.

    Raises:
        RescoreError: no such mode.
    """
    wanted = variables(mode, threads)
    held = {name: wanted.get(name) for name in (*HELD, *HELD_WITH_AVX512)}
    late = {} if all(os.environ.get(name) == value for name, value in held.items()) else sys.modules
    for name, value in held.items():
        if value is None:
            os.environ.pop(name, None)
    os.environ.update(wanted)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
    if "numpy" in sys.modules:
        import threadpoolctl

        threadpoolctl.threadpool_limits(1, user_api="blas")
    return [name for name in READERS if name in late]


def planned(mode: str, threads: int | None) -> str:
    """How a rule names the arithmetic that its step is to be computed in, behind the hash of its code: `portable-1`.

    `threads` is None for steps that do not compute with torch: their bytes do not depend on it.
    """
    return mode if threads is None else f"{mode}-{threads}"


def follow(planned_as: str) -> None:
    """`prepare` for a step, by what its rule says (`planned`); nothing where it was called by hand without.

    Raises:
        RescoreError: libraries have loaded under other variables, so that the step would not be what the rule says.
    """
    mode, _, threads = planned_as.partition("-")
    late = prepare(mode or PORTABLE, int(threads or 1))
    if late and mode:
        raise RescoreError(
            f"{', '.join(late)} loaded before arithmetic '{mode}' was set. Start the step as a process of its own."
        )


def in_use() -> dict[str, Any]:
    """What the libraries of this process say they compute with; only those that are loaded are asked.

    Returns:
        `mode` of the environment, `threads`, `libc`, and by library the instruction set in use.
    """
    mode = PORTABLE if os.environ.get("MKL_CBWR") == HELD["MKL_CBWR"] else FASTEST
    said: dict[str, Any] = {"mode": mode, "libc": " ".join(platform.libc_ver())}
    if (numpy := sys.modules.get("numpy")) is not None:
        found = numpy.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
        said["numpy"] = found[-1] if found else "baseline"
    if (torch := sys.modules.get("torch")) is not None:
        said |= {"torch": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}
    if numpy is not None:
        said["openblas"] = sorted({str(library.get("architecture")) for library in blas_libraries()})
    return said


def blas_libraries() -> list[Mapping[str, Any]]:
    """The OpenBLAS libraries that this process has loaded."""
    import threadpoolctl

    return [library for library in threadpoolctl.threadpool_info() if library["internal_api"] == "openblas"]
