"""Magic Words or Methodical Work? (arXiv:2603.26898): factor grids of text annotation, and validation first.

Published: over six open models and four tasks interactions dominate main effects, the best model changes from task to
task, advice on prompts does not hold in general, and a procedure of validation first is recommended. No figure could
be read, so that every margin is "any improvement" or a round number.

Here: 24 configurations of 4 models and 6 prompts on 400 simulated items, half of them to choose the best on; and the
same grid of 100 items without any interaction. A seed draws effects and answers, so that the truth is known.
Controls: the score on the items on which the best was chosen; the share of the interaction without the noise of
items. What this cannot show: whether interactions dominate in real annotation, which is a fact about language models:
a simulated grid has the interactions that it was given. What it can: how large an interaction looks where there is
none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neff.benchmark.factorial import choose_on_dev, factorial, split_items
from neff.claims.spec import Paired, claim

PAPER = "2603.26898"
N_MODELS, N_PROMPTS, N_ITEMS, N_FEW = 4, 6, 400, 100


def _grid(seed: int) -> tuple[np.random.Generator, Any, Any]:
    """Return the true accuracy and the answers of each configuration, shape (models, prompts, items)."""
    rng = np.random.default_rng([seed, 2603])
    effect = 0.3 * rng.normal(size=(N_MODELS, 1)) + 0.3 * rng.normal(size=(N_MODELS, N_PROMPTS))
    chance = 1 / (1 + np.exp(-(0.5 + effect[..., None] + rng.normal(size=N_ITEMS))))
    return rng, chance, (rng.random(chance.shape) < chance).astype(float)


@claim(
    says="The held-out score of the chosen configuration errs upward by less than the score it was chosen by.",
    paper=PAPER,
    published="validate first, then report",
    lower_is_better=True,
    budget=60,
    quick=True,
)
def held_out(seed: int) -> Paired:
    """Signed error against the chance of a right answer on the same items: choosing the best is an error upward."""
    rng, chance, answers = _grid(seed)
    dev = split_items(range(N_ITEMS), rng=rng)
    scores = {f"{m}-{p}": answers[m, p] for m in range(N_MODELS) for p in range(N_PROMPTS)}
    found = choose_on_dev(scores, dev, n_resamples=2, rng=rng)
    m, p = map(int, found.chosen.split("-"))
    true = chance[m, p]
    return Paired(
        treatment=found.test.value - float(true[~dev].mean()), control=found.dev.value - float(true[dev].mean())
    )


@claim(
    says="On a grid without any interaction the cells show a share of more than 0.1 that is the noise of items.",
    paper=PAPER,
    published="interactions dominate main effects",
    margin=0.1,
    quick=True,
)
def interaction_of_noise(seed: int) -> Paired:
    """Share of the interaction in the variation of cell means, against the same without what sampling items adds."""
    rng = np.random.default_rng([seed, 26898])
    effect = 0.3 * rng.normal(size=(N_MODELS, 1)) + 0.1 * rng.normal(size=(1, N_PROMPTS))
    chance = 1 / (1 + np.exp(-(effect[..., None] + rng.normal(size=N_FEW))))
    model, prompt, item = np.indices(chance.shape)
    score = (rng.random(chance.shape) < chance).astype(float).ravel()
    found = factorial(
        score, {"model": model.ravel(), "prompt": prompt.ravel()}, item=item.ravel(), n_resamples=2, rng=rng
    )["model:prompt"]
    return Paired(treatment=found.eta2, control=found.omega2)
