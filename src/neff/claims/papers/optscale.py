"""OptScale (arXiv:2506.22376): from the first few scores, how many answers make the best one reach a target.

Published: the accuracy of best-of-64 with 21% to 61% fewer tokens (training-free form, up to 62% with a budget of 8),
targets tuned on the test questions.

Here: pools of 64 scores per question whose means and spreads are like those of process rewards on MATH (most above
0.9), from beta distributions, so that the truncated normal of the method is wrong as in life. Target 0.95, confidence
0.95, three scores before the first look. A seed draws 60 questions. Controls: all 64 answers; and the rule that stops
at the first score that is enough. What this cannot show: whether a high score is a right answer, and the learned prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special  # noqa: F401  (paid once, before seeds are forked)

from neff.claims.spec import Paired, claim
from neff.sampling.stopping import FirstAbove, OptScale

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.sampling.stopping.protocol import Rule

PAPER = "2506.22376"
QUESTIONS, MOST, TARGET = 60, 64, 0.95


def _pools(seed: int) -> np.ndarray:
    """Return scores, shape (60, 64)."""
    rng = np.random.default_rng([seed, 2506])
    mean = np.clip(rng.beta(18, 1.1, QUESTIONS), 0.5, 0.995)
    sd = np.minimum(rng.gamma(4, 0.017, QUESTIONS), 0.9 * np.sqrt(mean * (1 - mean)))
    size = mean * (1 - mean) / sd**2 - 1
    return rng.beta((mean * size)[:, None], ((1 - mean) * size)[:, None], (QUESTIONS, MOST))


def _published() -> Rule:
    """Return the training-free rule of the paper's code: one look, then the rest as one batch."""
    rule: Rule = OptScale(TARGET, peek=3, max_draws=MOST, model="mle", stop_if_hit=False, every=None)
    return rule


def _run(make: Callable[[], Rule], pools: np.ndarray) -> tuple[float, float]:
    """Return the mean number of draws, and the share of questions whose best score reaches the target."""
    draws, hits = [], []
    for scores in pools:
        rule = make()
        for score in scores:
            if rule.observe(float(score)):
                break
        draws.append(rule.n)
        hits.append(scores[: rule.n].max() >= TARGET)
    return float(np.mean(draws)), float(np.mean(hits))


@claim(
    says="It takes more than 21% fewer answers than drawing all 64.",
    paper=PAPER,
    published="21% to 61% fewer tokens",
    kind="ratio",
    lower_is_better=True,
    margin=1 / (1 - 0.21),
    quick=True,
)
def fewer_answers(seed: int) -> Paired:
    """The training-free form as published."""
    return Paired(treatment=_run(_published, _pools(seed))[0], control=float(MOST))


@claim(
    says="The best score reaches the target on no more than one question in a hundred less than with all 64.",
    paper=PAPER,
    published="3.3 points more to 3.3 less",
    margin=-0.01,
    budget=30,
)
def as_good(seed: int) -> Paired:
    """The same rule on the same questions."""
    pools = _pools(seed)
    everything = float((pools.max(axis=1) >= TARGET).mean())
    return Paired(treatment=_run(_published, pools)[1], control=everything)


@claim(
    says="It takes fewer answers than the rule that stops at the first score that reaches the target.",
    paper=PAPER,
    published="not compared",
    kind="ratio",
    lower_is_better=True,
    budget=30,
)
def beside_first_above(seed: int) -> Paired:
    """The control needs no model, and answers one at a time; no rule reaches the target as often with fewer."""
    pools = _pools(seed)
    control = _run(lambda: FirstAbove(TARGET, max_draws=MOST), pools)[0]
    return Paired(treatment=_run(_published, pools)[0], control=control)
