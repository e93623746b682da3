"""Gradients of two halves of a batch: the angle between them, and halves that are halves of the ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from neff.errors import ArgumentError
from neff.train.losses.ratios import sum_dtype, widen

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RankHalves", "phi"]


def phi(
    optimizer: Any, owner: list[str], first: list[Tensor | None], second: list[Tensor | None], *, adam: bool
) -> dict[str, tuple[float, int]]:
    """Return, for each module, one minus the cosine of its two gradients, and 1 where NaN or infinity undid it.

    NaN where a gradient is missing, has norm 0 or is not finite. Products in single precision at least, sums in double.
    """
    sums: dict[str, list[Tensor]] = {}
    position = 0
    for name, group in zip(owner, optimizer.param_groups, strict=True):
        for p in group["params"]:
            a, b = first[position], second[position]
            position += 1
            if a is None or b is None:
                continue
            a, b = (
                _preconditioned(widen(g.detach()), p, optimizer, group) if adam else widen(g.detach()) for g in (a, b)
            )
            parts = torch.stack([(x * y).sum(dtype=sum_dtype(x.device)) for x, y in ((a, b), (a, a), (b, b))])
            sums.setdefault(name, []).append(parts)
    found: dict[str, tuple[float, int]] = {}
    for name in dict.fromkeys(owner):
        dot, one, two = torch.stack(sums[name]).sum(0).tolist() if name in sums else (0.0, 0.0, 0.0)
        broken = not all(map(math.isfinite, (dot, one, two)))
        defined = not broken and one > 0 and two > 0
        found[name] = (1 - dot / math.sqrt(one * two) if defined else math.nan, int(broken))
    return found


def _preconditioned(gradient: Tensor, parameter: Any, optimizer: Any, group: dict[str, Any]) -> Tensor:
    """Return the gradient as Adam's next step would see it: without momentum and bias correction."""
    betas = group.get("betas")
    if betas is None:
        return gradient
    beta = float(betas[1])
    square = optimizer.state.get(parameter, {}).get("exp_avg_sq")
    moment = (1 - beta) * gradient.square()
    if square is not None:
        moment = moment + beta * widen(square)
    return gradient / (moment.sqrt() + float(group.get("eps", 1e-8)))


class RankHalves:
    """The first half of the ranks against the second.

    Rank r of the first half is paired with rank r + W/2 of the second: each pair holds one gradient of each half, by
    construction, for every even number of ranks.
    """

    def __init__(self) -> None:
        call = "AGVM"
        if not (distributed.is_available() and distributed.is_initialized()):
            fix = "Call torch.distributed.init_process_group first."
            raise ArgumentError("across_ranks", "False without a process group", True, fix, call=call)  # noqa: FBT003
        world, rank = distributed.get_world_size(), distributed.get_rank()
        if world < 2 or world % 2:
            fix = "Use an even number of ranks, or halves of the batch on each."
            raise ArgumentError("across_ranks", "for an even number of ranks", world, fix, call=call)
        self.size = world // 2
        # every rank makes every group, in the same order: new_group is collective
        halves = [distributed.new_group(list(range(h * self.size, (h + 1) * self.size))) for h in range(2)]
        pairs = [distributed.new_group([r, r + self.size]) for r in range(self.size)]
        self.half, self.pair = halves[rank // self.size], pairs[rank % self.size]
        self.device: Any = None

    def gather(
        self, grads: list[Tensor | None], parameters: list[Any]
    ) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Return the mean gradients of the first and of the second half of the ranks, on every rank."""
        self.device = parameters[0].device
        known = torch.tensor([float(g is not None) for g in grads], device=self.device)
        distributed.all_reduce(known, op=distributed.ReduceOp.MAX)
        first: list[Tensor | None] = [None] * len(grads)
        second: list[Tensor | None] = [None] * len(grads)
        for i, (used, g, p) in enumerate(zip(known.tolist(), grads, parameters, strict=True)):
            if not used:  # on no rank
                continue
            mean = widen((torch.zeros_like(p) if g is None else g).detach()).contiguous()
            distributed.all_reduce(mean, group=self.half)
            mean /= self.size
            both = [torch.empty_like(mean) for _ in range(2)]
            distributed.all_gather(both, mean, group=self.pair)
            first[i], second[i] = (x.to(p.dtype) for x in both)
        return first, second

    def agree(self, found: dict[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
        """Return what rank 0 found, so that all ranks take the same step to the last bit."""
        values = torch.tensor(list(found.values()), dtype=sum_dtype(self.device), device=self.device)
        distributed.broadcast(values, src=0)
        return {name: (value, int(broken)) for name, (value, broken) in zip(found, values.tolist(), strict=True)}
