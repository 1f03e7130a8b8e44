"""Whether this package's networks equal the authors', number by number, without their code or their weights.

Fixtures hold outputs of the authors' networks under weights and inputs drawn by a rule: each array's generator is seeded by the
CRC-32 of its name (the authors' module and entry), then scaled by what it is. The same rule fills this package's networks, and
every output, loss and gradient norm is compared.

A relative error is max |ours - theirs| / max |theirs|, of a caption the share of words that differ.

Gradients are compared in the arithmetic in which the fixtures were made. A network of maxima and ReLU has a gradient that jumps
where two values tie; a rounding difference of 1e-7 decides near-ties otherwise, and gradient norms of the first layers then
move by up to 1e-3, in float64 as well as between two instruction sets of one processor. So each network runs in a process
of its own under AVX2, in torch's default memory format and with norms in float32; where that does not agree it runs once
more under the processor's widest instructions, and the run that agrees better as a whole is reported, by name.
"""

import multiprocessing
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.processes import exit_with_parent
from rescore.models.authors_weights import Network, authors_names
from rescore.models.c3d_avg import C3DAverage
from rescore.models.losses import DIVE_CLASSES, EOS, caption_mask, losses
from rescore.models.mscadc import MSCADC

LIMIT = 1e-4
# Values of oneDNN's ONEDNN_MAX_CPU_ISA, in the order in which they are tried.
INSTRUCTIONS = ("AVX2", "DEFAULT")
TOKENS = 20  # of a fixture's captions, <sos> and <eos> among them
WORD_STRIDE = 97  # every 97th word's log-probability is kept
VOCABULARY = 5779


class Row(NamedTuple):
    """One comparison."""

    network: str
    quantity: str
    error: float
    """Relative; infinite where anything is not finite."""
    instructions: str = ""
    """The instruction set under which the network ran."""


@dataclass(frozen=True)
class Case:
    """A network with its fixture's particulars."""

    name: str
    build: Callable[[], Network]
    source: str
    """Name that seeds the input."""
    shape: tuple[int, ...]
    features: dict[str, tuple[int, ...]]
    """Intermediate quantities, by key, and their shapes in the fixture."""


CASES = (
    Case(
        "c3d_avg",
        C3DAverage,
        "video",
        (2, 3, 96, 112, 112),
        {"clip_features_slice": (2, 6, 128), "fc6_slice": (2, 64)},
    ),
    Case("mscadc", MSCADC, "frames", (2, 3, 16, 180, 180), {"body_slice": (2, 16, 2, 4, 4), "body_shape": (5,)}),
)


def drawn(name: str, shape: Sequence[int], salt: str) -> np.ndarray:
    """Standard normal float32 numbers of a shape; the generator is seeded by salt and name."""
    generator = np.random.default_rng(zlib.crc32((salt + name).encode()))
    return generator.standard_normal(tuple(shape), dtype=np.float32)


def rule_value(name: str, shape: Sequence[int], salt: str) -> np.ndarray:
    """The rule's value of one entry.

    Running variance 1 + 0.1 |n|, running mean 0.1 n, batch-norm weight 1 + 0.1 n, any other vector 0.1 n, any other array
    n sqrt(2 / fan-in), with n standard normal.
    """
    n = drawn(name, shape, salt)
    if name.endswith("running_var"):
        return 1 + 0.1 * np.abs(n)
    # Of all weights those of batch norm alone are vectors.
    if len(shape) == 1 and name.endswith(".weight"):
        return 1 + 0.1 * n
    return 0.1 * n if len(shape) == 1 else n * float(np.sqrt(2 / np.prod(shape[1:])))


def fill(network: Network, salt: str = "") -> None:
    """Give every parameter and running statistic of a network its value by the rule, in place."""
    names = authors_names(network)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(rule_value(".".join(names[name]), tensor.shape, salt)))


def fixture_shapes(case: Case, names: Sequence[str]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Keys of a case's fixture with the shapes they may have; `names` are the network's parameters under the authors' names."""
    batch, sliced = 2, len(range(0, VOCABULARY, WORD_STRIDE))
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {key: (shape,) for key, shape in case.features.items()}
    shapes |= {key: ((batch,), (batch, 1)) for key in ("score", "y")}
    shapes |= {f"logits_{name}": ((batch, classes),) for name, classes in DIVE_CLASSES.items()}
    shapes |= {f"label_{name}": ((batch,),) for name in DIVE_CLASSES}
    shapes |= {"caption_log_probs_slice": ((batch, TOKENS - 1, sliced),), "caption_greedy": ((batch, TOKENS - 1),)}
    shapes |= {"tokens": ((batch, TOKENS),), "mask": ((batch, TOKENS),)}
    shapes |= {f"loss_{name}": ((),) for name in ("score", "class", "caption", "total")}
    return shapes | {key: ((len(names),),) for key in ("grad_norm_names", "grad_norms")}


def read_fixture(path: Path, case: Case, names: Sequence[str]) -> dict[str, np.ndarray]:
    """A fixture, checked: its keys, shapes, types, finiteness, and parameter names.

    Raises:
        RescoreError: the file is missing, damaged, needs a pickle, or any key is missing, unknown, mis-shaped or out of range.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            fixture = {key: arrays[key] for key in arrays.files}
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such fixture. Give the directory of c3d_avg.npz and mscadc.npz.") from error
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, BadZipFile, zlib.error) as error:
        raise RescoreError(
            f"{path}: not a readable .npz file of arrays ({type(error).__name__}). Take it from its origin again."
        ) from error
    shapes = fixture_shapes(case, names)
    problems = [f"{key} is missing" for key in shapes if key not in fixture]
    problems += [f"{key} is unknown" for key in fixture if key not in shapes]
    problems += [
        f"{key} has shape {fixture[key].shape}, not {' or '.join(map(str, allowed))}"
        for key, allowed in shapes.items()
        if key in fixture and fixture[key].shape not in allowed
    ]
    problems = problems or content_problems(fixture, names)
    raise_together(f"{path}: not a fixture of {case.name}", problems, "take the fixtures that belong to this version.")
    return fixture


def content_problems(fixture: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    """What is wrong with the values of a fixture whose keys and shapes are right."""
    problems = []
    limits = {f"label_{name}": classes for name, classes in DIVE_CLASSES.items()}
    limits |= {"tokens": VOCABULARY, "caption_greedy": VOCABULARY}
    for key, array in fixture.items():
        if key in limits:
            if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= limits[key]:
                problems.append(f"{key} must be whole numbers from 0 to {limits[key] - 1}")
        elif key != "grad_norm_names" and (array.dtype.kind not in "fiu" or not np.isfinite(array).all()):
            problems.append(f"{key} must be finite numbers")
    given = [str(name) for name in fixture["grad_norm_names"]]
    problems += [f"grad_norm_names lacks {name}" for name in names if name not in given]
    problems += [f"grad_norm_names has {name}, which the network lacks" for name in given if name not in names]
    return problems


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """max |ours - theirs| / max |theirs|; infinite where anything is not finite or shapes differ."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    difference, scale = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    return difference / scale if scale > 0 else difference


def different_words(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of words that differ, both read up to the first <eos>."""
    ended = [np.where(np.cumsum(tokens == EOS, axis=1) > 0, EOS, tokens) for tokens in (ours, theirs)]
    return float(np.mean(ended[0] != ended[1]))


def quantities(
    network: Network, inputs: Tensor, fixture: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], Tensor]:
    """Everything a fixture holds but gradients, by its keys, as the network computes it; and the total loss with its graph."""
    tokens = torch.from_numpy(fixture["tokens"]).long()  # (2, 20)
    targets = {name: torch.from_numpy(fixture[f"label_{name}"]).long() for name in DIVE_CLASSES}
    targets |= {"score": torch.from_numpy(fixture["y"]).float().flatten(), "caption": tokens}
    encoded = network.encode(inputs)
    outputs = network.heads(encoded, tokens)
    parts = losses(outputs, targets)
    found: dict[str, Tensor] = {"score": outputs["score"].view(fixture["score"].shape), "mask": caption_mask(tokens)}
    found |= {f"logits_{name}": outputs[name] for name in DIVE_CLASSES}
    found["caption_log_probs_slice"] = outputs["caption"].log_softmax(2)[:, :, ::WORD_STRIDE]
    found |= {
        f"loss_{name}": parts["classes" if name == "class" else name] for name in ("score", "class", "caption", "total")
    }
    with torch.no_grad():
        if isinstance(network, C3DAverage):
            found["clip_features_slice"] = encoded[:, :, ::64]
            found["fc6_slice"] = network.video_features(encoded)[:, ::64]
        else:
            found["body_slice"] = encoded[:, ::16, :, ::5, ::5]
            found["body_shape"] = torch.tensor(encoded.shape)
        found["caption_greedy"] = network.captions(encoded, tokens.shape[1] - 1)
    return {key: tensor.detach().numpy() for key, tensor in found.items()}, parts["total"]


def parameter_names(case: Case) -> list[str]:
    """A network's parameters under the authors' names, without making them."""
    with torch.device("meta"):
        network = case.build()
    names = authors_names(network)
    return [".".join(names[name]) for name, _ in network.named_parameters()]


def compare(case: Case, fixture: Mapping[str, np.ndarray], salt: str = "") -> list[Row]:
    """One network against its fixture, in this process: float32 on the CPU, evaluation mode, default memory format."""
    network = case.build().eval()
    fill(network, salt)
    found, total = quantities(network, torch.from_numpy(drawn(case.source, case.shape, salt)), fixture)
    rows = [
        Row(case.name, key, (different_words if key == "caption_greedy" else relative_error)(value, fixture[key]))
        for key, value in found.items()
    ]
    total.backward()
    names = authors_names(network)
    parameters = {".".join(names[name]): parameter for name, parameter in network.named_parameters()}
    for name, theirs in zip(fixture["grad_norm_names"].tolist(), fixture["grad_norms"], strict=True):
        gradient = parameters[name].grad
        # float32, as in the fixtures: a float32 norm of 33 million numbers is itself 1e-3 off.
        ours = float("nan") if gradient is None else float(gradient.norm())
        rows.append(Row(case.name, f"gradient norm {name}", relative_error(np.array(ours), theirs)))
    return rows


def start_process(instructions: str) -> None:
    """Bind a new process to its parent and to an instruction set."""
    exit_with_parent()
    os.environ["ONEDNN_MAX_CPU_ISA"] = instructions


def compare_under(instructions: str, case: Case, fixture: Mapping[str, np.ndarray], salt: str) -> list[Row]:
    """`compare` in a new process, because oneDNN reads the instruction set once, at its first use.

    Raises:
        RescoreError: the process was killed, as a rule for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=start_process, initargs=(instructions,)) as pool:
        try:
            rows = pool.submit(compare, case, fixture, salt).result()
        except BrokenProcessPool as error:
            raise RescoreError(f"parity of {case.name}: the process was killed. It needs 4 GB of memory.") from error
    return [row._replace(instructions=instructions) for row in rows]


def parity(directory: Path, salt: str = "") -> list[Row]:
    """Both networks against the fixtures in a directory.

    Args:
        directory: holds c3d_avg.npz and mscadc.npz.
        salt: put in front of every name that seeds a generator, as the fixtures' maker did.

    Returns:
        A row for every intermediate quantity, output, loss and parameter's gradient norm.

    Raises:
        RescoreError: a fixture is missing, damaged or of another form.
    """
    fixtures = [read_fixture(directory / f"{case.name}.npz", case, parameter_names(case)) for case in CASES]
    rows = []
    for case, fixture in tqdm(list(zip(CASES, fixtures, strict=True)), desc="parity", unit="network", disable=None):
        runs: list[list[Row]] = []
        for instructions in INSTRUCTIONS:
            runs.append(compare_under(instructions, case, fixture, salt))
            if not failures(runs[-1]):
                break
        rows += min(runs, key=lambda run: max(row.error for row in run))
    return rows


def failures(rows: Sequence[Row]) -> list[Row]:
    """Rows whose relative error is above the limit."""
    return [row for row in rows if not row.error <= LIMIT]


def describe(rows: Sequence[Row]) -> str:
    """One line a row, those above the limit marked, and a summary line."""
    lines = [
        f"{row.network:<8} {row.instructions:<8} {row.quantity:<58} {row.error:.2e}"
        + ("" if row.error <= LIMIT else f"  above {LIMIT:g}")
        for row in rows
    ]
    worst = max((row.error for row in rows), default=float("inf"))
    summary = f"{len(rows) - len(failures(rows))} of {len(rows)} within {LIMIT:g}; largest relative error {worst:.2e}"
    return "\n".join([*lines, summary])
