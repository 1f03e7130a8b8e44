"""3x3x3 convolution in float32 whose gradients take a quarter of the products, for training wide networks on a CPU.

Four neighbouring outputs of a row convolved with three weights take 12 products, or 6 between sums of six inputs and sums of the
weights (Winograd's minimal filtering; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, Section 4,
F(4, 3)). In time and height that makes 36 products of 144; the three columns of a kernel stay as they are.

    x (time, height, clips, columns, C) ─► B ─► V ─► V U, per tile position a matrix product over C ─► A ─► y
    weight (K, C, 3, 3, 3) ──────────────► G ─► U

All steps are linear, so the gradients of x and weight are the transposed ones, with as few products. They are those of the direct
convolution to rounding, some five times the direct one's. The forward pass stays direct: there the coarser rounding moves values
across ReLU's zero and the choices of the pooling, and then gradients of early layers differ by more than rounding (5e-4 of
conv1's against the authors' network).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

TILE, READ = 4, 6  # outputs of a tile, and the inputs that they depend on
# Where the polynomials are evaluated, beside infinity; the usual 0, 1, -1, 2, -2 round two to three times as coarsely.
POINTS = np.array([0, 0.75, -0.75, 1.5, -1.5])
OTHERS = [np.delete(POINTS, number) for number in range(len(POINTS))]
INPUTS = torch.tensor(
    np.array([[*np.poly(rest)[::-1], 0] for rest in OTHERS] + [np.poly(POINTS)[::-1]])
).float()  # (6, 6)
WEIGHTS = torch.tensor(
    np.array([p ** np.arange(3) / np.prod(p - rest) for p, rest in zip(POINTS, OTHERS, strict=True)] + [[0, 0, 1]])
).float()  # (6, 3)
OUTPUTS = torch.tensor(np.array([p ** np.arange(4) for p in POINTS] + [[0, 0, 0, 1]])).float()  # (6, 4)

LEAST_PRODUCTS = 64 * 128  # input x output channels; narrower layers lose more by the sums than they save
LEAST_TIME = 4  # frames; fewer leave most of a tile empty
MOST_TILES = 7  # of a block: each is one small dense matrix
WORKING_SET = 200e6  # bytes of sums that are held at once


class Convolution3d(nn.Conv3d):
    """A 3x3x3 convolution with padding 1 whose backward pass goes the shortest way; all else is nn.Conv3d's."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return Winograd.apply(x, self.weight, self.bias) if pays(x, self.weight) else super().forward(x)


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether the gradients of this module are the faster ones: wide layers in float32 on a CPU."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    if torch.compiler.is_compiling() or x.shape[2] < LEAST_TIME:
        return False
    return weight.shape[0] * weight.shape[1] >= LEAST_PRODUCTS


@dataclass(frozen=True)
class Block:
    """Neighbouring tiles of an axis as a matrix: (6 x tiles, rows), where `rows` are the positions that it reads or writes."""

    rows: slice
    matrix: Tensor


@lru_cache
def axis_blocks(length: int, most: int) -> tuple[list[Block], list[Block]]:
    """Blocks of at most `most` tiles of an axis: those that sum inputs (zeros beyond the ends), and those of the outputs."""
    tiles = -(-length // TILE)
    blocks = -(-tiles // most)
    size = -(-tiles // blocks)
    read, write = torch.zeros(2, READ, blocks * size, 4 * blocks * size + 2)
    for tile in range(blocks * size):
        read[:, tile, TILE * tile : TILE * tile + READ] = INPUTS
        write[:, tile, TILE * tile : TILE * (tile + 1)] = OUTPUTS
    read, write = read[:, :, 1 : length + 1], write[:, :, :length]  # position 0 of `read` is the padding
    found: tuple[list[Block], list[Block]] = [], []
    for first in range(0, blocks * size, size):
        start, end = TILE * first, min(length, TILE * (first + size))
        for kind, whole, rows in (
            (0, read, slice(max(0, start - 1), min(length, end + 1))),
            (1, write, slice(start, end)),
        ):
            found[kind].append(Block(rows, whole[:, first : first + size, rows].flatten(0, 1).contiguous()))
    return found


def spread(x: Tensor, time: Block, height: list[Block]) -> Tensor:
    """Sums of tiles: x (T, H, clips, columns, C) -> V (6, tiles of time x blocks, 6, rows, C)."""
    times = len(time.matrix)
    s = (time.matrix @ x.flatten(1)).view(times, x.shape[1], -1)  # (6 x tiles, H, clips x columns x C)
    v = x.new_empty(times, len(height), len(height[0].matrix), s.shape[2])
    for number, block in enumerate(height):
        torch.bmm(block.matrix.expand(times, -1, -1), s[:, block.rows], out=v[:, number])
    return v.view(READ, times // READ * len(height), READ, -1, x.shape[4])


def gather(v: Tensor, time: Block, height: list[Block], shape: tuple[int, ...]) -> Tensor:
    """The transpose of `spread`: V -> (T, H, clips, columns, C) of this shape."""
    times = len(time.matrix)
    parts = v.view(times, len(height), len(height[0].matrix), -1)
    s = (v.new_zeros if len(height) > 1 else v.new_empty)(times, shape[1], parts.shape[3])
    for number, block in enumerate(height):
        out = s[:, block.rows]
        torch.baddbmm(out, block.matrix.T.expand(times, -1, -1), parts[:, number], beta=min(number, 1), out=out)
    return (time.matrix.T @ s.view(times, -1)).view(shape)


def arrange(x: Tensor, before: int) -> Tensor:
    """Clips (N, C, T, H, W) -> (T, H, N, W + 2, C), with two columns of zeros, `before` of them in front."""
    clips, channels, time, height, width = x.shape
    out = x.new_empty(time, height, clips, width + 2, channels)
    out[:, :, :, :before] = 0
    out[:, :, :, before + width :] = 0
    out[:, :, :, before : before + width] = x.permute(2, 3, 0, 4, 1)
    return out


def spread_weight(weight: Tensor) -> Tensor:
    """Weight (K, C, 3, 3, 3) -> U (3 columns, 6, 6, C, K)."""
    outputs, channels = weight.shape[:2]
    columns = weight.permute(4, 2, 3, 1, 0).reshape(3, 9, channels * outputs)
    return (torch.kron(WEIGHTS, WEIGHTS) @ columns).view(3, READ, READ, channels, outputs)


def gather_weight(u: Tensor) -> Tensor:
    """The transpose of `spread_weight`."""
    channels, outputs = u.shape[3:]
    columns = torch.kron(WEIGHTS, WEIGHTS).T @ u.view(3, READ**2, channels * outputs)
    return columns.view(3, 3, 3, channels, outputs).permute(4, 3, 1, 2, 0)


def product_gradients(v: Tensor, u: Tensor, m: Tensor, of_u: Tensor) -> Tensor:
    """Gradients of the products V U, given theirs, m (6, tiles, 6, rows, K): that of V, and that of U added to `of_u` in place.

    A row of V, a pixel of a padded line, and the next two meet the three columns of a kernel.
    """
    rows = m.shape[3] - 2
    of_v = torch.empty_like(v)
    of_v[:, :, :, rows:] = 0
    for i in range(READ):
        for j in range(READ):
            given = m[i, :, j, :rows]
            for column in range(3):
                out = of_v[i, :, j, column : rows + column]
                factor = u[column, i, j].T.expand(len(given), -1, -1)
                torch.baddbmm(out, given, factor, beta=min(column, 1), out=out)
                for tile, seen in enumerate(v[i, :, j, column : rows + column]):
                    of_u[column, i, j].addmm_(seen.T, given[tile])
    return of_v


def clips_at_once(x: Tensor, outputs: int) -> int:
    """How many clips fit into the working set: their sums are 2.25 times the inputs and the outputs."""
    return max(1, int(WORKING_SET // (4 * (READ / TILE) ** 2 * x[0].numel() * (1 + outputs / x.shape[1]))))


class Winograd(torch.autograd.Function):
    """The direct convolution, with gradients by fewer products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x (N, C, T, H, W), weight (K, C, 3, 3, 3), bias (K,) -> (N, K, T, H, W)."""
        ctx.save_for_backward(x, weight)
        return F.conv3d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of x, weight and bias from that of y."""
        x, weight = ctx.saved_tensors
        channels, time, height, width = x.shape[1:]
        (times,), (write_times,) = axis_blocks(time, time)
        heights, write_heights = axis_blocks(height, MOST_TILES)
        u = spread_weight(weight)
        of_u, of_x = torch.zeros_like(u), torch.empty_like(x)
        size = clips_at_once(x, len(weight))
        for some, given, out in zip(x.split(size), gradient.split(size), of_x.split(size), strict=True):
            v = spread(arrange(some, 1), times, heights)
            m = spread(arrange(given, 0), write_times, write_heights)
            of_v = product_gradients(v, u, m, of_u)
            shape = (time, height, len(some), width + 2, channels)
            out.copy_(gather(of_v, times, heights, shape)[:, :, :, 1:-1].permute(2, 4, 0, 1, 3))
        return of_x, gather_weight(of_u), gradient.sum((0, 2, 3, 4))
