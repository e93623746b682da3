"""AGVM (arXiv:2210.11078): the learning rate of each module until its gradient is as noisy as that of an anchor.

Published: with large batches the noise of modules grows apart; Faster R-CNN at batch 1,536 36.6 mAP against 35.9 with
plain AdamW, and runs that converge where others diverge.

Here: images of 12 x 12 pixels with a square and a disc, each perhaps, on noise; a backbone of three convolutions, a
neck, a head that labels every pixel, a classifier that counts. A seed sets images and initial weights. In the
comparison of training both arms get the best of three learning rates on the same seed. What this cannot show:
detectors, batches of ten thousand, and divergence of deep networks.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from neff.claims.spec import Paired, claim

# Imported once, before seeds are forked; a package that torch brings adds a filter of warnings, which is taken back.
with suppress(ImportError), warnings.catch_warnings():
    import torch
    import torch._dynamo  # which optimizers import when the first one is made
    from torch.nn import Conv2d, Linear, functional

    from neff.train import AGVM, split_halves

PAPER = "2210.11078"
SIZE, NOISE, WIDTH = 12, 0.7, 16
MODULES = ("backbone", "neck", "head", "classifier")
EXAMPLES, LARGE, RATES = 24_576, 256, (16e-3, 32e-3, 64e-3)


def _images(n: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Return images, classes of their pixels (0 nothing, 1 square, 2 disc), and the number of shapes."""
    y, x = np.mgrid[:SIZE, :SIZE]
    center, radius = rng.uniform(4, SIZE - 4, (2, 2, n, 1, 1)), rng.uniform(2, 4, (2, n, 1, 1))
    shown = rng.uniform(size=(2, n, 1, 1)) < 0.7
    away = np.stack([y - center[0], x - center[1]])
    square = (np.abs(away[:, 0]).max(0) < radius[0]) & shown[0]
    disc = ((away[:, 1] ** 2).sum(0) < radius[1] ** 2) & shown[1]
    target = np.where(disc, 2, np.where(square, 1, 0))
    picture = (target > 0) + NOISE * rng.normal(size=(n, SIZE, SIZE))
    return torch.from_numpy(picture[:, None]).float(), torch.from_numpy(target), torch.from_numpy(shown.sum(0).ravel())


def _network(seed: int) -> dict[str, list[Any]]:
    torch.manual_seed(seed)
    return {
        "backbone": [Conv2d(1, WIDTH, 3, padding=1), Conv2d(WIDTH, WIDTH, 3, padding=1), Conv2d(WIDTH, WIDTH, 3, 2, 1)],
        "neck": [Conv2d(WIDTH, WIDTH, 1), Conv2d(WIDTH, WIDTH, 1)],
        "head": [Conv2d(WIDTH, 3, 3, padding=1)],
        "classifier": [Linear(WIDTH, 3)],
    }


def _forward(network: dict[str, list[Any]], picture: Any) -> tuple[Any, Any, Any]:
    """Return logits of the pixels, of every second pixel, and of the count."""
    first, second, third = network["backbone"]
    fine = functional.relu(second(functional.relu(first(picture))))
    one, two = (
        functional.relu(f(x)) for f, x in zip(network["neck"], (fine, functional.relu(third(fine))), strict=True)
    )
    (head,), (classifier,) = network["head"], network["classifier"]
    return head(one), head(two), classifier(two.mean((2, 3)))


def _loss(network: dict[str, list[Any]], batch: tuple[Any, Any, Any]) -> Any:
    picture, target, count = batch
    fine, coarse, number = _forward(network, picture)
    dense = functional.cross_entropy(fine, target) + functional.cross_entropy(coarse, target[:, ::2, ::2])
    return dense + functional.cross_entropy(number, count)


def _groups(network: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{"params": [p for f in network[name] for p in f.parameters()], "name": name} for name in MODULES]


def _overlap(seed: int, rate: float, *, modulated: bool) -> float:
    """Return the mean intersection over union after 24,576 images at batch 256: linear warm-up, then linear decay."""
    rng, network = np.random.default_rng([seed, 2]), _network(seed)
    optimizer, steps = torch.optim.AdamW(_groups(network), lr=rate), EXAMPLES // LARGE
    warm = max(steps // 10, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (steps - k) / max(steps - warm, 1))
    )
    agvm = AGVM(optimizer, anchor="backbone", tau=5, alpha=0.9, start=warm) if modulated else None
    for _ in range(steps):
        optimizer.zero_grad()
        batch = _images(LARGE, rng)
        if agvm is None:
            _loss(network, batch).backward()
            optimizer.step()
        else:
            for part in split_halves(batch) if agvm.due else [batch]:
                _loss(network, part).backward()
                agvm.half()
            agvm.step()
        schedule.step()
    picture, target, _ = _images(500, np.random.default_rng([seed, 3]))
    with torch.no_grad():
        label = _forward(network, picture)[0].argmax(1)
    both = [(label == c, target == c) for c in range(3)]
    return float(np.mean([float((a & b).sum()) / max(float((a | b).sum()), 1.0) for a, b in both]))


@claim(
    says="At a large batch it trains to a higher overlap than plain AdamW, each at the best of three learning rates.",
    paper=PAPER,
    published="36.6 against 35.9 mAP",
    needs=("train",),
    budget=8,
    time_limit=300,
)
def training(seed: int) -> Paired:
    """96 steps with batches of 256: mean intersection over union of the pixel classes on new images."""
    ours, theirs = (max(_overlap(seed, rate, modulated=modulated) for rate in RATES) for modulated in (True, False))
    return Paired(treatment=ours, control=theirs)


@claim(
    says="From batch 16 to 1,024 the noise of the classifier relative to the backbone's grows more than fourfold.",
    paper=PAPER,
    published="grows with the batch, tenfold and more",
    kind="ratio",
    margin=4.0,
    needs=("train",),
    budget=10,
)
def noise_grows_apart(seed: int) -> Paired:
    """One minus the cosine of the gradients of two halves of a batch, classifier over backbone, after 100 steps."""
    rng, network = np.random.default_rng([seed, 1]), _network(seed)
    optimizer = torch.optim.SGD(_groups(network), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        _loss(network, _images(32, rng)).backward()
        optimizer.step()
    agvm = AGVM(optimizer, anchor="backbone", tau=1)
    found = []
    for size, draws in ((1024, 4), (16, 64)):
        rows = []
        for _ in range(draws):
            agvm.load_state_dict(agvm.state_dict())  # begins an update anew, without a step
            for half in split_halves(_images(size, rng)):
                optimizer.zero_grad()
                _loss(network, half).backward()
                agvm.half()
            rows.append((agvm.phi["classifier"], agvm.phi["backbone"]))
        classifier, backbone = np.mean(rows, axis=0)
        found.append(float(classifier / backbone))
    return Paired(treatment=found[0], control=found[1])
