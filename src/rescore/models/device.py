"""Where networks run and how their results are kept reproducible."""

import ctypes
import os

import torch

from rescore.models.seeds import derived_seed


def choose_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computes_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a training with this `multitask.precision` computes in bfloat16 on this device: on a GPU only.

    A CPU stays with float32 even where it multiplies bfloat16 in hardware: the gradient of a 3x3x3 kernel over two frames (C3D's
    conv5) then depends on what memory held before, and is NaN at times (torch 2.14, oneDNN, avx512_bf16; docs/performance.md).
    """
    return precision == "bfloat16" and device.type == "cuda"


def make_deterministic() -> None:
    """Settings under which the same seed gives the same bytes on one machine; call it before the first CUDA work.

    On CUDA a few backward passes (3-D max pooling) have no deterministic form: they warn instead of failing, and training
    there repeats to rounding only. On the CPU everything here is deterministic for a given number of threads.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is reproducible with a fixed workspace only
    torch.use_deterministic_algorithms(True, warn_only=True)
    # The mode also fills every fresh tensor with NaN, one more write of each activation; nothing here reads unwritten memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False  # it picks kernels by their timing, so results could change from run to run


def reuse_memory() -> None:
    """Keep freed memory in the process instead of returning it to the kernel after each operation (glibc; else nothing).

    Activations of tens of megabytes are freed and asked for again every step, and each time the kernel zeroes every page.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: never trim
        mallopt(-4, 0)  # M_MMAP_MAX: no allocation of its own mapping


def seeded_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A torch generator (on the CPU) of its own for one purpose; see `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))
