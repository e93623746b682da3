"""TF: a small transformer, warm-started on noisy labels, learns to answer a prompt of digits with each digit + 1."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neff.testing.staleness.environment import Noise, Rollouts, Scored
from neff.testing.staleness.optimizer import Adam, clip
from neff.testing.staleness.settings import SETTINGS
from neff.testing.staleness.transformer import ANSWER, PROMPT, VOCABULARY, initial, log_probs, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from neff.testing.staleness.settings import Settings

__all__ = ["Digits", "DigitsStream", "warm_start"]

WARM_STEPS, WARM_BATCH, WARM_RATE, RIGHT = 3000, 128, 3e-3, 0.4


def right_answers(prompts: Tensor) -> Tensor:
    """Return each digit + 1 (mod 8)."""
    return (prompts + 1) % VOCABULARY


class DigitsStream:
    """Prompts and uniform numbers of one seed."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._train = np.random.default_rng([seed, 1])
        self._test = np.random.default_rng([seed, 2])

    def batch(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return prompts (G, 16) and uniforms (G, n, 16) of a batch."""
        s = self._settings
        return _draw(self._train, s.n_groups, s.group_size)

    def evaluation(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return 256 prompts with one response each."""
        return _draw(self._test, self._settings.n_evaluation, 1)


def _draw(rng: np.random.Generator, groups: int, n: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return rng.integers(VOCABULARY, size=(groups, PROMPT)), rng.random((groups, n, ANSWER), np.float32)


class Digits:
    """The environment TF. Every run begins with the same warm start.

    Parameters
    ----------
    theta
        Other parameters to begin with, shape (P,); by default those that `warm_start()` made, which come with neff.
    """

    def __init__(self, theta: Tensor | None = None) -> None:
        self.settings = SETTINGS["TF"]
        self._start = theta

    def start(self, seed: int) -> Tensor:  # noqa: ARG002  (the same for all)
        """Return the parameters of the warm start."""
        return (_shipped() if self._start is None else self._start).clone()

    def stream(self, seed: int) -> DigitsStream:
        """Return the random numbers of a seed."""
        return DigitsStream(self.settings, seed)

    def bind(self, seeds: Sequence[int]) -> None:
        """Nothing is hidden here: prompts are part of the noise."""

    def rollout(self, theta: Tensor, noise: Noise) -> Rollouts:
        """Sample one batch from the policies theta (R, P)."""
        prompts = _prompts(noise)
        tokens, found = sample(theta, prompts, noise.uniforms)
        rewards = _rewards(prompts, tokens).flatten(1)
        return Rollouts(noise, tokens, rewards, _pick(found, tokens), found)

    def score(self, theta: Tensor, rollouts: Rollouts) -> Scored:
        """Return the log-probabilities of rollouts under theta, with gradient."""
        found = log_probs(theta, _prompts(rollouts.noise), rollouts.tokens)
        return Scored(_pick(found, rollouts.tokens), found)

    def per_run(self, distributions: Tensor, runs: Sequence[int]) -> dict[int, Tensor]:
        """Return the log-probabilities of the vocabulary of some runs, shape (B, T, V) each."""
        rows = distributions.unbind(0)
        return {run: rows[run].flatten(0, 1) for run in runs}

    def squared_norms(self, theta: Tensor, scored: Scored, rollouts: Rollouts, *, exact: bool) -> Tensor:
        """Return the squared norm of each response's score (R, B), over all parameters or in the logits only."""
        if exact:
            return self._exact_norms(theta.detach(), rollouts)
        squares = (2.0 * scored.distributions.detach()).exp().sum(-1)
        chosen = scored.log_probs.detach().exp().view(squares.shape)
        return (1.0 - 2.0 * chosen + squares).sum(-1).flatten(1)

    @staticmethod
    def _exact_norms(theta: Tensor, rollouts: Rollouts) -> Tensor:
        """Give every response parameters of its own, so that one backward pass returns every response's gradient."""
        prompts, tokens = _prompts(rollouts.noise), rollouts.tokens
        R, G, n, T = tokens.shape
        own = theta.repeat_interleave(G * n, 0).requires_grad_()
        alone = tokens.reshape(R * G * n, 1, 1, T)
        asked = prompts.repeat_interleave(n, 1).reshape(R * G * n, 1, PROMPT)
        with torch.enable_grad():
            total = _pick(log_probs(own, asked, alone), alone).sum()
            (gradient,) = torch.autograd.grad(total, own)
        return gradient.square().sum(-1).view(R, G * n)

    def evaluate(self, theta: Tensor, noise: Noise) -> Tensor:
        """Return the mean reward of one sample for each of 256 prompts, shape (R,)."""
        prompts = _prompts(noise)
        tokens, _ = sample(theta, prompts, noise.uniforms)
        return _rewards(prompts, tokens).flatten(1).mean(-1)


def _prompts(noise: Noise) -> Tensor:
    if noise.prompts is None:
        raise TypeError("TF needs prompts")
    return noise.prompts


def _rewards(prompts: Tensor, tokens: Tensor) -> Tensor:
    return (tokens == right_answers(prompts).unsqueeze(2)).float().mean(-1)


def _pick(found: Tensor, tokens: Tensor) -> Tensor:
    return found.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).flatten(1, 2)


@lru_cache(maxsize=1)
def _shipped() -> Tensor:
    with files("neff.testing.staleness").joinpath("warm_start.npy").open("rb") as stream:
        return torch.from_numpy(np.load(stream, allow_pickle=False))


def warm_start(*, steps: int = WARM_STEPS, rng: int = 0) -> Tensor:
    """Train the parameters that TF begins with: supervised, on answers of which 4 in 10 are right, the rest random.

    Parameters
    ----------
    steps
        Steps of Adam, 128 prompts each.
    rng
        Seed of parameters and data.

    Returns
    -------
    Tensor
        Parameters, shape (14344,). Sampled answers are right at a share of 0.4 + 0.6 / 8 of the places, less what is
        not learned.

    Notes
    -----
    About 40 s on one core. `python docs/make_staleness.py --warm-start` writes the parameters that come with neff.
    """
    theta = initial(torch.Generator().manual_seed(rng))[None]
    adam, numbers = Adam(theta), np.random.default_rng([rng, 3])
    for _ in range(steps):
        prompts = torch.from_numpy(numbers.integers(VOCABULARY, size=(1, WARM_BATCH, PROMPT)))
        noise = torch.from_numpy(numbers.integers(VOCABULARY, size=(1, WARM_BATCH, ANSWER)))
        right = torch.from_numpy(numbers.random((1, WARM_BATCH, ANSWER)) < RIGHT)
        answers = torch.where(right, right_answers(prompts), noise).unsqueeze(2)
        leaf = theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(-_pick(log_probs(leaf, prompts, answers), answers).mean(), leaf)
        clipped, _ = clip(gradient)
        theta = theta + adam.change(clipped, [WARM_RATE])
    return theta[0].detach()
