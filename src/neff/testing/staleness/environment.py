"""What an environment of the testbed is: many independent runs in one tensor, none of which sees the others.

The first axis of every tensor is the run. A run's numbers do not depend on which runs share its tensor: no operation
mixes runs, and each draws its random numbers from a generator of its own seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from neff.testing.staleness.settings import Settings

__all__ = ["Environment", "Noise", "Rollouts", "Scored", "Stream"]


class Noise(NamedTuple):
    """The random numbers of one batch of each run: prompts (R, G, ...) or None, and uniforms (R, G, n, T)."""

    prompts: Tensor | None
    uniforms: Tensor


class Rollouts(NamedTuple):
    """One batch of each run, as the policy that sampled it left it.

    Attributes
    ----------
    noise
        What it was drawn with.
    tokens
        Responses, shape (R, G, n, T).
    rewards
        Shape (R, B), B = G · n.
    log_probs
        Of the sampled tokens, under the policy that sampled them, shape (R, B, T).
    distributions
        Log-probabilities of the whole vocabulary, as the environment keeps them.
    """

    noise: Noise
    tokens: Tensor
    rewards: Tensor
    log_probs: Tensor
    distributions: Tensor


class Scored(NamedTuple):
    """Log-probabilities of rollouts under the current policies, with gradient: of the tokens, of the vocabulary."""

    log_probs: Tensor
    distributions: Tensor


class Stream(Protocol):
    """The random numbers of one seed, batch after batch."""

    def batch(self) -> tuple[Any, Any]:
        """Return prompts (or None) and uniforms of the next batch to train on."""

    def evaluation(self) -> tuple[Any, Any]:
        """Return prompts (or None) and uniforms of the next evaluation."""


class Environment(Protocol):
    """A task, and a policy as one vector of parameters per run."""

    settings: Settings

    def start(self, seed: int) -> Tensor:
        """Return the parameters (P,) that a run begins with."""

    def stream(self, seed: int) -> Stream:
        """Return the random numbers of a seed."""

    def bind(self, seeds: Sequence[int]) -> None:
        """Take the runs of these seeds, one per row; what a seed hides (the target) is laid out by row."""

    def rollout(self, theta: Tensor, noise: Noise) -> Rollouts:
        """Sample one batch from the policies theta (R, P)."""

    def score(self, theta: Tensor, rollouts: Rollouts) -> Scored:
        """Return the log-probabilities of rollouts under theta, with gradient."""

    def per_run(self, distributions: Tensor, runs: Sequence[int]) -> dict[int, Tensor]:
        """Return the log-probabilities of the vocabulary of some runs, shape (B, T, V) each."""

    def squared_norms(self, theta: Tensor, scored: Scored, rollouts: Rollouts, *, exact: bool) -> Tensor:
        """Return the squared norm of each response's score, shape (R, B): exact, or in the logits only."""

    def evaluate(self, theta: Tensor, noise: Noise) -> Tensor:
        """Return the mean reward of fresh samples, shape (R,)."""
