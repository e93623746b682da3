"""E1 and E2: a table of logits per prompt and position, 512 parameters, hundreds of runs in one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neff.testing.staleness.environment import Noise, Rollouts, Scored
from neff.testing.staleness.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from neff.testing.staleness.settings import Settings

__all__ = ["Tabular", "TabularStream", "share_of_zeros", "share_right"]

EVALUATED = 64
"""Responses per prompt of an evaluation."""


def share_right(tokens: Tensor, target: Tensor) -> Tensor:
    """Return the reward of E1: the share of tokens (R, G, n, T) equal to the hidden target (R, G, 1, T)."""
    return (tokens == target).float().mean(-1)


def share_of_zeros(tokens: Tensor) -> Tensor:
    """Return the reward of E2: 1 where half of the tokens are token 0, falling to 0 at none and at all."""
    return 1.0 - ((tokens == 0).float().mean(-1) - 0.5).abs() / 0.5


class TabularStream:
    """Uniform numbers of one seed."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._train = np.random.default_rng([seed, 1])
        self._test = np.random.default_rng([seed, 2])

    def batch(self) -> tuple[None, np.ndarray[Any, Any]]:
        """Return the uniforms of a batch, (G, n, T)."""
        s = self._settings
        return None, self._train.random((s.n_groups, s.group_size, s.length), np.float32)

    def evaluation(self) -> tuple[None, np.ndarray[Any, Any]]:
        """Return the uniforms of an evaluation, (G, 64, T)."""
        s = self._settings
        return None, self._test.random((s.n_groups, EVALUATED, s.length), np.float32)


class Tabular:
    """E1 ("additive": tokens are right or wrong, each by itself) or E2 ("interior": a count must be hit).

    Parameters
    ----------
    name
        "E1" or "E2".
    """

    def __init__(self, name: str) -> None:
        self.settings = SETTINGS[name]
        self._target: Tensor | None = None

    def start(self, seed: int) -> Tensor:  # noqa: ARG002  (the same for all)
        """Return logits of 0: every token has the same chance."""
        s = self.settings
        return torch.zeros(s.n_groups * s.length * s.vocabulary)

    def stream(self, seed: int) -> TabularStream:
        """Return the random numbers of a seed."""
        return TabularStream(self.settings, seed)

    def bind(self, seeds: Sequence[int]) -> None:
        """Draw the hidden targets of E1, one string per seed and prompt."""
        s = self.settings
        if s.name == "E1":
            drawn = [
                np.random.default_rng([seed, 0]).integers(s.vocabulary, size=(s.n_groups, 1, s.length))
                for seed in seeds
            ]
            self._target = torch.from_numpy(np.stack(drawn))

    def rewards(self, tokens: Tensor) -> Tensor:
        """Return the reward of each response, shape (R, G, n)."""
        return share_of_zeros(tokens) if self._target is None else share_right(tokens, self._target)

    def rollout(self, theta: Tensor, noise: Noise) -> Rollouts:
        """Sample one batch from the policies theta (R, P)."""
        table = self._table(theta)
        tokens = self._sample(table, noise.uniforms)
        return Rollouts(noise, tokens, self.rewards(tokens).flatten(1), self._pick(table, tokens), table)

    def score(self, theta: Tensor, rollouts: Rollouts) -> Scored:
        """Return the log-probabilities of rollouts under theta, with gradient."""
        table = self._table(theta)
        return Scored(self._pick(table, rollouts.tokens), table)

    def per_run(self, distributions: Tensor, runs: Sequence[int]) -> dict[int, Tensor]:
        """Return the log-probabilities of the vocabulary of some runs, shape (B, T, V) each."""
        rows, n = distributions.unbind(0), self.settings.group_size
        return {run: rows[run].unsqueeze(1).expand(-1, n, -1, -1).flatten(0, 1) for run in runs}

    def squared_norms(self, theta: Tensor, scored: Scored, rollouts: Rollouts, *, exact: bool) -> Tensor:  # noqa: ARG002
        """Return the squared norm of each response's score (R, B); in a table of logits the two forms are one."""
        table = scored.distributions.detach()
        squares = (2.0 * table).exp().sum(-1)[:, :, None]  # (R, G, 1, T)
        chosen = scored.log_probs.detach().exp().view(rollouts.tokens.shape)
        return (1.0 - 2.0 * chosen + squares).sum(-1).flatten(1)

    def evaluate(self, theta: Tensor, noise: Noise) -> Tensor:
        """Return the mean reward of 64 fresh samples per prompt, shape (R,)."""
        return self.rewards(self._sample(self._table(theta), noise.uniforms)).flatten(1).mean(-1)

    def _table(self, theta: Tensor) -> Tensor:
        s = self.settings
        return theta.view(-1, s.n_groups, s.length, s.vocabulary).log_softmax(-1)

    def _pick(self, table: Tensor, tokens: Tensor) -> Tensor:
        """Return the entries (R, B, T) of the sampled tokens."""
        s = self.settings
        cell = torch.arange(s.n_groups * s.length).view(s.n_groups, 1, s.length) * s.vocabulary
        picked = table.flatten(1).gather(1, (tokens + cell).flatten(1))
        return picked.view(len(table), s.batch, s.length)

    @staticmethod
    def _sample(table: Tensor, uniforms: Tensor) -> Tensor:
        """Return tokens (R, G, n, T) by inversion: how many cumulated probabilities lie below the uniform."""
        below = table.exp().cumsum(-1)[..., :-1].unsqueeze(2)
        return (uniforms.unsqueeze(-1) >= below).sum(-1)
