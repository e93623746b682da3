"""UnpredictaBench (arXiv:2606.06622): KS@N, the share of tasks on which draws are not told from a target distribution.

Published, for 448 tasks and 23 models: no model passes 40% of the tasks at 100 draws; all pass all of them at one draw.

Here: samplers with known defects on 25 simulated targets of 2,000 values each, half of them normal, half discrete, at
the paper's threshold. A seed draws all of it. What this cannot show: how language models fail, and what their answers
that are no numbers do to the score.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neff.benchmark import ks_at_n
from neff.claims.spec import Level, Paired, claim

PAPER = "2606.06622"
TASKS, REFERENCE = 25, 2000


def _target(rng: np.random.Generator, task: int, n: int) -> Any:
    return rng.normal(size=n) if task % 2 else rng.integers(1, 7, n).astype(np.float64)


def _draw(rng: np.random.Generator, task: int, sampler: str, n: int) -> Any:
    true = _target(rng, task, n)
    middle = 0.0 if task % 2 else 3.5
    if sampler == "narrow":
        return middle + 0.4 * (true - middle)
    if sampler == "shifted":
        return true + (0.7 if task % 2 else 1.0)
    if sampler == "few values":
        return true[rng.integers(0, 3, n)]
    return true


def _share(seed: int, sampler: str, n: int) -> float:
    rng = np.random.default_rng([seed, 2606])
    targets = {f"t{k:02}": _target(rng, k, REFERENCE) for k in range(TASKS)}
    draws = {sampler: {name: _draw(rng, k, sampler, n) for k, name in enumerate(targets)}}
    return float(ks_at_n(targets, draws, ns=(n,), distances=False).score(sampler, n).value)


@claim(
    says="At 100 draws a true sampler passes more tasks than a defective one.",
    paper=PAPER,
    published="no model above 40%",
    margin=0.2,
    params=[{"sampler": "narrow"}, {"sampler": "shifted"}, {"sampler": "few values"}],
    budget=20,
    quick=True,
)
def tells_defects(seed: int, sampler: str) -> Paired:
    """KS@100 on the same targets."""
    return Paired(treatment=_share(seed, "true", 100), control=_share(seed, sampler, 100))


@claim(
    says="At ten draws a defective sampler still passes four tasks of five.",
    paper=PAPER,
    published="100% at one draw",
    kind="level",
    margin=0.8,
    params=[{"sampler": "shifted"}, {"sampler": "few values"}],
    budget=20,
    quick=True,
)
def few_draws_say_little(seed: int, sampler: str) -> Level:
    """KS@10: what the measure cannot see."""
    return Level(_share(seed, sampler, 10))
