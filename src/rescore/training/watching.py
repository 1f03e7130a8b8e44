"""What is seen of a training while it runs: its speed, and its curves in TensorBoard."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from rescore.engine.errors import RescoreError
from rescore.models.trainable import Trainable
from rescore.training.batches import Source
from rescore.training.place import Place

SPEED_COLUMNS = ("epoch", "precision", "samples_per_second", "tflops", "utilisation")


def training_flops(network: Trainable, source: Source, lengths: np.ndarray) -> float:
    """Floating-point operations of one sample's forward and backward pass: of convolutions and matrix products.

    Counted on tensors without storage, with a caption of the training set's mean length.
    """
    # Not in training: batch norm would want more than one value of a channel, and has no operations that count.
    twin = copy.deepcopy(network).to("meta").eval()
    crop = source.clips.shape[2] // source.pool
    x, given = twin.example((1, 3, source.frames.shape[-1], crop, crop), max(2, round(lengths.mean())))
    with FlopCounterMode(display=False) as counter:
        outputs = twin(x, given)
        torch.stack([output.sum() for output in outputs.values()]).sum().backward()
    return float(counter.get_total_flops())


def speed_row(epoch: int, samples: int, seconds: float, flops: float, peak: float, place: Place) -> dict[str, Any]:
    """What the clock said of an epoch's training, evaluation left out, and the precision that it computed in.

    Args:
        flops: operations of one sample's forward and backward pass.
        peak: operations a second of a large matrix product, all processes together.
    """
    rate = samples / seconds
    return {
        "epoch": epoch,
        "precision": "bfloat16" if place.autocast else "float32",
        "samples_per_second": rate,
        "tflops": rate * flops / 1e12,
        "utilisation": rate * flops / peak,
    }


def open_board(directory: Path, settings: Mapping[str, Any], place: Place, done: int) -> Any:
    """A TensorBoard writer where one is wanted, else None.

    Raises:
        RescoreError: TensorBoard is not installed.
    """
    if not settings["tensorboard"] or place.rank:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RescoreError(
            f"multitask.tensorboard is true, but TensorBoard cannot be imported ({error}). "
            "`pip install tensorboard`, or set it to false; the curves are in curve.csv all the same."
        ) from error
    return SummaryWriter(str(directory), purge_step=done + 1)


def write_board(board: Any, *rows: Mapping[str, Any]) -> None:
    if board is None:
        return
    for row in rows:
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                board.add_scalar(name, value, row["epoch"])
    board.flush()
