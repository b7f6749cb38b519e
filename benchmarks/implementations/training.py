"""The training step of all torch peers."""

import itertools

import torch

from benchmarks.cases import Case, levels, random_batches
from benchmarks.measure import Step
from lgn.data.encoding import encode


def training_step(case: Case, model: torch.nn.Module, compiled: bool, transposed: bool = False) -> Step:
    """One iteration of a model from float bits (batch, inputs), ready-made, to scores (batch, classes).

    transposed: bits come as (inputs, batch). Adam is the fused one: on a CPU as fast as any of torch's or faster.
    """
    model = model.to(case.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    forward = torch.compile(model) if compiled else model
    batches = itertools.cycle(float_batches(case, transposed))

    def step() -> None:
        bits, labels = next(batches)
        loss = torch.nn.functional.cross_entropy(forward(bits), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def float_batches(case: Case, transposed: bool = False) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The case's batches as float32 bits and int64 labels on its device."""
    batches = []
    for pixels, labels in random_batches(case):
        bits = torch.from_numpy(encode(pixels, levels(case))).float()
        bits = bits.t().contiguous() if transposed else bits
        batches.append((bits.to(case.device), torch.from_numpy(labels).to(case.device)))
    return batches


def sampled_weights(logits: torch.Tensor, method: str) -> torch.Tensor:
    """(width, 16) gate weights: softmax, or for GLGN a Gumbel-softmax sample, straight-through."""
    if method == "glgn":
        return torch.nn.functional.gumbel_softmax(logits, tau=1.0, hard=True, dim=-1)
    return torch.softmax(logits, -1)
