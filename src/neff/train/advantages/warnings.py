"""What is wrong with a batch whose advantages are still defined, each under a name of its own."""

from __future__ import annotations

from neff.errors import TrainingWarning

__all__ = ["DroppedWeightWarning", "LoneResponseWarning", "NoRewardsWarning", "UnscoredRewardWarning"]


class UnscoredRewardWarning(TrainingWarning):
    """Some rewards are NaN or infinite; their responses have advantage 0 and are not valid."""


class DroppedWeightWarning(TrainingWarning):
    """Some weights, log-probabilities or norms are not finite; their responses have advantage 0 and are not valid."""


class LoneResponseWarning(TrainingWarning):
    """Some groups hold one scored response, so that there is nothing to compare it with."""


class NoRewardsWarning(TrainingWarning):
    """No response of the batch has a usable reward: all advantages are 0."""
