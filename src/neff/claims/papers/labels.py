"""Rethinking Scale (arXiv:2411.00890): fine-tuned small models, and how many labels they need.

Published (third-party figures): fine-tuning takes a 7B model from about 37% to about 75% on a task of 19 classes;
5,000 records match a model ten times as large (84.8 against 84.9), 76,110 records reach 94.6%.

Here: linear discriminant analysis, 5 classes and 20 features, five runs at each of six training sizes from 40 to
1,280; the learning curve of these is held against runs at 10,240. A seed draws the task and all runs. Controls: the
score at the largest size measured, and a straight line over the logarithm of the size. What this cannot show: fine-
tuning of language models beside large ones without it, which is the paper; only the forecast of how many labels are
worth their price.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg  # noqa: F401  (paid once, before seeds are forked)

from neff.benchmark.factorial import fit_learning_curve
from neff.claims.spec import Paired, claim

PAPER = "2411.00890"
SIZES, FAR, N_RUNS, N_CLASSES, N_FEATURES, N_TEST = (40, 80, 160, 320, 640, 1280), 10240, 5, 5, 20, 4000


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
