"""A simulator of off-policy evaluation with a known truth: eight possible answers to every prompt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from neff.evaluate.judge.data import Judged
from neff.evaluate.off_policy.data import Logged
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_number, check_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OffPolicyScenario", "OffPolicyTruth", "simulate_off_policy"]

OffPolicyScenario: TypeAlias = Literal["better", "extremes", "noise", "no-coverage"]

ANSWERS = 8
POPULATION = 5003
WORLD_SEED = 20
LABEL_SD, SCORE_SD = 0.15, 0.1
NOISE_MEAN, NOISE_SD = -2.0, 2.0
NEVER_GIVEN = 1
"""In "no-coverage" the base policy never gives the worst answer, and the target nearly always does."""


@dataclass(frozen=True, slots=True)
class OffPolicyTruth:
    """What is true of simulated logs.

    Attributes
    ----------
    value
        Mean label of the target's answers over the population of prompts, by enumeration.
    base_value
        The same of the policy that gave the logged answers.
    """

    value: float
    base_value: float


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """A population of prompts: quality of each answer, and how likely each policy is to give it, shape (N, 8)."""

    quality: NDArray[np.float64]
    base: NDArray[np.float64]
    target: NDArray[np.float64]
    truth: OffPolicyTruth


def simulate_off_policy(
    scenario: OffPolicyScenario,
    n: int,
    *,
    label_share: float = 0.25,
    n_fresh: int = 1,
    rng: int | np.random.Generator | None = None,
) -> tuple[Logged, Judged, OffPolicyTruth]:
    """Simulate one logged answer per prompt, and fresh answers of a target policy, with a known truth.

    Use it to test off-policy estimators: each scenario breaks another kind. The judge rounds to 1/20, saturates, and
    sees only part of the quality; the oracle is noisy.

    Parameters
    ----------
    scenario
        "better": the target prefers better answers; weights rise with the score. "extremes": it prefers very good
        and very bad ones; weights are U-shaped in the score. "noise": the target is the base policy, but its
        log-probabilities are off by N(-2, 2). "no-coverage": the target gives answers that the base never gives,
        and all log-probabilities are right.
    n
        Number of prompts, drawn with replacement from a fixed population of 5,003; each draw is a prompt of its own.
    label_share
        Probability that a logged answer is labelled.
    n_fresh
        Fresh answers per prompt.
    rng
        Generator, seed or None.

    Returns
    -------
    logged : Logged
        The base policy's answers.
    fresh : Judged
        The target's answers, without labels.
    truth : OffPolicyTruth
        Exact values of both policies.

    References
    ----------
    Made for the estimators of arXiv:2512.11150.

    Examples
    --------
    >>> logged, fresh, truth = simulate_off_policy("better", 200, rng=0)
    >>> logged.n, fresh.n, round(truth.value, 3), round(truth.base_value, 3)
    (200, 200, 0.579, 0.5)
    """
    call = "simulate_off_policy"
    check_choice(scenario, get_args(OffPolicyScenario), argument="scenario", call=call)
    rng = check_rng(rng, call=call)
    n = check_count(n, argument="n", call=call)
    n_fresh = check_count(n_fresh, argument="n_fresh", call=call, minimum=1)
    share = check_number(label_share, argument="label_share", call=call)
    world = _world(scenario)
    row = rng.integers(POPULATION, size=n)
    given = _draw(world.base[row], rng)
    quality = world.quality[row, given]
    log_base, log_target = (np.log(policy[row, given]) for policy in (world.base, world.target))
    if scenario == "noise":
        # Subtracted from the base's, so that no log-probability gets above 0: only the ratio matters.
        error = rng.normal(NOISE_MEAN, NOISE_SD, n)
        log_base, log_target = log_base - np.maximum(error, 0.0), log_target + np.minimum(error, 0.0)
    label = np.clip(quality + LABEL_SD * rng.standard_normal(n), 0.0, 1.0)
    logged = Logged.of(
        "target",
        prompt=np.arange(n),
        score=_judge(quality, rng),
        label=np.where(rng.random(n) < share, label, np.nan),
        log_prob=log_base,
        target_log_prob=log_target,
    )
    prompt = np.repeat(np.arange(n), n_fresh)
    again = row[prompt]
    fresh_quality = world.quality[again, _draw(world.target[again], rng)]
    fresh = Judged("target", prompt, _judge(fresh_quality, rng), np.full(len(prompt), np.nan))
    return logged, fresh, world.truth


@lru_cache(maxsize=8)
def _world(scenario: OffPolicyScenario) -> _World:
    rng = np.random.default_rng(WORLD_SEED)
    quality = np.sort(rng.beta(2.0, 2.0, (POPULATION, ANSWERS)), axis=1)
    logits = 0.5 * rng.standard_normal((POPULATION, ANSWERS))
    target = logits.copy()
    if scenario == "better":
        target += 2.0 * quality
    elif scenario == "extremes":
        target += 6.0 * np.abs(quality - 0.5)
    elif scenario == "no-coverage":
        logits[:, :NEVER_GIVEN] = -np.inf
        target[:, :NEVER_GIVEN] += 7.0
        target += 3.0 * np.abs(quality - 0.5)
    base, target = _softmax(logits), _softmax(target)
    mean_label = _clipped_mean(quality)
    truth = OffPolicyTruth(*(float((policy * mean_label).sum(axis=1).mean()) for policy in (target, base)))
    return _World(quality, base, target, truth)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    relative: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    total: NDArray[np.float64] = relative.sum(axis=1, keepdims=True)
    return relative / total


def _clipped_mean(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the label, a normal variable around the quality clipped to [0, 1]."""
    from scipy.special import ndtr

    low, high = -quality / LABEL_SD, (1.0 - quality) / LABEL_SD
    density = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi)
    inside: NDArray[np.float64] = quality * (ndtr(high) - ndtr(low)) + LABEL_SD * density + ndtr(-high)
    return inside


def _draw(probability: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one answer per row."""
    edges = np.cumsum(probability, axis=1)
    drawn: NDArray[np.int64] = np.sum(rng.random(len(edges))[:, None] * edges[:, -1:] >= edges, axis=1, dtype=np.int64)
    return drawn


def _judge(quality: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    seen = 0.25 + 0.75 * quality**0.7 + SCORE_SD * rng.standard_normal(len(quality))
    return np.clip(np.round(seen * 20) / 20, 0.0, 1.0)
