"""Branched training: from one checkpoint, train the same examples with larger and larger batches.

Everything about a framework is in the trainer that the caller gives (`Branchable`); `neff.train.branching.TorchBranch`
is one for PyTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_count
from neff.train.batch_size.critical import critical_batch_size
from neff.train.batch_size.rates import learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.train.batch_size.rates import LearningRateRule
    from neff.train.batch_size.result import CriticalBatchSize

__all__ = ["BranchPlan", "Branchable", "Branches", "branch", "plan_branches"]

FEWEST_STEPS = 20
EMA_WEIGHT = 0.5
MULTIPLIERS = (1, 2, 4, 8, 16, 32, 64)


class Branchable(Protocol):
    """What `branch` needs of a trainer: go back to a checkpoint, scale the learning rate, make a step, be probed.

    One object serves all branches. `snapshot` and `restore` carry weights, optimizer state and the position in the
    schedule; the schedule is a function of examples seen, so that it keeps its shape at any batch size.
    """

    @property
    def optimizer(self) -> Any:
        """The optimizer, or its name: the rule for the learning rate depends on it."""

    def snapshot(self) -> Any:
        """Return the present state; later training must not change it."""

    def restore(self, checkpoint: Any) -> None:
        """Go back to a state, with the learning rate as it was."""

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of every later step, that of the schedule too."""

    def step(self, start: int, stop: int, *, seed: int) -> float:
        """Train one step on examples start..stop - 1 of the data order `seed`, and return the mean loss before it."""

    def probe(self) -> float:
        """Return the mean loss on a fixed set of examples, without training."""


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """What branched training will cost, before it is run.

    Attributes
    ----------
    batch_size
        The batch in use, examples or tokens per step.
    multipliers
        k of each branch.
    window
        Examples each branch is trained on; a multiple of every batch.
    n_seeds
        Data orders per branch.
    """

    batch_size: int
    multipliers: tuple[int, ...]
    window: int
    n_seeds: int

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps of each branch."""
        return tuple(self.window // (k * self.batch_size) for k in self.multipliers)

    @property
    def total_examples(self) -> int:
        """Examples trained on in all: branches times seeds times the window."""
        return self.window * len(self.multipliers) * self.n_seeds

    @property
    def total_steps(self) -> int:
        """Steps in all."""
        return sum(self.steps) * self.n_seeds

    def __str__(self) -> str:
        return (
            f"{len(self.multipliers)} branches x {self.n_seeds} seeds x {self.window:,} examples = "
            f"{self.total_examples:,} examples in {self.total_steps:,} steps, batch {self.batch_size:,} to "
            f"{self.batch_size * self.multipliers[-1]:,} ({self.steps[-1]} steps)"
        )


@dataclass(frozen=True, slots=True)
class Branches:
    """Losses of branched training.

    Attributes
    ----------
    plan
        What was run.
    losses
        Loss at the end of the window, one row per seed, one column per batch; infinity where a branch diverged.
    factors
        What the learning rate was multiplied by, f(k).
    loss_kind
        "probe" or "ema".
    """

    plan: BranchPlan
    losses: tuple[tuple[float, ...], ...]
    factors: tuple[float, ...]
    loss_kind: str

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch of each branch."""
        return tuple(k * self.plan.batch_size for k in self.plan.multipliers)

    def critical(self, **options: Any) -> CriticalBatchSize:
        """Return the critical batch size; options as in `critical_batch_size`."""
        return critical_batch_size(self.batch_sizes, self.losses, **options)

    def learning_rate(self, base: float, **options: Any) -> float:
        """Return the learning rate that belongs to the critical batch size, f(k*) times the base one."""
        found = self.critical(**options)
        return base * self.factors[self.batch_sizes.index(int(found.value))]

    def rows(self, checkpoint: str = "") -> list[dict[str, Any]]:
        """Return one dict per branch and seed, as `neff train cbs` reads them from a log."""
        return [
            {"checkpoint": checkpoint, "batch_size": batch, "seed": seed, "loss": loss}
            for seed, losses in enumerate(self.losses)
            for batch, loss in zip(self.batch_sizes, losses, strict=True)
        ]


def plan_branches(
    *, batch_size: int, window: int, multipliers: Sequence[int] = MULTIPLIERS, n_seeds: int = 3
) -> BranchPlan:
    """Return what branched training will cost; refuse what cannot be measured.

    Parameters
    ----------
    batch_size
        The batch in use, examples or tokens per step.
    window
        Examples to train each branch on. It is rounded down to a multiple of every batch, so that all branches see
        the same examples. The paper takes 0.1% to 0.3% of the run.
    multipliers
        k of each branch, rising from 1.
    n_seeds
        Data orders per branch; two or more for an interval.

    Returns
    -------
    BranchPlan
        Print it before running.

    Raises
    ------
    ArgumentError
        If the largest batch would take fewer than 20 steps, or the multipliers do not rise from 1.

    References
    ----------
    Merrill, Arora, Groeneveld and Hajishirzi 2025, arXiv:2505.23971.

    Examples
    --------
    >>> print(plan_branches(batch_size=32, window=48_000, n_seeds=2))
    7 branches x 2 seeds x 47,104 examples = 659,456 examples in 5,842 steps, batch 32 to 2,048 (23 steps)
    """
    call = "plan_branches"
    batch_size = check_count(batch_size, argument="batch_size", call=call, minimum=1)
    window = check_count(window, argument="window", call=call, minimum=1)
    n_seeds = check_count(n_seeds, argument="n_seeds", call=call, minimum=1)
    ks = tuple(check_count(k, argument="multipliers", call=call, minimum=1) for k in multipliers)
    if len(ks) < 2 or ks[0] != 1 or any(b <= a for a, b in pairwise(ks)):
        raise ArgumentError("multipliers", "two or more, rising from 1", ks, "(1, 2, 4, 8) doubles.", call=call)
    whole = math.lcm(*ks) * batch_size
    rounded = window // whole * whole
    if rounded // (ks[-1] * batch_size) < FEWEST_STEPS:
        least = -(-FEWEST_STEPS * ks[-1] * batch_size // whole) * whole
        most = window // (FEWEST_STEPS * batch_size)
        fix = f"Fewer steps show nothing; with this window the largest multiplier is {most}." if most > 1 else ""
        raise ArgumentError(
            "window",
            f"at least {least:,} examples, {FEWEST_STEPS} steps at multiplier {ks[-1]}",
            window,
            fix,
            call=call,
        )
    return BranchPlan(batch_size, ks, rounded, n_seeds)


def branch(
    trainer: Branchable,
    *,
    batch_size: int,
    window: int,
    multipliers: Sequence[int] = MULTIPLIERS,
    seeds: Sequence[int] = (0, 1, 2),
    learning_rate: LearningRateRule = "auto",
    loss: Literal["probe", "ema"] = "probe",
    announce: Callable[[BranchPlan], object] | None = None,
) -> Branches:
    """Train branches from the trainer's present state with larger and larger batches, and leave it as it was.

    Use it at a few checkpoints of a run to learn how large the batch may be there, and before a batch is doubled. Not
    where layers depend on the batch itself (batch normalization): there a larger batch is another model.

    Parameters
    ----------
    trainer
        The step protocol, such as `neff.train.branching.TorchBranch`.
    batch_size, window, multipliers
        As in `plan_branches`.
    seeds
        Data orders. Each serves all branches, so that they are paired.
    learning_rate
        Rule f(k), as in `learning_rate_factor`.
    loss
        "probe": mean loss on a fixed set at the end of the window. "ema": the paper's average of the training losses
        with weight 0.5, which is noisy where the steps are few.
    announce
        Called with the plan before the first step, for example `print`.

    Returns
    -------
    Branches
        With `critical()`. A branch whose loss is no longer finite is stopped, and its loss is infinite.

    Raises
    ------
    ArgumentError
        If the largest batch would take fewer than 20 steps, the optimizer is not known, or seeds repeat.

    Notes
    -----
    The cost is window x branches x seeds. The trainer is restored at the end, also after an error.

    References
    ----------
    Merrill, Arora, Groeneveld and Hajishirzi 2025, arXiv:2505.23971.

    Examples
    --------
    >>> import numpy as np
    >>> class Quadratic:  # minimize x^2 / 2 from noisy gradients, one per example
    ...     optimizer, x, rate, factor = "SGD", 3.0, 0.01, 1.0
    ...
    ...     def snapshot(self):
    ...         return self.x
    ...
    ...     def restore(self, checkpoint):
    ...         self.x, self.factor = checkpoint, 1.0
    ...
    ...     def scale_learning_rate(self, factor):
    ...         self.factor = factor
    ...
    ...     def step(self, start, stop, *, seed):
    ...         noise = np.random.default_rng([seed, start]).normal(size=stop - start).mean()
    ...         self.x -= self.rate * self.factor * (self.x + noise)
    ...         return self.x**2 / 2
    ...
    ...     def probe(self):
    ...         return self.x**2 / 2
    >>> found = branch(Quadratic(), batch_size=1, window=6400, announce=print)
    7 branches x 3 seeds x 6,400 examples = 134,400 examples in 38,100 steps, batch 1 to 64 (100 steps)
    >>> found.factors[:4]
    (1.0, 2.0, 4.0, 8.0)
    """
    call = "branch"
    check_choice(loss, ("probe", "ema"), argument="loss", call=call)
    orders = [check_count(seed, argument="seeds", call=call) for seed in seeds]
    if not orders or len(set(orders)) < len(orders):
        raise ArgumentError("seeds", "one or more, all different", list(seeds), call=call)
    plan = plan_branches(batch_size=batch_size, window=window, multipliers=multipliers, n_seeds=len(orders))
    factors = tuple(learning_rate_factor(k, trainer.optimizer, rule=learning_rate) for k in plan.multipliers)
    if announce is not None:
        announce(plan)
    checkpoint = trainer.snapshot()
    rows = []
    try:
        for seed in orders:
            row = []
            for k, factor in zip(plan.multipliers, factors, strict=True):
                trainer.restore(checkpoint)
                trainer.scale_learning_rate(factor)
                row.append(_run(trainer, k * plan.batch_size, plan.window, seed, loss))
            rows.append(tuple(row))
    finally:
        trainer.restore(checkpoint)
    return Branches(plan, tuple(rows), factors, loss)


def _run(trainer: Branchable, batch: int, window: int, seed: int, kind: str) -> float:
    """Train one branch; return its loss, infinite where it diverged."""
    average = math.nan
    for start in range(0, window, batch):
        found = float(trainer.step(start, start + batch, seed=seed))
        if not math.isfinite(found):
            return math.inf
        average = found if start == 0 else (1 - EMA_WEIGHT) * average + EMA_WEIGHT * found
    last = average if kind == "ema" else float(trainer.probe())
    return last if math.isfinite(last) else math.inf
