"""What every loss returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.losses.ratios import RatioSummary

__all__ = ["LossOutput"]


@dataclass(frozen=True, slots=True, eq=False)
class LossOutput:
    """A loss to minimize, and what the batch behind it is worth.

    Attributes
    ----------
    loss
        0-d tensor with gradient (first order): call `loss.backward()`.
    ess_token
        Effective sample size of the token ratios pi/mu as a share of the valid tokens, in [1/n, 1]; 0-d, detached. From
        the untruncated ratios, whatever the loss does with them. NaN for a batch without a valid token.
    ess_sequence
        The same of the sequence ratios, as a share of the responses that have a valid token.
    weights
        Shape [B, T], detached: the weight of each token's score. The policy part of the gradient of a token's loss is
        `-weights * advantages`, before aggregation; 0 where a token is clipped, dropped or masked.
    metrics
        0-d detached tensors by name: `log_ratio_mean` (mean of lp - blp), `log_mean_ratio` (log of the mean ratio,
        about 0 for log-probabilities of the sampler), `n_tokens`, `n_sequences`, and those of the loss.
    tokens, sequences
        The mergeable summaries behind `ess_token` and `ess_sequence`: add them over the micro-batches of an optimizer
        step, and all-reduce them over the ranks.
    """

    loss: Tensor
    ess_token: Tensor
    ess_sequence: Tensor
    weights: Tensor
    metrics: dict[str, Tensor] = field(repr=False)
    tokens: RatioSummary = field(repr=False)
    sequences: RatioSummary = field(repr=False)
