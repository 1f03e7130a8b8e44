"""The head of C3D-LSTM for many members at once: one LSTM layer and one fully connected unit on frozen clip features.

    clip features (T=6, D) ─► LSTM (H) ─► state after the last clip (H) ─► fully connected ─► score
                                                                      (AQA-7, Sec. 4 and Figure 2)

Every weight has a leading member axis, and every product is a batched one, so that M members cost one program, not M:

    lstm.weight_ih (M, 4H, D)   lstm.weight_hh (M, 4H, H)   lstm.bias (M, 4H)   fc.weight (M, H)   fc.bias (M,)

Gates stand in torch's order (input, forget, cell, output), so one member's slice is nn.LSTM's weight. There is one bias,
as in Caffe: nn.LSTM has two whose sum alone matters, and Adam would move that sum by twice the step size.
"""

import numpy as np
import torch
from torch import Tensor

from rescore.models.products import product

Weights = dict[str, Tensor]


def weight_shapes(features: int, width: int) -> dict[str, tuple[int, ...]]:
    """Shapes of one member's weights for clip features of length `features` and an LSTM of `width`."""
    return {
        "lstm.weight_ih": (4 * width, features),
        "lstm.weight_hh": (4 * width, width),
        "lstm.bias": (4 * width,),
        "fc.weight": (width,),
        "fc.bias": (),
    }


def initial_weights(features: int, width: int, sd: float, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """One member's gaussian initialisation (AQA-7, Sec. 5: standard deviation 0.1), float32.

    The paper does not say what the noise covers. In Caffe a filler belongs to the weights, and biases are constant 0; so here.
    """
    return {
        name: np.zeros(shape, np.float32)
        if name.endswith("bias")
        else generator.standard_normal(shape, np.float32) * np.float32(sd)
        for name, shape in weight_shapes(features, width).items()
    }


def lstm_states(weights: Weights, clips: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run every member's LSTM over its own batch.

    Args:
        weights: stacked weights.
        clips: (M, T, B, D) clip features, time before batch.

    Returns:
        Activated gates (M, T, B, 4H), cell states, their tanh, and hidden states (M, T, B, H each).
    """
    members, steps, batch, _ = clips.shape
    width = weights["fc.weight"].shape[1]
    # The input's share of all gates of all steps is one product: only the recurrent share has to wait for its step.
    gates = product(clips.flatten(1, 2), weights["lstm.weight_ih"].mT).add_(weights["lstm.bias"].unsqueeze(1))
    gates = gates.view(members, steps, batch, 4 * width)  # (M, T, B, 4H)
    cells, squashed, hidden = clips.new_empty(3, members, steps, batch, width)  # (M, T, B, H) each
    recurrent = weights["lstm.weight_hh"].mT  # (M, H, 4H)
    for t in range(steps):
        step = gates[:, t]  # (M, B, 4H)
        if t > 0:
            step += product(hidden[:, t - 1], recurrent)
        step[..., : 2 * width].sigmoid_()
        step[..., 2 * width : 3 * width].tanh_()
        step[..., 3 * width :].sigmoid_()
        input_gate, forget_gate, cell_gate, output_gate = step.chunk(4, dim=-1)  # (M, B, H) each
        torch.mul(input_gate, cell_gate, out=cells[:, t])
        if t > 0:
            cells[:, t].addcmul_(forget_gate, cells[:, t - 1])
        torch.tanh(cells[:, t], out=squashed[:, t])
        torch.mul(squashed[:, t], output_gate, out=hidden[:, t])
    return gates, cells, squashed, hidden


@torch.no_grad()
def predict_steps(weights: Weights, clips: Tensor) -> Tensor:
    """The fully connected unit applied to the state after each clip: (M, T, B); [:, -1] is the network's prediction."""
    hidden = lstm_states(weights, clips)[3]  # (M, T, B, H)
    scores = product(hidden.flatten(1, 2), weights["fc.weight"].unsqueeze(2)).squeeze(2)  # (M, T*B)
    return (scores + weights["fc.bias"].unsqueeze(1)).view(hidden.shape[:3])


@torch.no_grad()
def loss_and_gradients(
    weights: Weights, clips: Tensor, targets: Tensor, shares: Tensor | None = None
) -> tuple[Tensor, Weights]:
    """Euclidean loss of every member on its own batch, and its gradients.

    Loss: 1/(2B) sum_b (predicted_b - target_b)^2, Caffe's EuclideanLoss; torch's MSE is twice that. Under Adam the factor
    cancels, but for the 1e-8 in its denominator. With `shares` every clip has a label of its own, its share of the target
    (`label_shares`), and the loss is 1/(2TB) sum_tb (predicted_tb - share_t target_b)^2.

    The gradients are written out (backpropagation through time) instead of recorded: there are fewer small operations, and
    each weight's gradient over all steps is one product.

    Args:
        weights: stacked weights.
        clips: (M, T, B, D).
        targets: (M, B).
        shares: (T,), the part of the target that the unit is to say after each clip; None: it is asked after the last alone.

    Returns:
        Loss (M,) and gradients under the weights' names.
    """
    gates, cells, squashed, hidden = lstm_states(weights, clips)
    batch, width = targets.shape[1], hidden.shape[-1]
    # The S steps that have a label: the last, or all.
    labels = targets.unsqueeze(1) if shares is None else targets.unsqueeze(1) * shares[:, None]  # (M, S, B)
    asked = hidden[:, -labels.shape[1] :].flatten(1, 2)  # (M, S*B, H)
    predicted = product(asked, weights["fc.weight"].unsqueeze(2)).squeeze(2) + weights["fc.bias"].unsqueeze(1)
    error = predicted - labels.flatten(1)  # (M, S*B)
    slope = error / error.shape[1]  # dloss/dpredicted
    gate_gradient = gate_gradients(weights, gates, cells, squashed, slope.view(labels.shape))
    gate_gradient = gate_gradient.flatten(1, 2)  # (M, T*B, 4H)
    previous = hidden[:, :-1].flatten(1, 2)  # (M, (T-1)*B, H): the state that entered steps 1..T-1; step 0 got zeros
    gradients = {
        "lstm.weight_ih": product(gate_gradient.mT, clips.flatten(1, 2)),
        "lstm.weight_hh": product(gate_gradient[:, batch:].mT, previous),
        "lstm.bias": product(gate_gradient.new_ones(len(slope), 1, gate_gradient.shape[1]), gate_gradient).squeeze(1),
        "fc.weight": product(asked.mT, slope.unsqueeze(2)).view(-1, width),
        "fc.bias": slope.sum(1),
    }
    return error.square().sum(1) / (2 * error.shape[1]), gradients


def label_shares(clips: int, power: float) -> np.ndarray:
    """Share of the final score after each clip, float32 (clips,): (k / clips) ^ power, so that it ends at 1.

    Incremental labels are the idea of Parmar and Morris, Learning to Score Olympic Events, CVPRW 2017. That they grow as k / n,
    power 1, rests on the label lists released with it, not on the paper's text.
    """
    return (np.arange(1, clips + 1, dtype=np.float32) / np.float32(clips)) ** np.float32(power)


def gate_gradients(weights: Weights, gates: Tensor, cells: Tensor, squashed: Tensor, slopes: Tensor) -> Tensor:
    """Backpropagation through time: the loss's gradient with respect to the gates before activation, (M, T, B, 4H).

    `slopes` (M, S, B): its gradient with respect to what the unit says after each of the last S clips.
    """
    width = cells.shape[-1]
    # Derivatives of all activations by their outputs: s(1-s) for the three logistic gates, 1-g^2 for the cell gate,
    # each times what the gate multiplies, so that a step only scales them by its incoming gradient.
    input_gate, forget_gate, cell_gate, output_gate = gates.chunk(4, dim=-1)  # (M, T, B, H) each
    one = gates.new_ones(())
    derivative = torch.addcmul(gates, gates, gates, value=-1)  # (M, T, B, 4H)
    input_part, forget_part, cell_part, output_part = derivative.chunk(4, dim=-1)
    torch.addcmul(one, cell_gate, cell_gate, value=-1, out=cell_part)
    input_part.mul_(cell_gate)
    cell_part.mul_(input_gate)
    output_part.mul_(squashed)
    forget_part[:, 1:].mul_(cells[:, :-1])
    forget_part[:, 0] = 0
    through_output = torch.addcmul(one, squashed, squashed, value=-1).mul_(output_gate)  # dh/dc, (M, T, B, H)
    unit = weights["fc.weight"].unsqueeze(1)  # (M, 1, H)
    from_hidden = slopes[:, -1].unsqueeze(2) * unit  # (M, B, H)
    from_cell = torch.zeros_like(from_hidden)
    first = cells.shape[1] - slopes.shape[1]  # the first step with a label
    for t in reversed(range(cells.shape[1])):
        from_cell.addcmul_(from_hidden, through_output[:, t])
        step = derivative[:, t].unflatten(-1, (4, width))  # (M, B, 4, H)
        step[..., :3, :] *= from_cell.unsqueeze(2)
        step[..., 3, :] *= from_hidden
        if t > 0:
            from_hidden = product(derivative[:, t], weights["lstm.weight_hh"])
            if t > first:
                from_hidden.addcmul_(slopes[:, t - 1 - first].unsqueeze(2), unit)
            from_cell *= forget_gate[:, t]
    return derivative
