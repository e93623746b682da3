"""VCPO (arXiv:2602.17616): the learning rate times the root of the sequence ESS, and a baseline of least variance.

Published: asynchronous training ten steps behind as good as synchronous (MATH-500 71.6 against 72.0, Countdown 41.9
against 38.4) in two thirds of the time; at twelve steps behind, token and sequence weights, truncated or masked, all
collapse.

Here: a transformer of 14,344 parameters that answers digits with digit + 1, rollouts 16 and 64 optimizer steps old. A
seed sets all random numbers, the same for both arms. Controls: on-policy training; and the best of three corrected
losses on the same seed, at the learning rate that makes methods differ, and with the better of two learning rates for
each arm. What this cannot show: time saved, which comes from generating and training at once; long answers; tool use.
"""

from __future__ import annotations

from contextlib import suppress

from neff.claims.spec import Paired, claim

with suppress(ImportError):  # paid once, before seeds are forked
    from neff.testing.staleness import staleness_study

PAPER = "2602.17616"
PEERS = ("tis", "sequence_tis", "sequence_mis")
OWN, THIRD = 0.01, 0.003


@claim(
    says="With rollouts 16 steps old it ends no more than two points below on-policy training.",
    paper=PAPER,
    published=-0.004,
    margin=-0.02,
    needs=("train",),
    budget=12,
)
def as_good_as_on_policy(seed: int) -> Paired:
    """REINFORCE with z-scores on fresh rollouts is the control, both at the same learning rate."""
    fresh, stale = (
        staleness_study(environments=["TF"], methods=[method], lags=[lag], seeds=[seed]).runs[0].final
        for method, lag in (("reinforce", 0), ("vcpo", 16))
    )
    return Paired(treatment=stale, control=fresh)


def _against_peers(seed: int, rates: list[float]) -> Paired:
    study = staleness_study(
        environments=["TF"], methods=["vcpo", *PEERS], lags=[64], seeds=[seed], learning_rates=rates
    )
    ours = max(run.final for run in study.runs if run.method == "vcpo")
    theirs = max(run.final for run in study.runs if run.method != "vcpo")
    return Paired(treatment=ours, control=theirs)


@claim(
    says="At a large learning rate it ends more than five points above the best of three corrected losses.",
    paper=PAPER,
    published="the others collapse",
    margin=0.05,
    needs=("train",),
    budget=10,
)
def at_a_large_rate(seed: int) -> Paired:
    """Token weights truncated at 2, sequence weights truncated at 8 or masked above 3: the best on each seed."""
    return _against_peers(seed, [OWN])


@claim(
    says="It ends above the best of three corrected losses, each at the better of two learning rates.",
    paper=PAPER,
    published="the others collapse",
    needs=("train",),
    budget=8,
)
def at_tuned_rates(seed: int) -> Paired:
    """The same with a third of the learning rate beside it: what a team that tunes would see."""
    return _against_peers(seed, [OWN, THIRD])
