"""Advantages of responses: relative to their group, to a greedy response, or to the baseline of least variance.

Each takes one reward per response and, where it compares, one group id per response, and returns an `AdvantageOutput`.
"""

from neff.train.advantages._groups import AdvantageOutput
from neff.train.advantages.group import (
    group_advantage,
    group_centered_advantage,
    leave_one_out_advantage,
    opo_advantage,
)
from neff.train.advantages.opob import opob_advantage, opob_baseline
from neff.train.advantages.optimal_token_baseline import optimal_token_advantage
from neff.train.advantages.reinforce import (
    RunningBaseline,
    reinforce_advantage,
    reinforce_plus_plus_advantage,
    whiten,
)
from neff.train.advantages.remax import remax_advantage, remax_kl_returns, remax_token_advantage
from neff.train.advantages.score_norm import score_sqnorm, score_sqnorm_proxy, sum_pi_squared
from neff.train.advantages.single_pass import opob_backward

__all__ = [
    "AdvantageOutput",
    "RunningBaseline",
    "group_advantage",
    "group_centered_advantage",
    "leave_one_out_advantage",
    "opo_advantage",
    "opob_advantage",
    "opob_backward",
    "opob_baseline",
    "optimal_token_advantage",
    "reinforce_advantage",
    "reinforce_plus_plus_advantage",
    "remax_advantage",
    "remax_kl_returns",
    "remax_token_advantage",
    "score_sqnorm",
    "score_sqnorm_proxy",
    "sum_pi_squared",
    "whiten",
]
