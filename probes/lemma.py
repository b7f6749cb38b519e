"""Lemma 1 of the paper as an experiment: the effect of Gumbel noise on the logits on the soft network's loss.

    E_g[L(softmax((z + g) / tau))] = L(softmax(z / tau)) + pi^2 / (12 tau^2) tr(H) + O(tau^-3),

H the Hessian in u = z / tau, at z / tau. Gumbel noise has mean 0.5772 for all gates, and softmax ignores a common
shift. So g may be centred, with variance pi^2 / 6. For d = g / tau let

    R(g) = L(u + d) - L(u) - grad L(u) d - d'Hd / 2.

E[grad L(u) d] = 0 and E[d'Hd / 2] is the trace term, both exactly. So the mean of R *is* the error of the expansion,
and the two derivatives along d are control variates of known mean. R itself is of order tau^-3: its relative accuracy
does not fall with tau, unlike that of a difference of means. Where tau is small and R varies more than L, a regression
on the two controls removes the variance that they add. Both derivatives cost only a few evaluations of the loss
(probes.taylor). All temperatures use the same noise.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.network import LogicNetwork
from probes.common import Examples, Row, Splits, choose, examples, noise_draw, probe_seed, scaled_logits
from probes.hessian import trace
from probes.taylor import loss, loss_along_logits

GUMBEL_VARIANCE = math.pi**2 / 6


def run(
    network: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    temperatures: Sequence[float],
    draws: int,
    estimator: str = "exact",
    seed: int = 0,
) -> list[Row]:
    """One row per temperature, from `draws` draws of the noise over a fixed random subset of a split's images.

    loss: L(softmax(z/tau)). trace, trace_standard_error: of H, by an estimator of probes.hessian (if it is not exact,
    to 1% and at most 2000 samples). trace_term: pi^2 / (12 tau^2) trace. error, error_standard_error: noisy_loss - loss
    - trace_term. noisy_loss, standard_error: the lemma's left side. relative_size: |error / trace_term|.
    plain_noisy_loss, plain_standard_error: the plain mean of L(u + d). sampled_trace_term and its standard error: the
    mean of d'Hd / 2. These two use none of the identities above. Losses are in nats. Errors of about 1e-15 are float64
    rounding. Raises LgnError for fewer than 10 draws.
    """
    if draws < 10:
        raise LgnError(f"draws: {draws} are too few for a standard error; allowed: 10 and more")
    given = examples(network, thresholds, choose(splits[split], images, seed))
    noise_seed = probe_seed(seed, "lemma")
    rows = []
    for temperature in temperatures:
        u = scaled_logits(network, temperature)
        hessian = trace(
            network, given, temperature, estimator, relative_error=0.01, max_samples=2000, seed=seed
        )
        factor = GUMBEL_VARIANCE / (2 * temperature**2)
        base, trace_term = loss(network, u, given), factor * hessian.mean
        samples = [
            _sample(
                network, u, [g / temperature for g in noise_draw(network, "gumbel", noise_seed, draw)], given
            )
            for draw in range(draws)
        ]
        noisy, slopes, quadratics = np.array(samples).T
        error, residual_error, weight = _regress(
            noisy - base - slopes - quadratics, slopes, quadratics - trace_term
        )
        term_error = factor * hessian.standard_error
        rows.append(
            {
                "temperature": temperature,
                "noisy_loss": base + trace_term + error,
                "standard_error": math.hypot(residual_error, (1 + weight) * term_error),
                "loss": base,
                "trace": hessian.mean,
                "trace_standard_error": hessian.standard_error,
                "trace_term": trace_term,
                "error": error,
                "error_standard_error": math.hypot(residual_error, weight * term_error),
                "relative_size": abs(error / trace_term) if trace_term else math.nan,
                "plain_noisy_loss": float(noisy.mean()),
                "plain_standard_error": _standard_error(noisy),
                "sampled_trace_term": float(quadratics.mean()),
                "sampled_trace_term_standard_error": _standard_error(quadratics),
            }
        )
    return rows


def error_order(rows: list[Row], resolution: float = 4.0) -> Row:
    """The n of error ~ tau^-n, for run()'s rows: a weighted straight line through log |error| over log tau.

    It uses only resolved errors, above `resolution` standard errors. Columns: order, its standard_error, points,
    lowest_temperature, highest_temperature. The standard error assumes independent rows, which is slightly pessimistic
    because of the common noise. It ignores higher orders, which bend the line where tau is small. Raises LgnError with
    fewer than two resolved temperatures.
    """
    resolved = [row for row in rows if abs(row["error"]) > resolution * row["error_standard_error"]]
    temperatures = np.array([row["temperature"] for row in resolved])
    if len(set(temperatures)) < 2:
        raise LgnError(
            f"temperatures: errors are resolved at {len(set(temperatures))} of them; 2 are needed: take more draws"
        )
    errors = np.array([row["error"] for row in resolved])
    weights = (errors / [max(row["error_standard_error"], 1e-300) for row in resolved]) ** 2
    x, y = -np.log(temperatures), np.log(np.abs(errors))
    centred = x - np.average(x, weights=weights)
    spread = (weights * centred**2).sum()
    return {
        "order": float((weights * centred * y).sum() / spread),
        "standard_error": float(spread**-0.5),
        "points": len(resolved),
        "lowest_temperature": float(temperatures.min()),
        "highest_temperature": float(temperatures.max()),
    }


def _sample(
    network: LogicNetwork, u: list[torch.Tensor], shift: list[torch.Tensor], given: Examples
) -> tuple[float, float, float]:
    """L(u + shift), grad L(u) shift and shift'H shift / 2."""
    _, slope, curvature = loss_along_logits(network, u, shift, given)
    return loss(network, [x + d for x, d in zip(u, shift, strict=True)], given), slope, curvature / 2


def _regress(values: np.ndarray, slopes: np.ndarray, quadratics: np.ndarray) -> tuple[float, float, float]:
    """Mean of values, its standard error, and its derivative by the assumed mean of quadratics.

    Both controls have a true mean of 0. Their weights are least squares on the same draws, which gives a bias of about
    the standard error over sqrt(draws).
    """
    columns = np.stack([np.ones_like(slopes), slopes, quadratics], 1)
    # Columns have very different sizes: without scaling, lstsq would drop the smallest as noise.
    scale = np.linalg.norm(columns, axis=0)
    scale[scale == 0] = 1
    solution = np.linalg.lstsq(columns / scale, values, rcond=None)[0] / scale
    residuals = values - columns @ solution
    free = len(values) - len(solution)
    covariance = np.linalg.pinv((columns / scale).T @ (columns / scale)) * (residuals @ residuals) / free
    return float(solution[0]), float(covariance[0, 0] ** 0.5 / scale[0]), float(solution[2])


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))
