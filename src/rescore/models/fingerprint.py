"""What this machine's arithmetic gives: some forty operations on fixed numbers, each as the hash of its bytes.

    rescore verify --arithmetic      holds them against workflow/arithmetic.json, the machine's that made the reference

Two machines with the same fingerprint compute the same bytes in all that was tried; one that differs says in which operation.
The operations are those that trainings, features and fits are made of, and those in which processors were seen to differ.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.engine import arithmetic
from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_json
from rescore.models.aggregation import Recurrent
from rescore.models.products import product

REFERENCE = Path("workflow/arithmetic.json")
Operation = Callable[[], Any]


def numbers(*shape: int, start: int = 1) -> np.ndarray:
    """Float32 between -1 and 1 that need no generator: multiples of 2^-12 in an irregular order."""
    count = int(np.prod(shape))
    integers = (np.arange(start, start + count, dtype=np.int64) * 2654435761) % 8191 - 4095
    return np.asarray(integers.reshape(shape) / 4096, np.float32)


def tensor(*shape: int, start: int = 1) -> Tensor:
    return torch.from_numpy(numbers(*shape, start=start))


def digest(value: Any) -> str:
    """First 12 hexadecimal digits of the SHA-256 over the bytes of an array, a tensor, or several."""
    hashed = hashlib.sha256()
    for part in value if isinstance(value, tuple | list) else (value,):
        array = part.detach().contiguous().numpy() if isinstance(part, Tensor) else np.ascontiguousarray(part)
        hashed.update(array.tobytes())
    return hashed.hexdigest()[:12]


def convolution(inputs: int, outputs: int, frames: int, side: int) -> list[Tensor]:
    """A 3x3x3 convolution as C3D has it, and its three gradients."""
    x = tensor(2, inputs, frames, side, side).to(memory_format=torch.channels_last_3d).requires_grad_()
    weight = tensor(outputs, inputs, 3, 3, 3, start=7).to(memory_format=torch.channels_last_3d).requires_grad_()
    bias = tensor(outputs).requires_grad_()
    y = F.conv3d(x, weight, bias, padding=1)
    return [y, *torch.autograd.grad(y.square().sum(), (x, weight, bias))]


def normalised(values: Tensor) -> list[Tensor]:
    """Batch normalisation in training, and the gradient of its input."""
    x = values.requires_grad_()
    y = F.batch_norm(x, torch.zeros(x.shape[1]), torch.ones(x.shape[1]), training=True)
    return [y, *torch.autograd.grad(y.pow(3).sum(), x)]


def updated(make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]) -> Tensor:
    """A parameter after three steps of an optimiser."""
    parameter = torch.nn.Parameter(tensor(999))
    optimiser = make([parameter])
    for step in range(3):
        parameter.grad = tensor(999, start=100 + step)
        optimiser.step()
    return parameter


def recurrent(layer: torch.nn.RNNBase) -> list[Tensor]:
    """A recurrent layer of 20 inputs in training, and the gradients of its weights."""
    for number, weight in enumerate(layer.parameters()):
        weight.data = tensor(*weight.shape, start=number) / 4
    output = layer(tensor(3, 7, 20))[0]
    return [output, *torch.autograd.grad(output.square().sum(), list(layer.parameters()))]


def recurrent_over_clips(gradients: bool) -> list[Tensor]:
    """`Recurrent`, with the gradients of its weights or without any, where torch alone would take oneDNN's LSTM."""
    layer = Recurrent(20, 7, {"lstm_width": 32})
    weights = list(layer.parameters())
    for number, weight in enumerate(weights):
        weight.data = tensor(*weight.shape, start=number) / 4
    with torch.set_grad_enabled(gradients):
        output = layer(tensor(3, 7, 20))
    return [output, *torch.autograd.grad(output.square().sum(), weights)] if gradients else [output]


def networks_operations() -> Iterator[tuple[str, Operation]]:
    """What networks compute: torch."""
    column, table = tensor(5000), tensor(40, 333)
    positive = column.abs() + 0.1
    yield "convolution, few channels", lambda: convolution(3, 8, 8, 14)
    yield "convolution, wide", lambda: convolution(32, 64, 2, 7)
    yield "convolution, 2-D", lambda: F.conv2d(tensor(2, 16, 12, 12), tensor(24, 16, 3, 3), padding=1)
    yield "convolution, 1-D", lambda: F.conv1d(tensor(2, 16, 60), tensor(24, 16, 5), padding=2)
    yield "batch normalisation", lambda: normalised(tensor(4, 8, 4, 6, 6))
    yield "layer normalisation", lambda: F.layer_norm(table, (333,))
    yield "maximum pooling", lambda: F.max_pool3d(tensor(1, 4, 4, 8, 8), 2)
    yield "average pooling", lambda: F.avg_pool3d(tensor(1, 4, 4, 8, 8), 2)
    yield "fully connected layer", lambda: F.linear(tensor(6, 700), tensor(64, 700), tensor(64))
    yield "matrix product", lambda: tensor(90, 90) @ tensor(90, 90, start=3)
    yield "matrix product, transposed", lambda: tensor(70, 90).mT @ tensor(70, 50)
    yield "matrix times vector", lambda: table @ tensor(333)
    yield "batched product of torch", lambda: torch.bmm(tensor(4, 15, 64), tensor(4, 64, 80))
    yield "batched product of this project", lambda: product(tensor(4, 15, 64), tensor(4, 64, 80))
    yield "GRU", lambda: recurrent(torch.nn.GRU(20, 32, batch_first=True))
    yield "LSTM", lambda: recurrent_over_clips(gradients=True)
    yield "LSTM, without gradients", lambda: recurrent_over_clips(gradients=False)
    yield (
        "attention",
        lambda: F.scaled_dot_product_attention(
            tensor(2, 4, 9, 8), tensor(2, 4, 9, 8, start=2), tensor(2, 4, 9, 8, start=3)
        ),
    )
    yield "exponential", lambda: column.exp()
    yield "logarithm", lambda: positive.log()
    yield "error function", lambda: column.erf()
    yield "reciprocal square root", lambda: positive.rsqrt()
    yield "power", lambda: positive.pow(1.7)
    yield "sigmoid", lambda: column.sigmoid()
    yield "hyperbolic tangent", lambda: column.tanh()
    yield "softmax", lambda: F.softmax(table, 1)
    yield "log softmax", lambda: F.log_softmax(table, 1)
    yield "sum", lambda: tensor(70000).sum()
    yield "sums of columns", lambda: table.sum(0)
    yield "variance", lambda: table.var(1)
    yield "norm", lambda: table.norm(dim=1)
    yield "normal random numbers", lambda: torch.randn(500, generator=torch.Generator().manual_seed(3))
    yield "Adam, fused", lambda: updated(lambda given: torch.optim.Adam(given, 0.01, fused=True))
    yield "AdamW, fused", lambda: updated(lambda given: torch.optim.AdamW(given, 0.01, fused=True))
    yield "stochastic gradient descent", lambda: updated(lambda given: torch.optim.SGD(given, 0.01, 0.9))


def fits_operations() -> Iterator[tuple[str, Operation]]:
    """What regressions, scores and the synthetic athlete compute: NumPy, SciPy, scikit-learn, OpenCV."""
    import cv2
    import scipy.linalg
    import scipy.ndimage
    import scipy.special
    from sklearn.svm import SVR

    values = numbers(4000).astype(np.float64)
    square = numbers(40, 40).astype(np.float64)
    definite = square @ square.T + 40 * np.eye(40)
    for name in ("exp", "sin", "arctan", "tanh", "expm1"):
        yield f"{name}, NumPy", lambda name=name: getattr(np, name)(values)  # type: ignore[misc]
    yield "logarithm, NumPy", lambda: np.log(np.abs(values) + 0.1)
    yield "power, NumPy", lambda: (np.abs(values) + 0.1) ** 1.7
    yield "matrix product, NumPy", lambda: square @ square
    yield "sum, NumPy", lambda: np.asarray(values.sum())
    yield "normal random numbers, NumPy", lambda: np.random.default_rng(1).standard_normal(1000)
    yield "multinomial random numbers, NumPy", lambda: np.random.default_rng(1).multinomial(50, np.full(50, 0.02), 9)
    yield "Fourier transform, NumPy", lambda: np.fft.rfft(values).real
    yield "eigenvectors, SciPy", lambda: scipy.linalg.eigh(definite)
    yield "linear equations, SciPy", lambda: scipy.linalg.solve(definite, square)
    yield "error function, SciPy", lambda: scipy.special.erf(values)
    yield "gaussian filter, SciPy", lambda: scipy.ndimage.gaussian_filter(square, 1.3)
    yield "support vectors, scikit-learn", lambda: SVR(C=10).fit(square[:, :9], square[:, 9]).predict(square[:, :9])
    picture = (numbers(60, 80, 3) * 127 + 128).astype(np.uint8)
    turn = np.array([[0.9, 0.1, 3.3], [-0.1, 0.95, 2.7]])
    yield "affine warp, OpenCV", lambda: cv2.warpAffine(picture, turn, (80, 60))
    yield "resize, OpenCV", lambda: cv2.resize(picture, (43, 32), interpolation=cv2.INTER_CUBIC)
    corners = np.array([[100, 100], [900, 370], [500, 800]])
    yield "polygon, OpenCV", lambda: cv2.fillConvexPoly(picture.copy(), corners, (3, 9, 8), cv2.LINE_AA, 4)


def fingerprint() -> dict[str, str]:
    """Every operation's digest, by name. The process must have been prepared (`arithmetic.prepare`) before it loaded torch."""
    return {name: digest(compute()) for name, compute in (*networks_operations(), *fits_operations())}


def differing(found: dict[str, str], reference: dict[str, str]) -> list[str]:
    """Names of the operations whose digests are not the reference's, or that one of the two has not."""
    return [name for name in (reference | found) if found.get(name) != reference.get(name)]


def reference_operations(path: Path = REFERENCE) -> dict[str, str]:
    """The committed fingerprint.

    Raises:
        RescoreError: it is not there or cannot be read.
    """
    try:
        operations: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["operations"]
    except (OSError, ValueError, KeyError) as error:
        raise RescoreError(
            f"{path}: no readable fingerprint ({error}). Check it out again: git checkout {path}"
        ) from error
    return operations


def check(record: Path, reference: Path = REFERENCE) -> None:
    """What a run does when it starts: compute the fingerprint, record it, and say where it differs.

    Args:
        record: .json to write: `operations`, `differs` (their names), `in_use` (what the libraries say).
        reference: the committed one.
    """
    found = fingerprint()
    differs = differing(found, reference_operations(reference))
    write_json(record, {"operations": found, "differs": differs, "in_use": arithmetic.in_use()})
    print(describe(differs))


def describe(differs: Sequence[str]) -> str:
    """What a fingerprint means, in words."""
    if not differs:
        return "arithmetic: the reference's in every operation tried, so results are to be the same bytes"
    named = ", ".join(differs[:5]) + (", ..." if len(differs) > 5 else "")
    return (
        f"arithmetic: {len(differs)} operations give other bytes here than where the reference was made ({named}), so results "
        "agree with it within their prediction intervals and not to the last digit (docs/versioning.md)"
    )
