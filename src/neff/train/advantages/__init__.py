"""Advantages of responses: relative to their group, to a greedy response, or to the baseline of least variance.

Each takes one reward per response and, where it compares, one group id per response, and returns an `AdvantageOutput`.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "AdvantageOutput": "_groups",
    "DroppedWeightWarning": "warnings",
    "LoneResponseWarning": "warnings",
    "NoRewardsWarning": "warnings",
    "RunningBaseline": "reinforce",
    "UnscoredRewardWarning": "warnings",
    "group_advantage": "group",
    "group_centered_advantage": "group",
    "leave_one_out_advantage": "group",
    "opo_advantage": "group",
    "opob_advantage": "opob",
    "opob_backward": "single_pass",
    "opob_baseline": "opob",
    "optimal_token_advantage": "optimal_token_baseline",
    "reinforce_advantage": "reinforce",
    "reinforce_plus_plus_advantage": "reinforce",
    "remax_advantage": "remax",
    "remax_kl_returns": "remax",
    "remax_token_advantage": "remax",
    "score_sqnorm": "score_norm",
    "score_sqnorm_proxy": "score_norm",
    "sum_pi_squared": "score_norm",
    "whiten": "reinforce",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
