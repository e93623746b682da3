"""Similarity-Distance-Magnitude verification (arXiv:2502.20167): answer only near training items that agree.

Published: on tweets, with a model trained on movie reviews, temperature scaling answers 79% and is right on 84% of
them; the high-reliability region answers 1% and is right on all; in distribution it answers 68%, temperature scaling
90%.

Here: pictures of 8 x 8 pixels from five classes with three prototypes each, 600 to train and calibrate, target 0.95;
tested on new pictures, on their negatives and on pictures moved by one pixel. A seed draws prototypes and pictures. The
author's later form of the estimator, three restarts. Controls on the same split: a linear classifier with temperature
scaling, by itself and beside a gate on the distance to the nearest training picture. What this cannot show: hidden
states of language models, where neighbors mean more than pixels.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from neff.claims.spec import Paired, claim

# Imported once, before seeds are forked; a package that torch brings adds a filter of warnings, which is taken back.
with suppress(ImportError), warnings.catch_warnings():
    import torch
    import torch._dynamo  # which optimizers import when the first one is made

    from neff.sampling.abstention.distance_gate import DistanceGate
    from neff.sampling.abstention.temperature import TemperatureScaling
    from neff.sampling.sdm import SDMClassifier

PAPER = "2502.20167"
CLASSES, PROTOTYPES, SIDE, TARGET = 5, 3, 8, 0.95
TRAIN, CALIBRATE, TEST = 300, 300, 300


@dataclass(frozen=True)
class _Found:
    """Share of the test pictures that are answered, and answered wrongly, by each method."""

    answered: dict[str, float]
    wrong: dict[str, float]


def _pictures(n: int, prototypes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    label = rng.integers(CLASSES, size=n)
    shape = prototypes[label, rng.integers(PROTOTYPES, size=n)]
    contrast = rng.uniform(0.7, 1.3, (n, 1, 1))
    return np.clip(0.5 + contrast * shape + 0.45 * rng.normal(size=shape.shape), 0, 1), label


def _prototypes(rng: np.random.Generator) -> np.ndarray:
    """Return smooth pictures around 0, shape (5, 3, 8, 8); those of a class have much in common."""
    rough = rng.normal(size=(CLASSES, PROTOTYPES + 1, SIDE, SIDE))
    for axis in (2, 3):
        rough = rough + 0.7 * (np.roll(rough, 1, axis) + np.roll(rough, -1, axis))
    mixed = rough[:, :1] + rough[:, 1:]
    scaled: np.ndarray = 0.3 * mixed / mixed.std(axis=(2, 3), keepdims=True)
    return scaled


@cache
def _fitted(seed: int) -> tuple[Any, Any, Any, np.ndarray, np.ndarray]:
    """Return a function from pictures to linear logits, the temperature, SDM, and new pictures with their labels."""
    rng = np.random.default_rng([seed, 2502])
    prototypes = _prototypes(rng)
    (x, y), (x_test, y_test) = (_pictures(n, prototypes, rng) for n in (TRAIN + CALIBRATE, TEST))
    flat = x.reshape(len(x), -1)
    torch.manual_seed(seed)
    linear = torch.nn.Linear(SIDE * SIDE, CLASSES)
    optimizer = torch.optim.Adam(linear.parameters(), lr=0.02, weight_decay=1e-3)
    inputs, labels = torch.from_numpy(flat[:TRAIN]).float(), torch.from_numpy(y[:TRAIN])
    for _ in range(400):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(linear(inputs), labels).backward()
        optimizer.step()

    def logits(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(linear(torch.from_numpy(pictures.reshape(len(pictures), -1)).float()).double())

    scaling = TemperatureScaling().fit(logits(x[TRAIN:]), y[TRAIN:])
    gate = DistanceGate(quantile=TARGET).fit(flat[:TRAIN], flat[TRAIN:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the best epoch is the last one, or that no region was found, shows below
        model = SDMClassifier(TARGET, n_restarts=3, width=64, rng=seed).fit(
            flat[:TRAIN], y[:TRAIN], flat[TRAIN:], y[TRAIN:]
        )
    return logits, (scaling, gate), model, x_test, y_test


def _tested(seed: int, shift: str) -> _Found:
    logits, (scaling, gate), model, x, y = _fitted(seed)
    pictures = {"none": x, "negative": 1 - x, "moved": np.roll(x, 1, axis=2)}[shift]
    flat = pictures.reshape(len(pictures), -1)
    probability = scaling.predict_proba(logits(pictures))
    sure, near = probability.max(axis=1) >= TARGET, gate.predict(flat)
    wrong = probability.argmax(axis=1) != y
    decision = model.decide(flat)
    answers = {
        "sdm": (decision.admitted, decision.predicted != y),
        "temperature": (sure, wrong),
        "temperature and distance": (sure & near, wrong),
    }
    return _Found(
        {name: float(np.mean(admitted)) for name, (admitted, _) in answers.items()},
        {name: float(np.mean(admitted & error)) for name, (admitted, error) in answers.items()},
    )


@claim(
    says="On shifted inputs it gives wrong answers to more than five in a hundred fewer than temperature scaling.",
    paper=PAPER,
    published=0.126,
    lower_is_better=True,
    margin=0.05,
    params=[{"shift": "negative"}, {"shift": "moved"}],
    needs=("train",),
    budget=10,
    time_limit=300,
)
def wrong_answers(seed: int, shift: str) -> Paired:
    """Wrong answers over all inputs, answered or not."""
    found = _tested(seed, shift)
    return Paired(treatment=found.wrong["sdm"], control=found.wrong["temperature"])


@claim(
    says="It gives fewer wrong answers to moved inputs than temperature scaling beside a gate on distance.",
    paper=PAPER,
    published="not compared",
    lower_is_better=True,
    needs=("train",),
    budget=10,
    time_limit=300,
)
def beside_a_distance_gate(seed: int) -> Paired:
    """The cheapest guard: the same training pictures, 95% of the calibration pictures are near enough."""
    found = _tested(seed, "moved")
    return Paired(treatment=found.wrong["sdm"], control=found.wrong["temperature and distance"])


@claim(
    says="In distribution it answers at most ten in a hundred fewer than temperature scaling.",
    paper=PAPER,
    published=-0.22,
    margin=-0.1,
    needs=("train",),
    budget=10,
    time_limit=300,
)
def coverage(seed: int) -> Paired:
    """What the caution costs where nothing has shifted."""
    found = _tested(seed, "none")
    return Paired(treatment=found.answered["sdm"], control=found.answered["temperature"])
