"""What is wrong with a batch whose loss is still defined, each under a name of its own."""

from __future__ import annotations

from neff.errors import TrainingWarning

__all__ = ["EmptyBatchWarning", "NonFiniteWarning", "NothingKeptWarning", "RatioOverflowWarning", "RatioShiftWarning"]


class EmptyBatchWarning(TrainingWarning):
    """No token is valid: the loss is 0, its gradient is 0 and the effective sample size is undefined."""


class NonFiniteWarning(TrainingWarning):
    """Valid tokens with a NaN or infinite log-probability were left out, as `nonfinite="drop"` asks for."""


class NothingKeptWarning(TrainingWarning):
    """All tokens of two or more responses have the weight 0 though advantages are not 0: nothing is learnt."""


class RatioOverflowWarning(TrainingWarning):
    """A ratio is beyond e^44, where its square is no float any more: its weight in the loss stays at e^44."""


class RatioShiftWarning(TrainingWarning):
    """The mean ratio, about 1 for true likelihood ratios, is off by more than a factor e^10.

    The effective sample size does not see it. The log-probabilities are not those of the sampler (temperature, top-p, a
    sum where a mean was meant), or the policy is far from the one that sampled.
    """
