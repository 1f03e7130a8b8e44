"""Batched matrix products whose bytes do not depend on the processor and which cost no more than torch's.

torch's own products on a processor are MKL's, which agree between vendors only in a mode three times as slow (arithmetic.py).
NumPy's are OpenBLAS', which names its kernels: where a product is a training's main work, it is this one
(bench/arithmetic.py).
"""

import numpy as np
import torch
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix products, matrix by matrix: (M, i, k) and (M, k, j) give (M, i, j); differentiable."""
    if left.is_cuda:
        return torch.bmm(left, right)
    if torch.is_grad_enabled() and (left.requires_grad or right.requires_grad):
        return _Product.apply(left, right)
    return multiplied(left, right)


def multiplied(left: Tensor, right: Tensor) -> Tensor:
    """`product` on a processor, without a gradient. What is not finite stays so; trainings check their losses."""
    with np.errstate(invalid="ignore", over="ignore"):
        return torch.from_numpy(np.matmul(left.detach().numpy(), right.detach().numpy()))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(context, left: Tensor, right: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        context.save_for_backward(left, right)
        return multiplied(left, right)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:  # type: ignore[no-untyped-def]
        left, right = context.saved_tensors
        of_left, of_right = context.needs_input_grad
        return (
            multiplied(gradient, right.mT) if of_left else None,
            multiplied(left.mT, gradient) if of_right else None,
        )
