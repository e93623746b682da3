"""Where a baseline lowers the variance of a policy gradient, and where it raises it: policies that are tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.stats._options import check_choice
from neff.stats._special import normal_quantile
from neff.stats._validate import check_count, check_number, check_rng
from neff.train.baselines import BaselineRow, BaselineVariance, baseline_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["baseline_study"]

REWARDS = ("reward_model", "fraction", "verifiable")


def baseline_study(
    *,
    rewards: str = "reward_model",
    sharpness: float = 0.0,
    n_prompts: int = 32,
    length: int = 8,
    vocabulary: int = 8,
    n_samples: int = 4000,
    rng: int | np.random.Generator | None = None,
) -> BaselineVariance:
    """Measure the variance of one response's gradient with the baselines of ReMax, RLOO and others.

    Each prompt has a table of logits, one row per position, and a hidden right token at each position. Use it to see
    where the greedy response is a good baseline (rewards with an offset for each prompt) and where a bad one (0/1
    rewards and a greedy response that is right). Not a model of how training goes: it looks at one gradient.

    Parameters
    ----------
    rewards
        "reward_model": an offset for each prompt, normal with standard deviation 2, plus twice the share of right
        tokens; "fraction": that share; "verifiable": 1 where at most one token is wrong, else 0.
    sharpness
        What is added to the logit of the right token; the others are normal with standard deviation 0.3.
    n_prompts, length, vocabulary
        Prompts, tokens per response, and tokens to choose from.
    n_samples
        Responses per prompt; RLOO uses twice as many, in pairs.
    rng
        SPEC 7.

    Returns
    -------
    BaselineVariance
        Means over the prompts, in rows `none`, `batch_mean` (over all prompts), `greedy` (ReMax), `value` (mean of the
        prompt), `rloo_2` (the mean of two responses, each the other's baseline: as many generations as `greedy`), and
        `optimal` (least variance of a constant for each prompt).

    Raises
    ------
    ArgumentError
        If an option is unknown or a count is too small.

    Examples
    --------
    >>> study = baseline_study(rewards="fraction", sharpness=1, n_prompts=5, n_samples=200, rng=0)
    >>> study["greedy"].ratio > 1 > study["rloo_2"].ratio
    True
    """
    call = "baseline_study"
    rewards = check_choice(rewards, REWARDS, argument="rewards", call=call)
    sharp = check_number(sharpness, argument="sharpness", call=call)
    n_prompts = check_count(n_prompts, argument="n_prompts", call=call, minimum=1)
    length = check_count(length, argument="length", call=call, minimum=1)
    vocabulary = check_count(vocabulary, argument="vocabulary", call=call, minimum=2)
    n_samples = check_count(n_samples, argument="n_samples", call=call, minimum=2)
    prompts = [
        _Prompt(stream, rewards, sharp, (length, vocabulary), n_samples)
        for stream in check_rng(rng, call=call).spawn(n_prompts)
    ]
    batch_mean = float(np.mean([p.reward.mean() for p in prompts]))
    found = []
    for prompt in prompts:
        scores, reward = prompt.scores(prompt.tokens), prompt.reward
        square = (scores**2).sum(1)
        baselines = {
            "none": 0.0,
            "batch_mean": batch_mean,
            "greedy": prompt.greedy,
            "value": float(reward.mean()),
            "optimal": float(square @ reward / square.sum()),
        }
        rows = {row.name: row for row in baseline_variance(scores, reward, baselines).rows}
        pair = baseline_variance(
            (scores - prompt.scores(prompt.others)) / 2, reward - prompt.other_reward, {"rloo_2": 0.0}
        )
        found.append(rows | {"rloo_2": pair["rloo_2"]})
    z = normal_quantile(0.975)
    result: list[BaselineRow] = []
    for name in ("none", "batch_mean", "greedy", "value", "rloo_2", "optimal"):
        mine = [one[name] for one in found]
        value, baseline = (float(np.mean([getattr(row, f) for row in mine])) for f in ("value", "baseline"))
        error = math.sqrt(sum(row.standard_error**2 for row in mine)) / n_prompts
        first = result[0].value if result else value
        ratio = value / first if first > 0 else math.nan  # no 0/1 reward was 1
        interval = (value - z * error, value + z * error)
        result.append(BaselineRow(name, baseline if name != "rloo_2" else math.nan, value, error, interval, ratio, 0.0))
    return BaselineVariance(tuple(result), n_prompts * n_samples, exact=False)


class _Prompt:
    """A table of logits with its samples and rewards."""

    def __init__(self, rng: np.random.Generator, kind: str, sharp: float, shape: tuple[int, int], n: int) -> None:
        length, vocabulary = shape
        logits = 0.3 * rng.normal(size=shape)
        self.target = rng.integers(vocabulary, size=length)
        logits[np.arange(length), self.target] += sharp
        odds = np.exp(logits - logits.max(1, keepdims=True))
        self.pi = odds / odds.sum(1, keepdims=True)
        self.kind, self.offset = kind, 2 * float(rng.normal())
        steps = self.pi.cumsum(1)
        draws = rng.uniform(size=(2 * n, length))
        tokens = np.minimum((draws[:, :, None] >= steps).sum(2), vocabulary - 1)
        self.tokens, self.others = tokens[:n], tokens[n:]
        self.reward, self.other_reward = self._reward(self.tokens), self._reward(self.others)
        self.greedy = float(self._reward(self.pi.argmax(1)[None])[0])

    def _reward(self, tokens: NDArray[Any]) -> NDArray[np.float64]:
        right = (tokens == self.target).sum(1)
        length = tokens.shape[1]
        if self.kind == "verifiable":
            passed: NDArray[np.float64] = (right >= length - 1).astype(np.float64)
            return passed
        share = right / length
        reward: NDArray[np.float64] = self.offset + 2 * share if self.kind == "reward_model" else share
        return reward

    def scores(self, tokens: NDArray[Any]) -> NDArray[np.float64]:
        """Return the gradient of the log-probability by the table, flattened."""
        result: NDArray[np.float64] = (np.eye(self.pi.shape[1])[tokens] - self.pi).reshape(len(tokens), -1)
        return result
