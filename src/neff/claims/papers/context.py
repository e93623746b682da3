"""Structured Context Engineering for File-Native Agentic Systems (arXiv:2602.05447): the published table again.

Published: over 9,649 runs, 11 models and 4 formats, context from files gains 2.7 points with frontier models (p =
.029) and loses 7.7 with open ones (p < .001); the format makes no difference (chi2 = 2.45, p = .484); the model
matters most. The tests take runs on the same 100 queries as independent.

Here: the ten pairs of success rates that are published for both ways, with models as units, which is what "frontier
models" and "open models" speak of; and a simulation of why it matters: models that differ in what suits them, while
on average nothing does. What this cannot show: the 9,649 runs, which are not public; queries as units.
"""

from __future__ import annotations

import numpy as np

from neff.benchmark.factorial import factorial
from neff.claims.spec import Level, Paired, claim

PAPER = "2602.05447"
RATES = {
    "closed": ((83.8, 82.0), (85.1, 81.4), (76.1, 74.5), (77.1, 69.4), (77.0, 78.0)),
    "open": ((75.3, 78.6), (75.0, 74.7), (60.9, 74.8), (63.1, 62.6), (48.9, 70.9)),
}
"""Successes in per cent with files and with the prompt, by model."""

N_MODELS, N_QUERIES, N_GRIDS = 10, 100, 20


def _p_value(tier: str) -> float:
    pairs = RATES[tier]
    score = [x / 100 for pair in pairs for x in pair]
    factors = {"model": np.repeat(np.arange(len(pairs)), 2), "way": np.tile(["file", "prompt"], len(pairs))}
    (test,) = factorial(score, factors, unit="model").units
    return float(test.p_value)


@claim(
    says="With models as units the gain with frontier models has p below .05.",
    paper=PAPER,
    published=0.029,
    kind="level",
    lower_is_better=True,
    margin=0.05,
    deterministic=True,
    quick=True,
)
def gain_of_frontier_models(seed: int) -> Level:
    """Paired t test over five models."""
    del seed
    return Level(_p_value("closed"))


@claim(
    says="With models as units the loss with open models has p below .05.",
    paper=PAPER,
    published="< .001",
    kind="level",
    lower_is_better=True,
    margin=0.05,
    deterministic=True,
    quick=True,
)
def loss_of_open_models(seed: int) -> Level:
    """Paired t test over five models."""
    del seed
    return Level(_p_value("open"))


@claim(
    says="The interaction of model and way takes a larger share of the variation than the way.",
    paper=PAPER,
    published="the effect depends on the model",
    kind="ratio",
    deterministic=True,
    quick=True,
)
def interaction_beside_way(seed: int) -> Paired:
    """eta2 over the published cells; with one rate per cell the interaction holds the noise of the rates too."""
    del seed
    pairs = [pair for tier in RATES.values() for pair in tier]
    factors = {"model": np.repeat(np.arange(len(pairs)), 2), "way": np.tile(["file", "prompt"], len(pairs))}
    found = factorial([x for pair in pairs for x in pair], factors)
    return Paired(treatment=found["model:way"].eta2, control=found["way"].eta2)


@claim(
    says="Where only single models gain or lose, a test over runs is significant more often than one over models.",
    paper=PAPER,
    published="p = .029 and p < .001 over runs",
    margin=0.1,
    quick=True,
)
def runs_as_units(seed: int) -> Paired:
    """Share of 20 grids with p <= .05 for the way; models' gains have mean 0 and standard deviation .08."""
    rng = np.random.default_rng([seed, 2602])
    over_runs = over_models = 0.0
    model, way, _ = np.indices((N_MODELS, 2, N_QUERIES))
    for _ in range(N_GRIDS):
        gain = rng.normal(0, 0.08, (N_MODELS, 1, 1)) * np.array([0.5, -0.5])[:, None]
        chance = np.clip(0.7 + rng.normal(0, 0.1, (N_MODELS, 1, 1)) + gain, 0, 1)
        score = (rng.random(model.shape) < chance).astype(float)
        found = factorial(score.ravel(), {"model": model.ravel(), "way": way.ravel()}, unit="model", order=1)
        over_runs += found["way"].p_rows <= 0.05
        over_models += found.units[0].p_value <= 0.05
    return Paired(treatment=over_runs / N_GRIDS, control=over_models / N_GRIDS)
