"""Fluid Language Model Benchmarking (arXiv:2509.11106): items chosen for each model by item response theory.

Published, for six models, six benchmarks and 2,802 checkpoints: with 10, 50 and 100 items a rank distance of 10.1, 8.8
and 8.7 against 20.0, 15.2 and 16.9 of accuracy on random items; a total variation of 10.7, 6.5 and 6.1 against 29.0,
19.1 and 19.8; a monotonicity of .76, .86 and .85 against .47, .62 and .64; 0.01 mislabelled items in 100 against 0.75.

Here: 1,000 simulated items (a = exp(N(.3, .5)), b ~ N(0, 1.3)), their parameters estimated from 102 simulated models as
in the paper, a training run of 60 checkpoints from -2 to 2 in ability, and 60 new models on two benchmarks whose
abilities correlate at .9. A seed draws all of it. The control is the better of two ways to use random items on the same
seed: the share right, and the ability by the same item parameters. What this cannot show: benchmarks that no one
ability explains, and models unlike those that the items were fitted on; on answers of real fine-tuned and merged models
chosen items were less valid than accuracy on one of two pairs of benchmarks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neff.benchmark import ItemBank, fit_irt, replay_fluid
from neff.claims.spec import Paired, claim

PAPER = "2509.11106"
N_ITEMS, N_MODELS, N_CHECKPOINTS = 1000, 102, 60


def _truth(rng: np.random.Generator) -> ItemBank:
    return ItemBank.of(np.exp(rng.normal(0.3, 0.5, N_ITEMS)), rng.normal(0, 1.3, N_ITEMS))


def _answers(bank: ItemBank, theta: Any, rng: np.random.Generator) -> Any:
    return (rng.random((len(theta), N_ITEMS)) < bank.probability(theta)).astype(np.float64)


def _curve(seed: int, items: int) -> tuple[Any, Any, Any]:
    """Return the rows of chosen items, of random items, and of random items by ability, for a training run."""
    rng = np.random.default_rng([seed, 2509])
    truth = _truth(rng)
    bank = fit_irt(_answers(truth, rng.normal(size=N_MODELS), rng))
    run = _answers(truth, np.linspace(-2, 2, N_CHECKPOINTS), rng)
    found = replay_fluid(bank, run, budgets=[items], checkpoints=True, delta=None, n_repeats=1, rng=rng)
    return found.row("fluid", items), found.row("random", items), found.row("random-irt", items)


@claim(
    says="The curve of a training run varies less with chosen items than with as many random ones.",
    paper=PAPER,
    published="10.7 against 29.0, 6.5 against 19.1, 6.1 against 19.8",
    kind="ratio",
    lower_is_better=True,
    params=[{"items": 10}, {"items": 50}, {"items": 100}],
    quick=True,
)
def total_variation(seed: int, items: int) -> Paired:
    """Total variation, normalised by the way made."""
    fluid, *controls = _curve(seed, items)
    return Paired(treatment=fluid.total_variation, control=min(row.total_variation for row in controls))


@claim(
    says="Checkpoints come in order more surely with chosen items than with as many random ones.",
    paper=PAPER,
    published=".76 against .47, .86 against .62, .85 against .64",
    params=[{"items": 10}, {"items": 50}, {"items": 100}],
    quick=True,
)
def monotonicity(seed: int, items: int) -> Paired:
    """|Spearman| with the order of checkpoints."""
    fluid, *controls = _curve(seed, items)
    return Paired(treatment=fluid.monotonicity, control=max(row.monotonicity for row in controls))


@claim(
    says="Ranks by chosen items are nearer to the ranks on a sister benchmark than those by as many random ones.",
    paper=PAPER,
    published="10.1 against 14.1, 8.8 against 11.1, 8.7 against 10.6",
    lower_is_better=True,
    params=[{"items": 10}, {"items": 100}],
    budget=30,
)
def validity(seed: int, items: int) -> Paired:
    """Mean distance of ranks among 60 models from their ranks by accuracy on another 1,000 items."""
    rng = np.random.default_rng([seed, 25])
    truth, other = _truth(rng), _truth(rng)
    bank = fit_irt(_answers(truth, rng.normal(size=N_MODELS), rng))
    theta = rng.normal(size=N_CHECKPOINTS)
    related = 0.9 * theta + np.sqrt(1 - 0.81) * rng.normal(size=N_CHECKPOINTS)
    sister = _answers(other, related, rng).mean(axis=1)
    found = replay_fluid(
        bank, _answers(truth, theta, rng), budgets=[items], sister=sister, delta=None, n_repeats=1, rng=rng
    )
    controls = [found.row(name, items).rank_distance for name in ("random", "random-irt")]
    return Paired(treatment=found.row("fluid", items).rank_distance, control=min(controls))


@claim(
    says="In 100 chosen items there are fewer with a wrong key than in 100 random ones.",
    paper=PAPER,
    published="0.01 against 0.75",
    lower_is_better=True,
    quick=True,
)
def wrong_keys(seed: int) -> Paired:
    """Wrong keys of 1% of the items: the mean number met per checkpoint, against that in 100 random items."""
    rng = np.random.default_rng([seed, 91])
    truth = _truth(rng)
    models, run = rng.normal(size=N_MODELS), np.linspace(-2, 2, N_CHECKPOINTS)
    wrong = rng.permutation(N_ITEMS)[: N_ITEMS // 100]
    told, asked = _answers(truth, models, rng), _answers(truth, run, rng)
    told[:, wrong], asked[:, wrong] = 1 - told[:, wrong], 1 - asked[:, wrong]
    found = replay_fluid(fit_irt(told), asked, budgets=[100], delta=None, n_repeats=1, rng=rng)
    by_chance = np.isin(rng.permutation(N_ITEMS)[:100], wrong).sum()
    return Paired(treatment=float(np.isin(found.order, wrong).sum(axis=1).mean()), control=float(by_chance))
