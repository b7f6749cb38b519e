"""The Hessian's trace, split by structure: all logits of one neuron act through one number, the neuron's output.

A neuron's logits u affect an image's loss only through its output y, and its inputs do not depend on u. So

    sum_i d2 loss / du_i2 = d2 loss / dy2 * sum_i (dy/du_i)2 + d loss / dy * sum_i d2y / du_i2,

where dy/du_i = w_i (h_i - y) and d2y/du_i2 = w_i (1 - 2 w_i) (h_i - y), with w = softmax(u) and h_i the gates'
values. One forward and one backward pass give everything exactly, except d2 loss / dy2. This follows for every neuron
and image, layer by layer, from the Hessian in the outputs of the layer above (`weighted_curvature`): width^2 numbers
per image.
"""

import contextlib
from typing import NamedTuple

import numba
import numpy as np
import torch

from lgn.errors import LgnError
from lgn.gates import COEFFICIENTS
from lgn.machine import available_bytes
from lgn.methods._method import gate_coefficients
from lgn.network import LogicNetwork
from probes.common import Examples
from probes.taylor import activations, class_scores, layer_inputs

NEGLIGIBLE = 1e-30
"""Smaller slopes count as 0: products of saturated gates' slopes would become denormal numbers, which are slow."""


class Structure(NamedTuple):
    """Parts of the trace for n images; tensors are (depth, width, n) float64 unless stated.

    weights: sum_i (dy/du_i)^2. slopes_a, slopes_b: derivatives by a neuron's inputs. cross: dloss/dy times the mixed
    derivative. probabilities (classes, n): softmax of the scores. first_order: the trace's terms with dloss/dy,
    summed over images.
    """

    weights: torch.Tensor
    slopes_a: torch.Tensor
    slopes_b: torch.Tensor
    cross: torch.Tensor
    probabilities: torch.Tensor
    first_order: float


def structure(network: LogicNetwork, scaled_logits: list[torch.Tensor], given: Examples) -> Structure:
    """One forward and one backward pass at softmax(scaled_logits), each (width, 16) float64."""
    soft = [torch.softmax(logits, -1) for logits in scaled_logits]
    coefficients = [gate_coefficients(weights) for weights in soft]
    outputs = activations(network, coefficients, given)
    probabilities = torch.softmax(class_scores(network, outputs[-1]), 0)
    by_score = probabilities.clone()
    by_score[given.labels, torch.arange(len(given.labels), device=probabilities.device)] -= 1
    group = network.width // network.classes
    by_output = (by_score / network.group_temperature).repeat_interleave(group, 0)
    layers, first_order = [], 0.0
    for layer in reversed(range(network.depth)):
        a, b = layer_inputs(network, layer, outputs[layer - 1] if layer else given.bits)
        c = coefficients[layer].unsqueeze(-1)
        terms = torch.stack([torch.ones_like(a), a, b, a * b], 1)
        squares, curvature = _softmax_moments(soft[layer], coefficients[layer])
        first_order += float((by_output.unsqueeze(1) * terms).sum(-1).mul_(curvature).sum())
        by_a, by_b = c[:, 1] + c[:, 3] * b, c[:, 2] + c[:, 3] * a
        # Rounding can leave a saturated neuron's square below 0.
        squared_slopes = (terms * (squares @ terms)).sum(1).clamp_min(0)
        layers.append((squared_slopes, by_a, by_b, c[:, 3] * by_output))
        if layer:
            first, second = network.wiring(layer)
            below = torch.zeros_like(by_output)
            below.index_add_(0, first, by_a * by_output).index_add_(0, second, by_b * by_output)
            by_output = below
    squares, by_a, by_b, mixed = map(torch.stack, zip(*reversed(layers), strict=True))
    return Structure(squares, by_a, by_b, mixed, probabilities, first_order)


def _softmax_moments(weights: torch.Tensor, coefficients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(width, 4, 4) sum_i w_i^2 (C_i - c)(C_i - c)' and (width, 4) sum_i w_i (1 - 2 w_i) (C_i - c).

    On the terms (1, a, b, ab) they are sum_i (dy/du_i)^2 and sum_i d2y/du_i2.
    """
    gates = torch.as_tensor(COEFFICIENTS, dtype=weights.dtype, device=weights.device)
    centred = gates - coefficients.unsqueeze(1)
    slopes = weights.unsqueeze(-1) * centred
    return slopes.mT @ slopes, ((1 - 2 * weights).unsqueeze(-1) * slopes).sum(1)


def weighted_curvature(network: LogicNetwork, parts: Structure) -> float:
    """Exact sum over images, layers and neurons of weights * d2 loss / dy2. On the CPU, depth * width^2 per image.

    Raises LgnError if two matrices of width * width do not fit into memory.
    """
    needed = 2 * 8 * network.width**2
    if needed > available_bytes():
        raise LgnError(
            f"estimator: exact needs {needed / 2**30:.1f} GiB at width {network.width}; allowed: per_image, hutchinson"
        )
    wiring = np.stack([network.wiring(layer).cpu().numpy() for layer in range(network.depth)]).astype(
        np.int64
    )
    by_image = (x.permute(2, 0, 1).contiguous().cpu().numpy() for x in parts[:4])
    probabilities = parts.probabilities.t().contiguous().cpu().numpy()
    return _weighted_curvature(
        wiring[:, 0], wiring[:, 1], *by_image, probabilities, network.group_temperature
    )


def _compiled(function):
    """Compiles a function, and caches it on disk if a folder is writable."""
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        compiled.enable_caching()
    return compiled


@_compiled
def _weighted_curvature(first, second, weights, slopes_a, slopes_b, cross, probabilities, group_temperature):
    images, depth, width = weights.shape
    group = width // probabilities.shape[1]
    upper, half = np.empty((width, width)), np.empty((width, width))
    total = 0.0
    for image in range(images):
        p = probabilities[image] / group_temperature
        for m in range(width):
            for n in range(width):
                upper[m, n] = -p[m // group] * p[n // group]
                if m // group == n // group:
                    upper[m, n] += p[m // group] / group_temperature
        for layer in range(depth - 1, -1, -1):
            for n in range(width):
                total += weights[image, layer, n] * upper[n, n]
            if layer == 0:
                break
            # The layer below has the Hessian S' upper S + D: S are slopes, D the gates' mixed derivatives.
            a, b = first[layer], second[layer]
            s, t, d = slopes_a[image, layer], slopes_b[image, layer], cross[image, layer]
            half[:] = 0
            for m in range(width):
                if abs(s[m]) > NEGLIGIBLE:
                    for n in range(width):
                        half[a[m], n] += s[m] * upper[m, n]
                if abs(t[m]) > NEGLIGIBLE:
                    for n in range(width):
                        half[b[m], n] += t[m] * upper[m, n]
            upper[:] = 0
            for row in range(width):
                for m in range(width):
                    upper[row, a[m]] += s[m] * half[row, m]
                    upper[row, b[m]] += t[m] * half[row, m]
            for m in range(width):
                upper[a[m], b[m]] += d[m]
                upper[b[m], a[m]] += d[m]
    return total
