"""The soft network's loss along a line of logits or activations: value, first and second derivative, by Taylor mode.

A number that depends on t is a triple of its derivatives (x, x', x'') at t = 0; one forward pass computes triples
through all layers. The second derivative along v is v'Hv, without a graph, a backward pass or more memory than two
layers. All is float64: a trace is a small sum of large terms of both signs, the lemma's error a small difference.
"""

import torch

from lgn.methods._method import gate_coefficients
from lgn.network import LogicNetwork
from probes.common import Examples, blocks

BLOCK_VALUES = 2**15
"""Activations of a layer per block: its dozen arrays stay in cache."""

Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def loss(network: LogicNetwork, scaled_logits: list[torch.Tensor], given: Examples) -> float:
    """Mean cross-entropy, in nats, of the network whose gate weights are softmax(scaled_logits (width, 16))."""
    coefficients = [gate_coefficients(torch.softmax(logits, -1)) for logits in scaled_logits]
    total = 0.0
    for part in blocks(network, given, BLOCK_VALUES):
        scores = activations(network, coefficients, part)[-1]
        total += float(
            torch.nn.functional.cross_entropy(class_scores(network, scores).t(), part.labels, reduction="sum")
        )
    return total / len(given.labels)


def loss_along_logits(
    network: LogicNetwork,
    scaled_logits: list[torch.Tensor],
    direction: list[torch.Tensor],
    given: Examples,
) -> tuple[float, float, float]:
    """The mean loss at scaled_logits + t direction (each a (width, 16) per layer), t = 0, and two derivatives in t."""
    pairs = zip(scaled_logits, direction, strict=True)
    coefficients = [tuple(map(gate_coefficients, softmax_triple(*pair))) for pair in pairs]
    totals = torch.zeros(3, dtype=torch.float64)
    for part in blocks(network, given, BLOCK_VALUES):
        x: Triple | None = None
        for layer in range(network.depth):
            x = _layer(network, layer, part, x, coefficients[layer])
        assert x is not None
        totals += _loss_triple(network, x, part.labels)
    return tuple((totals / len(given.labels)).tolist())


def second_derivative_along_activations(
    network: LogicNetwork,
    coefficients: list[torch.Tensor],
    directions: list[torch.Tensor],
    given: Examples,
) -> float:
    """Sum over images of the loss's second derivative in t, if t directions[layer] (width, n) is added to the outputs.

    coefficients: each layer's (width, 4). Every image has its own direction.
    """
    x: Triple | None = None
    for layer in range(network.depth):
        value, slope, curvature = _layer(network, layer, given, x, (coefficients[layer], None, None))
        x = value, slope + directions[layer], curvature
    assert x is not None
    return float(_loss_triple(network, x, given.labels)[2])


def activations(
    network: LogicNetwork, coefficients: list[torch.Tensor], given: Examples
) -> list[torch.Tensor]:
    """Each layer's outputs (width, n) float64 for its coefficients (width, 4)."""
    outputs: list[torch.Tensor] = []
    for layer, c in enumerate(coefficients):
        a, b = layer_inputs(network, layer, outputs[-1] if outputs else given.bits)
        c = c.unsqueeze(-1)
        outputs.append(c[:, 0] + c[:, 1] * a + (c[:, 2] + c[:, 3] * a) * b)
    return outputs


def layer_inputs(network: LogicNetwork, layer: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both inputs (width, n) float64 of a layer's neurons, from the outputs (or bits) x before it."""
    return tuple(x.index_select(0, wire).double() for wire in network.wiring(layer))


def class_scores(network: LogicNetwork, outputs: torch.Tensor) -> torch.Tensor:
    """(classes, n) scores of the last layer's outputs (width, n)."""
    return outputs.view(network.classes, -1, outputs.shape[1]).sum(1) / network.group_temperature


def softmax_triple(logits: torch.Tensor, direction: torch.Tensor) -> Triple:
    """softmax(logits + t direction) over the last axis at t = 0, and two derivatives in t."""
    weights = torch.softmax(logits, -1)
    centred = direction - (weights * direction).sum(-1, keepdim=True)
    variance = (weights * centred**2).sum(-1, keepdim=True)
    return weights, weights * centred, weights * (centred**2 - variance)


def _layer(
    network: LogicNetwork, layer: int, given: Examples, x: Triple | None, coefficients: tuple
) -> Triple:
    """A layer's outputs (width, n) and derivatives. x: of the layer before; None for the bits, which are fixed.

    coefficients: (width, 4) and two derivatives, which are None if the coefficients are fixed too.
    """
    c = coefficients[0].unsqueeze(-1).unbind(1)
    slope_c, curvature_c = (None if k is None else k.unsqueeze(-1).unbind(1) for k in coefficients[1:])
    first, second = network.wiring(layer)
    if x is None:
        a, b = layer_inputs(network, layer, given.bits)
    else:
        (a, a1, a2), (b, b1, b2) = ([v.index_select(0, wire) for v in x] for wire in (first, second))
    ab = a * b
    value = c[0] + c[1] * a + c[2] * b + c[3] * ab
    slope, curvature = torch.zeros_like(value), torch.zeros_like(value)
    if x is not None:
        by_a, by_b = c[1] + c[3] * b, c[2] + c[3] * a
        a1b1 = a1 * b1
        slope = by_a * a1 + by_b * b1
        curvature = by_a * a2 + by_b * b2 + 2 * c[3] * a1b1
    if slope_c is not None and curvature_c is not None:
        d, e = slope_c, curvature_c
        slope += d[0] + d[1] * a + d[2] * b + d[3] * ab
        curvature += e[0] + e[1] * a + e[2] * b + e[3] * ab
        if x is not None:
            curvature += 2 * ((d[1] + d[3] * b) * a1 + (d[2] + d[3] * a) * b1)
    return value, slope, curvature


def _loss_triple(network: LogicNetwork, outputs: Triple, labels: torch.Tensor) -> torch.Tensor:
    """(3,) sum over images of the cross-entropy and its two derivatives, for the last layer's outputs."""
    scores, slope, curvature = (class_scores(network, x) for x in outputs)
    probabilities = torch.softmax(scores, 0)
    images = torch.arange(len(labels), device=labels.device)
    value = (torch.logsumexp(scores, 0) - scores[labels, images]).sum()
    mean_slope = (probabilities * slope).sum(0)
    # Cross-entropy's Hessian in the scores is diag(p) - pp': a variance.
    variance = (probabilities * (slope - mean_slope) ** 2).sum()
    first = (mean_slope - slope[labels, images]).sum()
    second = ((probabilities * curvature).sum(0) - curvature[labels, images]).sum() + variance
    return torch.stack([value, first, second]).cpu()
