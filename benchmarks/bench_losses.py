"""A loss with everything it reports against a plain GRPO loss, at 4,096 responses of up to 1,024 tokens.

What is measured
    Forward and backward pass with respect to the log-probabilities, on two threads, in single precision. The peer is
    the GRPO loss as one writes it in torch: ratio, clamp, minimum, mask, mean; it reports nothing. Ours checks the
    values, and gives the effective sample sizes of tokens and responses, the weights and the metrics. Each round times
    the peer and all of ours once, in turn; the ratio is the median over rounds of the ratio within a round, so that
    what else the machine does hits both. The goal is a ratio of at most 1.5.

Run: python benchmarks/bench_losses.py [rounds]
"""

from __future__ import annotations

import sys
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from neff.train.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable

B, T = 4096, 1024
GOAL = 1.5


def plain_grpo(lp: Any, blp: Any, advantages: Any, mask: Any) -> Any:
    ratio = torch.exp(lp - blp)
    a = advantages[:, None]
    token = -torch.min(ratio * a, torch.clamp(ratio, 0.8, 1.2) * a)
    return ((token * mask).sum(-1) / mask.sum(-1)).mean()


def seconds(function: Callable[..., Any], lp: Any, *rest: Any) -> float:
    lp.grad = None
    start = time.perf_counter()
    out = function(lp, *rest)
    getattr(out, "loss", out).backward()
    return time.perf_counter() - start


def main(rounds: int) -> None:
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(1)
    lp = -torch.rand(B, T, generator=generator)
    blp = lp + 0.1 * torch.randn(B, T, generator=generator)
    advantages = torch.randn(B, generator=generator)
    lengths = torch.randint(T // 4, T + 1, (B, 1), generator=generator)
    mask = (torch.arange(T) < lengths).float()
    olp = lp + 0.05 * torch.randn(B, T, generator=generator)
    lp.requires_grad_()
    ours = {name: function for name, function in LOSSES.items() if name != "p3o"}
    ours["p4o with olp"] = partial(LOSSES["p4o"], olp=olp)
    functions = [plain_grpo, *ours.values()]
    rows = [[seconds(f, lp, blp, advantages, mask) for f in functions] for _ in range(rounds + 1)][1:]
    print(f"{'':16}{'median ms':>10}{'ratio':>8}")
    for k, name in enumerate(["plain GRPO", *ours]):
        ratio = median(row[k] / row[0] for row in rows)
        print(f"{name:16}{median(row[k] for row in rows) * 1e3:>10.1f}{ratio:>8.2f}")
        if name in ("grpo", "ess_adaptive"):
            print(f"{'':16}goal of {GOAL:g}: {'met' if ratio <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
