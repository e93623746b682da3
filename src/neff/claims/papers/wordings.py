"""Robustness and Reliability of Benchmark-Based Evaluation (arXiv:2509.04013): stable ranks, lower scores.

Published, for 34 models, six benchmarks and five paraphrases of every question: rankings are stable (Kendall's tau of
.9 and more), scores decline significantly.

Here: 34 simulated models of abilities from -1 to 2 on 1,000 items; a paraphrase shifts each item's difficulty at random
(deviation .5), with or without a shift in the mean; a model's luck on an item is the same in all wordings. A seed draws
all of it. What this cannot show: whether real paraphrases are harder, or items were memorised in their wording; and
which of the measures of consistency the paper used.
"""

from __future__ import annotations

import numpy as np

from neff.benchmark import ParaphraseRobustness, Wordings, paraphrase_robustness
from neff.claims.spec import Level, claim

PAPER = "2509.04013"
MODELS, ITEMS, WORDINGS = 34, 1000, 6


def _found(seed: int, shift: float) -> ParaphraseRobustness:
    rng = np.random.default_rng([seed, 2509])
    ability, difficulty = np.linspace(-1, 2, MODELS)[:, None], rng.normal(size=ITEMS)
    luck = rng.uniform(size=(MODELS, ITEMS))
    harder = [np.zeros(ITEMS), *(rng.normal(shift, 0.5, ITEMS) for _ in range(WORDINGS - 1))]
    right = [luck < 1 / (1 + np.exp(-1.7 * (ability - difficulty - h))) for h in harder]
    names = tuple(f"m{i:02}" for i in range(MODELS)), tuple(f"q{i:04}" for i in range(ITEMS))
    score = np.stack(right, axis=-1).astype(np.float64)
    told = Wordings(score, None, *names, tuple(f"w{k}" for k in range(WORDINGS)))
    return paraphrase_robustness(told, n_resamples=20, rng=rng)


@claim(
    says="The ranking of models by a paraphrase agrees with the original one at a tau of more than .9.",
    paper=PAPER,
    published="tau of .9 and more",
    kind="level",
    margin=0.9,
    params=[{"shift": 0.0}, {"shift": 0.3}],
    budget=20,
    quick=True,
)
def ranks_are_stable(seed: int, shift: float) -> Level:
    """The least stable of the five paraphrases."""
    return Level(_found(seed, shift).min_tau)


@claim(
    says="Most of the models score less in paraphrases that are no harder on average.",
    paper=PAPER,
    published="scores decline significantly",
    kind="level",
    margin=0.5,
    budget=20,
    quick=True,
)
def a_sign_count_proves_nothing(seed: int) -> Level:
    """Share of models that drop without a shift: why a decline needs its size beside it."""
    found = _found(seed, 0.0)
    return Level(found.n_dropped / MODELS)
