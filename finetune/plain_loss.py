"""TRL's fused language-model head in plain torch, for machines without a GPU.

TRL computes its losses with a Triton kernel and has no other way; torch for CPUs comes without Triton, so that its
trainers fail there at the first step. What is computed here is the same: per answer token, in float32,
log P(target) = logit(target) - logsumexp(logits), the entropy, and whether the target has the highest logit.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer import utils


class PlainLogProb:
    """Stands where TRL looks for its kernel; tensors on a GPU are handed on to that."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def apply(self, hidden: torch.Tensor, weight: torch.Tensor, *rest: Any) -> tuple[torch.Tensor | None, ...]:
        """(log-probabilities, entropies, log sum of squared probabilities, mean logits, is best), each [tokens].

        hidden: [tokens, width]; weight: [vocabulary, width]; then bias, targets, temperature, a chunk's size,
        the logits' soft cap, their scale, and the names of what is wanted beside the log-probabilities.
        """
        if hidden.device.type != "cpu":
            found: tuple[torch.Tensor | None, ...] = self._kernel.apply(hidden, weight, *rest)
            return found
        bias, targets, temperature, _, cap, scale, wanted = rest
        logits = torch.nn.functional.linear(hidden, weight.to(hidden.dtype), bias).float() * scale
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        logits = logits / temperature
        every = torch.log_softmax(logits, dim=-1)
        chosen = every.gather(1, targets.unsqueeze(1)).squeeze(1)
        with torch.no_grad():
            others: dict[str, torch.Tensor] = {
                "entropy": -(every.exp() * every).sum(dim=-1),
                "log_sum_sq_probs": torch.logsumexp(2 * every, dim=-1),
                "mean_logits": logits.mean(dim=-1),
                "is_top1": logits.argmax(dim=-1) == targets,
            }
        return (chosen, *(tensor if name in wanted else None for name, tensor in others.items()))


def install() -> None:
    """Put it in the kernel's place; once is enough, more does no harm."""
    module: Any = utils
    if not isinstance(module._ChunkedLogProbFunction, PlainLogProb):
        module._ChunkedLogProbFunction = PlainLogProb(module._ChunkedLogProbFunction)
