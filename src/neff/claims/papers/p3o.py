"""P3O for language models (arXiv:2605.12380): the ESS of a batch caps the weights and sets a pull to the sampler.

Published, for a model of 4B parameters with 8-bit rollouts: after 30 iterations GRPO has fallen from 0.50 to 0.03
(AMC23), P3O stays at 0.53; the claim is that it does not collapse, without a clip range to tune.

Here: tables of 512 logits trained on rollouts that are 64 optimizer steps old. E1: every token is right or wrong by
itself; E2: half of the tokens must be token 0, so that overshoot is punished. A seed sets all random numbers, the same
for both arms. GRPO gets the best of the paper's three clip ranges, and where end rewards are compared both arms get the
better of two learning rates on the same seed. What this cannot show: rollouts whose probabilities are wrong because of
low precision, and anything about the quality of language models. At a third of the learning rate no method collapses
here: the claim is about robustness.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from neff.claims.spec import Paired, claim

with suppress(ImportError):  # paid once, before seeds are forked
    from neff.testing.staleness import StalenessMethod, staleness_study
    from neff.train.losses import grpo

PAPER = "2605.12380"
LAG = 64
CLIPS = (0.2, 0.4, 0.6)
RATES = {"E1": (0.1, 0.3), "E2": (0.03, 0.1)}
"""Learning rates: a third of the environment's own, and its own."""


def _clipped() -> list[StalenessMethod]:
    return [
        StalenessMethod(
            f"clip_{clip}", partial(grpo, clip_low=clip, clip_high=clip, aggregate="token-mean"), by_response=True
        )
        for clip in CLIPS
    ]


@claim(
    says="On stale rollouts it ends with a higher reward than GRPO with the best of three clip ranges.",
    paper=PAPER,
    published="0.53 against 0.03",
    params=[{"environment": "E1"}, {"environment": "E2"}],
    needs=("train",),
    budget=15,
)
def beside_clipping(seed: int, environment: str) -> Paired:
    """The form of the paper's code, k3 at the sampler's tokens, each arm at the better of two learning rates."""
    study = staleness_study(
        environments=[environment],
        methods=["ess_adaptive_k3", *_clipped()],
        lags=[LAG],
        seeds=[seed],
        learning_rates=RATES[environment],
    )
    ours = [run.final for run in study.runs if run.method == "ess_adaptive_k3"]
    theirs = [run.final for run in study.runs if run.method != "ess_adaptive_k3"]
    return Paired(treatment=max(ours), control=max(theirs))


@claim(
    says="On stale rollouts its reward never falls as low as that of GRPO with the best of three clip ranges.",
    paper=PAPER,
    published="0.48 against 0.03",
    margin=0.05,
    needs=("train",),
    budget=15,
)
def does_not_fall(seed: int) -> Paired:
    """Lowest reward after the first evaluations in E2, at the environment's own learning rate."""
    methods = ["ess_adaptive_k3", *_clipped()]
    study = staleness_study(environments=["E2"], methods=methods, lags=[LAG], seeds=[seed])
    ours = [run.dip for run in study.runs if run.method == "ess_adaptive_k3"]
    theirs = [run.dip for run in study.runs if run.method != "ess_adaptive_k3"]
    return Paired(treatment=max(ours), control=max(theirs))


@claim(
    says="With the exact divergence to the sampler it ends higher than with the estimate in the released code.",
    paper=PAPER,
    published="the two are taken to be the same",
    margin=0.1,
    needs=("train",),
    budget=10,
)
def exact_divergence(seed: int) -> Paired:
    """Compare neff's default with the paper's code, in E1: k3 at the sampler's tokens is another divergence."""
    methods = ["ess_adaptive_exact", "ess_adaptive_k3"]
    study = staleness_study(environments=["E1"], methods=methods, lags=[LAG], seeds=[seed])
    final = {run.method: run.final for run in study.runs}
    return Paired(treatment=final["ess_adaptive_exact"], control=final["ess_adaptive_k3"])
