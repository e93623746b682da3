"""LLM Comparative Assessment (arXiv:2307.07889): rank by pairwise choices, with the preference for a place taken out.

Published: comparing beats asking for scores (one third-party figure: Spearman 51.2 against 14.5 on one attribute);
strong preferences for a place; the balanced threshold helps, most so with few comparisons. No table of the paper
could be read.

Here: 20 contexts of 16 candidates, qualities from a normal distribution, a judge whose log odds are the difference of
qualities plus noise of standard deviation 1 plus a preference for the first place; 48 of 240 comparisons. A seed
draws all of it. Controls: the same comparisons at the threshold 0.5; another design of the same cost. The threshold
is the median over all contexts, without labels. What this cannot show: comparing against scoring, which needs a
language model as judge; preferences for a place that depend on the pair or on length; judges that contradict
themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neff.benchmark.pairwise import balanced_threshold, battles_of, schedule_pairs, win_ratio
from neff.claims.spec import Paired, claim
from neff.stats import spearman

PAPER = "2307.07889"
N_CONTEXTS, N, BUDGET = 20, 16, 48


def _judged(rng: np.random.Generator, design: str, lean: float, quality: Any, noise: Any) -> list[Any]:
    """Return the comparisons of each context."""
    found = []
    for own, apart in zip(quality, noise, strict=True):
        pairs = schedule_pairs(N, BUDGET, design=design, rng=rng)
        odds = own[pairs.first] - own[pairs.second] + lean + apart[pairs.first, pairs.second]
        names = [f"{i:02}" for i in range(N)]  # every candidate is named, so that codes are places
        first, second = ([names[i] for i in codes] for codes in pairs)
        found.append(battles_of(first, second, (1 / (1 + np.exp(-odds))).tolist()))
    return found


def _correlation(contexts: list[Any], quality: Any, *, debiased: bool) -> float:
    """Return the mean Spearman correlation of win ratios with quality."""
    threshold = balanced_threshold(np.concatenate([b.outcome for b in contexts])) if debiased else 0.5
    found = []
    for battles, own in zip(contexts, quality, strict=True):
        here = [int(name) for name in battles.names]
        score = win_ratio(battles, threshold=threshold)
        found.append(spearman(score, own[here]) if len(set(score.tolist())) > 1 else 0.0)
    return float(np.mean(found))


def _drawn(seed: int) -> tuple[np.random.Generator, Any, Any]:
    rng = np.random.default_rng([seed, 2307])
    return rng, rng.normal(size=(N_CONTEXTS, N)), rng.normal(size=(N_CONTEXTS, N, N))


@claim(
    says="The balanced threshold raises the correlation with quality by more than 0.1.",
    paper=PAPER,
    published="debiasing helps",
    margin=0.1,
    params=[{"lean": 1.5}, {"lean": 3.0}],
    quick=True,
)
def balanced(seed: int, lean: float) -> Paired:
    """The same comparisons, each pair at most once, decided at the median and at one half."""
    rng, quality, noise = _drawn(seed)
    contexts = _judged(rng, "no-repeat", lean, quality, noise)
    return Paired(
        treatment=_correlation(contexts, quality, debiased=True),
        control=_correlation(contexts, quality, debiased=False),
    )


@claim(
    says="With the threshold, asking each pair once ranks better than asking half of the pairs both ways.",
    paper=PAPER,
    published="no-repeat comparisons are the most efficient",
    quick=True,
)
def each_pair_once(seed: int) -> Paired:
    """The same number of comparisons by a judge with a strong preference, both with the threshold."""
    rng, quality, noise = _drawn(seed)
    once, both = (_judged(rng, design, 1.5, quality, noise) for design in ("no-repeat", "symmetric"))
    return Paired(
        treatment=_correlation(once, quality, debiased=True), control=_correlation(both, quality, debiased=True)
    )


@claim(
    says="Without the threshold, asking pairs both ways ranks better than asking each once, by more than 0.05.",
    paper=PAPER,
    published="both orders lessen the preference for a place",
    margin=0.05,
    quick=True,
)
def both_ways(seed: int) -> Paired:
    """What to do where the preference cannot be estimated."""
    rng, quality, noise = _drawn(seed)
    once, both = (_judged(rng, design, 1.5, quality, noise) for design in ("no-repeat", "symmetric"))
    return Paired(
        treatment=_correlation(both, quality, debiased=False), control=_correlation(once, quality, debiased=False)
    )
