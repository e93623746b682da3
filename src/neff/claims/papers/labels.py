"""Rethinking Scale (arXiv:2411.00890): fine-tuned small models, and how many labels they need.

Published (third-party figures): fine-tuning takes a 7B model from about 37% to about 75% on a task of 19 classes;
5,000 records match a model ten times as large (84.8 against 84.9), 76,110 records reach 94.6%. Labels for training
come from models that propose and people who only reject; people who label by hand disagree on 15 to 20%.

Here: linear discriminant analysis, 5 classes and 20 features, five runs at each of six training sizes from 40 to
1,280; the learning curve of these is held against runs at 10,240. And 1,500 items of 19 classes for which four
simulated annotators propose labels, wrong more often and more alike on hard items. A seed draws the tasks and all
runs. Controls: the score at the largest size measured, a straight line over the logarithm of the size, and items sent
to people at random. What this cannot show: fine-tuning of language models beside large ones without it, which is the
paper, or how well people reject; only the forecast of how many labels are worth their price, and which to look at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg  # noqa: F401  (paid once, before seeds are forked)

from neff.benchmark.factorial import fit_learning_curve
from neff.benchmark.labeling import hybrid_labels
from neff.claims.spec import Paired, claim

PAPER = "2411.00890"
SIZES, FAR, N_RUNS, N_CLASSES, N_FEATURES, N_TEST = (40, 80, 160, 320, 640, 1280), 10240, 5, 5, 20, 4000
N_ITEMS, N_TOPICS, SKILLS = 1500, 19, (0.6, 0.65, 0.7, 0.75)


def _drawn(rng: np.random.Generator, centres: Any, n: int) -> tuple[Any, Any]:
    kind = rng.permutation(np.arange(n) % N_CLASSES)
    return centres[kind] + rng.normal(size=(n, N_FEATURES)), kind


def _accuracy(rng: np.random.Generator, centres: Any, n: int, test: tuple[Any, Any]) -> float:
    """Fit linear discriminant analysis to n examples, and return its share right on the test examples."""
    x, kind = _drawn(rng, centres, n)
    means = np.stack([x[kind == c].mean(axis=0) for c in range(N_CLASSES)])
    within = (x - means[kind]).T @ (x - means[kind]) / max(n - N_CLASSES, 1) + 1e-3 * np.eye(N_FEATURES)
    slope = np.linalg.solve(within, means.T)
    score = test[0] @ slope - 0.5 * np.einsum("cf,fc->c", means, slope)
    return float((score.argmax(axis=1) == test[1]).mean())


def _runs(seed: int) -> tuple[Any, Any, float]:
    """Return sizes and scores of all runs, and the mean score far beyond them."""
    rng = np.random.default_rng([seed, 2411])
    centres = 0.5 * rng.normal(size=(N_CLASSES, N_FEATURES))
    test = _drawn(rng, centres, N_TEST)
    size = np.repeat(SIZES, N_RUNS)
    score = np.array([_accuracy(rng, centres, int(n), test) for n in size])
    far = float(np.mean([_accuracy(rng, centres, FAR, test) for _ in range(3)]))
    return size, score, far


@claim(
    says="The curve's forecast at eight times the largest size errs less than half as much as the last score.",
    paper=PAPER,
    published="84.8 at 5,000 records, 94.6 at 76,110",
    kind="ratio",
    lower_is_better=True,
    margin=2.0,
    quick=True,
)
def curve_beside_last_score(seed: int) -> Paired:
    """Absolute errors of the score at 10,240 examples."""
    size, score, far = _runs(seed)
    ours = fit_learning_curve(size, score, n_resamples=2, rng=0).at(FAR).value
    return Paired(treatment=abs(ours - far) + 1e-4, control=abs(float(score[size == SIZES[-1]].mean()) - far) + 1e-4)


@claim(
    says="The curve's forecast at eight times the largest size errs less than a line over the log of the size.",
    paper=PAPER,
    published="84.8 at 5,000 records, 94.6 at 76,110",
    kind="ratio",
    lower_is_better=True,
    quick=True,
)
def curve_beside_line(seed: int) -> Paired:
    """Absolute errors; the line is drawn through the last three sizes, where it fits best."""
    size, score, far = _runs(seed)
    last = size >= SIZES[-3]
    line = np.polyval(np.polyfit(np.log(size[last]), score[last], 1), np.log(FAR))
    ours = fit_learning_curve(size, score, n_resamples=2, rng=0).at(FAR).value
    return Paired(treatment=abs(ours - far) + 1e-4, control=abs(float(line) - far) + 1e-4)


@claim(
    says="Sending what models disagree on to people leaves less than half the error of sending as many at random.",
    paper=PAPER,
    published="models propose, people look where it is needed",
    kind="ratio",
    lower_is_better=True,
    margin=2.0,
    quick=True,
)
def disagreement_beside_chance(seed: int) -> Paired:
    """Share of wrong labels where all models agree, and in a random part as large, each plus 0.001 against zeros."""
    rng = np.random.default_rng([seed, 890])
    truth, trap = rng.integers(N_TOPICS, size=(2, N_ITEMS))
    hard, proposals = rng.random(N_ITEMS), {}
    for k, skill in enumerate(SKILLS):
        slip = rng.random(N_ITEMS) < 2 * (1 - skill) * hard
        other = np.where(rng.random(N_ITEMS) < 0.5, trap, rng.integers(N_TOPICS, size=N_ITEMS))
        proposals[f"model {k}"] = np.where(slip, other, truth)
    found = hybrid_labels(proposals, rule="majority", audit=truth, n_resamples=2, rng=rng)
    if found.deferral is None:
        raise RuntimeError("the whole audit is missing")
    agreed, everything = found.deferral.points[0], found.residual
    return Paired(treatment=agreed.error + 1e-3, control=everything.value + 1e-3)
