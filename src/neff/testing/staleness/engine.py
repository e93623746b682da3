"""Runs of one environment side by side in one tensor: sample from an old policy, weigh, step, evaluate.

Sampling, log-probabilities, the backward pass and Adam work on all runs at once. The loss is the function that users
import, in the call shape of a trainer: run by run, or once for all runs of a method where it is a sum over responses.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from neff.errors import TrainingWarning
from neff.testing.staleness.environment import Noise, Rollouts, Scored
from neff.testing.staleness.lag import PolicyQueue
from neff.testing.staleness.optimizer import Adam, clip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from neff.testing.staleness.environment import Environment
    from neff.testing.staleness.methods import StalenessMethod

__all__ = ["Spec", "Trace", "ess_fraction", "simulate"]


class Spec(NamedTuple):
    """One run: the method, how many steps old its data are, its learning rate and its seed."""

    method: StalenessMethod
    lag: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What was measured in one run.

    Attributes
    ----------
    marks, rewards
        After how many steps it was evaluated, and the mean rewards.
    ess_token, ess_sequence
        Shares of the batch, after each step's data and before its update.
    update_norms
        Length of each step in parameter space.
    n_skipped
        Steps that were not made because the gradient was not finite.
    cpu_seconds
        CPU time of the batch of runs, divided by their number.
    """

    marks: tuple[int, ...]
    rewards: tuple[float, ...]
    ess_token: np.ndarray[tuple[int], np.dtype[np.float64]]
    ess_sequence: np.ndarray[tuple[int], np.dtype[np.float64]]
    update_norms: np.ndarray[tuple[int], np.dtype[np.float64]]
    n_skipped: int
    cpu_seconds: float


def ess_fraction(log_weights: Tensor) -> Tensor:
    """Return the effective sample size along the last axis as a share of its length; double precision, not clamped.

    Examples
    --------
    >>> round(float(ess_fraction(torch.tensor([4.0, 1.0, 1.0, 1.0]).log())), 6)
    0.644737
    """
    shares = log_weights.double().softmax(-1)
    return 1.0 / (log_weights.shape[-1] * shares.square().sum(-1)).clamp(min=1 / log_weights.shape[-1])


def simulate(
    environment: Environment,
    specs: Sequence[Spec],
    *,
    steps: int | None = None,
    tick: Callable[[int, int], None] | None = None,
) -> list[Trace]:
    """Run specs side by side.

    Parameters
    ----------
    environment
        Where.
    specs
        The runs; what each gives does not depend on the others.
    steps
        Optimizer steps; those of the environment by default.
    tick
        Called after each evaluation with the steps made and their number.

    Returns
    -------
    list of Trace
        One per run, in order.
    """
    n_steps = environment.settings.steps if steps is None else steps
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are small; and with one thread a sum has one order
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)  # far-off ratios are what is studied here
            return _Batch(environment, specs, n_steps).run(tick)
    finally:
        torch.set_num_threads(threads)


class _Batch:
    """The state of runs side by side."""

    def __init__(self, environment: Environment, specs: Sequence[Spec], steps: int) -> None:
        self.environment, self.specs, self.steps = environment, list(specs), steps
        seeds = [spec.seed for spec in self.specs]
        environment.bind(seeds)
        self.streams = {seed: environment.stream(seed) for seed in dict.fromkeys(seeds)}
        self.row_of = torch.tensor([list(self.streams).index(seed) for seed in seeds])
        self.theta = torch.stack([environment.start(seed) for seed in seeds])
        self.adam = Adam(self.theta)
        self.queue = PolicyQueue([spec.lag for spec in self.specs])
        s = environment.settings
        self.mask = torch.ones(s.batch, s.length, dtype=torch.bool)
        # Groups of different runs have different ids, so that one call gives all runs their advantages.
        self.group = torch.arange(len(seeds) * s.n_groups).repeat_interleave(s.group_size).view(len(seeds), s.batch)
        self.skipped = [0] * len(seeds)
        self.calls = _calls(self.specs)

    def run(self, tick: Callable[[int, int], None] | None) -> list[Trace]:
        began, marks = process_time(), self.environment.settings.evaluations(self.steps)
        rewards, numbers = [self._evaluate()], []
        for step in range(1, self.steps + 1):
            numbers.append(self._step())
            if step in marks[1:]:
                rewards.append(self._evaluate())
                if tick is not None:
                    tick(step, self.steps)
        measured = torch.stack(numbers).numpy()  # (steps, 3, R)
        found, runs = torch.stack(rewards), len(self.specs)
        seconds = (process_time() - began) / runs
        return [
            Trace(
                tuple(marks), tuple(found[:, run].tolist()), measured[:, 0, run], measured[:, 1, run],
                measured[:, 2, run], self.skipped[run], seconds,
            )
            for run in range(runs)
        ]  # fmt: skip

    def _noise(self, *, evaluation: bool = False) -> Noise:
        drawn = [stream.evaluation() if evaluation else stream.batch() for stream in self.streams.values()]
        prompts, uniforms = zip(*drawn, strict=True)
        rows = [
            None if part[0] is None else torch.from_numpy(np.stack(part))[self.row_of] for part in (prompts, uniforms)
        ]
        return Noise(rows[0], rows[1])

    def _evaluate(self) -> Tensor:
        return self.environment.evaluate(self.theta, self._noise(evaluation=True))

    def _step(self) -> Tensor:
        """Make one step of every run; return token ESS, sequence ESS and length of the step, (3, R)."""
        self.queue.put(self.theta)
        rollouts = self.environment.rollout(self.queue.oldest(), self._noise())
        leaf = self.theta.detach().requires_grad_()
        scored = self.environment.score(leaf, rollouts)
        rollouts = self._same_where_fresh(rollouts, scored)
        log_ratio = (scored.log_probs.detach() - rollouts.log_probs).double()
        log_w = log_ratio.sum(-1)
        ess = torch.stack([ess_fraction(log_ratio.flatten(1)), ess_fraction(log_w)])
        losses = self._losses(scored, rollouts, self._advantages(scored, rollouts, log_w))
        (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), leaf)
        clipped, norm = clip(gradient)
        moves = norm.isfinite().tolist()
        self.skipped = [count + (not move) for count, move in zip(self.skipped, moves, strict=True)]
        rates = [
            spec.learning_rate * spec.method.step_factor(share)
            for spec, share in zip(self.specs, ess[1].tolist(), strict=True)
        ]
        change = self.adam.change(torch.nan_to_num(clipped), rates, moves)
        self.theta = self.theta + change
        return torch.cat([ess, torch.linalg.vector_norm(change, dim=1).double()[None]])

    def _same_where_fresh(self, rollouts: Rollouts, scored: Scored) -> Rollouts:
        """Give runs whose data are not old the current log-probabilities: the sampler's differ by rounding."""
        fresh = torch.tensor([self.queue.age(run) == 0 for run in range(len(self.specs))])
        if not fresh.any():
            return rollouts
        now = [part.detach() for part in scored]
        old = [rollouts.log_probs, rollouts.distributions]
        lp, full = (torch.where(fresh.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(now, old, strict=True))
        return rollouts._replace(log_probs=lp, distributions=full)

    def _advantages(self, scored: Scored, rollouts: Rollouts, log_w: Tensor) -> Tensor:
        """Return the advantages of all runs, (R, B): one call per kind, over the runs that use it."""
        out = torch.empty_like(rollouts.rewards)
        kinds = dict.fromkeys(spec.method.advantage for spec in self.specs)
        for kind in kinds:
            rows = torch.tensor([run for run, spec in enumerate(self.specs) if spec.method.advantage == kind])
            norms = None
            if kind.norms != "none":
                part = Scored(*(x.detach()[rows] for x in scored))
                taken = Rollouts(
                    Noise(*(None if x is None else x[rows] for x in rollouts.noise)), *(x[rows] for x in rollouts[1:])
                )
                exact = kind.norms == "exact"
                norms = self.environment.squared_norms(self.theta[rows], part, taken, exact=exact).flatten()
            found = kind.of(rollouts.rewards[rows].flatten(), self.group[rows].flatten(), log_w[rows].flatten(), norms)
            out[rows] = found.view(len(rows), -1)
        return out

    def _losses(self, scored: Scored, rollouts: Rollouts, advantages: Tensor) -> list[Tensor]:
        """Return losses whose sum has every run's own gradient: one per run, or per method where that can be."""
        whole = [run for run, spec in enumerate(self.specs) if spec.method.distributions]
        now = self.environment.per_run(scored.distributions, whole) if whole else {}
        old = self.environment.per_run(rollouts.distributions, whole) if whole else {}
        lps, losses = scored.log_probs.unbind(0), []
        for method, runs in self.calls:
            more: dict[str, Any] = {}
            if method.distributions:
                more = dict(zip(method.distributions, (now[runs[0]], old[runs[0]]), strict=True))
            elif method.by_response:
                more = {"n_tokens": self.mask.numel(), "n_sequences": len(self.mask)}
            out = method.loss(
                torch.cat([lps[run] for run in runs]),
                rollouts.log_probs[runs].flatten(0, 1),
                advantages[runs].flatten(),
                self.mask.repeat(len(runs), 1),
                **more,
            )
            losses.append(getattr(out, "loss", out))
        return losses


def _calls(specs: Sequence[Spec]) -> list[tuple[StalenessMethod, list[int]]]:
    """Return which runs share a call of the loss."""
    shared: dict[Any, tuple[StalenessMethod, list[int]]] = {}
    for run, spec in enumerate(specs):
        key = spec.method.name if spec.method.by_response else run
        shared.setdefault(key, (spec.method, []))[1].append(run)
    return list(shared.values())
