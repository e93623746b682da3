"""AGVM on a small dense task: how far modules' gradient noise diverges with the batch, and whether that helps training.

Images of 20 x 20 pixels show a square and a disc, each perhaps, on noise; the network labels every pixel and counts the
shapes. A backbone of three convolutions feeds a neck of two, one head labels the pixels of two levels, one classifier
counts. `python benchmarks/agvm.py modules` trains 150 steps of SGD at batch 32, then prints one minus the cosine
between the gradients of two halves of the batch, by module and batch size, mean of 3 seeds (30 s on one core).
`... train` trains on 24,000 images at batch 256 with and without AGVM, 3 seeds, each at its own best learning rate of a
sweep, and prints the paired differences of the mean intersection over union, with intervals (6 min on one core). Both
print Markdown.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from neff.stats._special import t_quantile
from neff.train import AGVM, split_halves

SIZE, NOISE, WIDTH = 20, 0.7, 16
MODULES = ("backbone", "neck", "head", "classifier")
SEEDS, LARGE = (0, 1, 2), 256
BATCHES = {16: 96, 64: 48, 256: 16, 1024: 6, 4096: 3}
"""Batch size, and over how many draws its row is averaged."""


def images(n: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Return images, classes of their pixels (0 nothing, 1 square, 2 disc), and the number of shapes."""
    y, x = np.mgrid[:SIZE, :SIZE]
    center, radius = rng.uniform(4, SIZE - 4, (2, 2, n, 1, 1)), rng.uniform(2, 4, (2, n, 1, 1))
    shown = rng.uniform(size=(2, n, 1, 1)) < 0.7
    away = np.stack([y - center[0], x - center[1]])
    square = (np.abs(away[:, 0]).max(0) < radius[0]) & shown[0]
    disc = ((away[:, 1] ** 2).sum(0) < radius[1] ** 2) & shown[1]
    target = np.where(disc, 2, np.where(square, 1, 0))
    picture = (target > 0) + NOISE * rng.normal(size=(n, SIZE, SIZE))
    count = shown.sum(0).reshape(n)
    return torch.from_numpy(picture[:, None]).float(), torch.from_numpy(target), torch.from_numpy(count)


class Network(nn.Module):
    """Four modules that see very different numbers of signals per image."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = nn.ModuleList(
            [nn.Conv2d(1, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 3, 2, 1)]
        )
        self.neck = nn.ModuleList([nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 1)])
        self.head, self.classifier = nn.Conv2d(WIDTH, 3, 3, padding=1), nn.Linear(WIDTH, 3)

    def forward(self, picture: Any) -> tuple[Any, Any, Any]:
        """Return logits of the pixels, of every second pixel, and of the count."""
        fine = functional.relu(self.backbone[1](functional.relu(self.backbone[0](picture))))
        coarse = functional.relu(self.backbone[2](fine))
        one, two = functional.relu(self.neck[0](fine)), functional.relu(self.neck[1](coarse))
        return self.head(one), self.head(two), self.classifier(two.mean((2, 3)))

    def loss(self, batch: Any) -> Any:
        """Return the mean over images of three cross-entropies."""
        picture, target, count = batch
        fine, coarse, number = self(picture)
        dense = functional.cross_entropy(fine, target) + functional.cross_entropy(coarse, target[:, ::2, ::2])
        return dense + functional.cross_entropy(number, count)

    def optimizer(self, kind: str, rate: float, *, momentum: float = 0.0) -> Any:
        """Return an optimizer with a group for each module."""
        groups = [{"params": list(getattr(self, name).parameters()), "name": name} for name in MODULES]
        if kind == "SGD":
            return torch.optim.SGD(groups, lr=rate, momentum=momentum)
        return torch.optim.AdamW(groups, lr=rate)


def noise_by_module(seed: int = 0) -> dict[int, dict[str, float]]:
    """Return one minus the cosine of the halves' gradients, by batch size and module, after 150 steps at batch 32."""
    rng, network = np.random.default_rng([seed, 1]), Network(seed)
    optimizer = network.optimizer("SGD", 0.05)
    for _ in range(150):
        optimizer.zero_grad()
        network.loss(images(32, rng)).backward()
        optimizer.step()
    found = {}
    agvm = AGVM(optimizer, anchor="backbone", tau=1)
    for size, draws in BATCHES.items():
        rows = []
        for _ in range(draws):
            agvm.load_state_dict(agvm.state_dict())  # begins an update anew, without a step
            for half in split_halves(images(size, rng)):
                optimizer.zero_grad()
                for part in zip(*(x.split(512) for x in half), strict=True):
                    (network.loss(part) * len(part[0]) / (size // 2)).backward()
                agvm.half()
            rows.append([agvm.phi[name] for name in MODULES])
        found[size] = dict(zip(MODULES, np.mean(rows, 0).tolist(), strict=True))
    return found


def modules_table() -> str:
    """Return the table of the guide."""
    title = "classifier / backbone (each seed)"
    lines = [f"| batch | backbone | neck | head | classifier | {title} |", "|--:|--:|--:|--:|--:|--:|"]
    runs = [noise_by_module(seed) for seed in SEEDS]
    for size in BATCHES:
        cells = " | ".join(f"{np.mean([run[size][name] for run in runs]):.4f}" for name in MODULES)
        ratios = [run[size]["classifier"] / run[size]["backbone"] for run in runs]
        mean = math.exp(float(np.mean(np.log(ratios))))
        lines.append(f"| {size:,} | {cells} | {mean:.1f} ({', '.join(f'{r:.1f}' for r in ratios)}) |")
    return "\n".join(lines)


def overlap(network: Network, batch: Any) -> float:
    """Return the mean over the three classes of the intersection over union."""
    with torch.no_grad():
        label = network(batch[0])[0].argmax(1)
    shares = []
    for c in range(3):
        a, b = label == c, batch[1] == c
        shares.append(float((a & b).sum()) / max(float((a | b).sum()), 1))
    return sum(shares) / 3


EXAMPLES = 24_000
RATES = {"SGD": (0.1, 0.2, 0.4, 0.8), "AdamW": (4e-3, 8e-3, 16e-3, 32e-3)}


def train(seed: int, kind: str, size: int, rate: float, *, modulated: bool) -> float:
    """Return the overlap after 24,000 images, linear warm-up over a tenth of the steps, then a linear decay."""
    rng, network = np.random.default_rng([seed, 2]), Network(seed)
    optimizer, steps = network.optimizer(kind, rate, momentum=0.9), EXAMPLES // size
    warm = max(steps // 10, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (steps - k) / max(steps - warm, 1))
    )
    agvm = AGVM(optimizer, anchor="backbone", tau=5, alpha=0.9, start=warm) if modulated else None
    for _ in range(steps):
        optimizer.zero_grad()
        batch = images(size, rng)
        if agvm is None:
            network.loss(batch).backward()
            optimizer.step()
        else:
            for part in split_halves(batch) if agvm.due else [batch]:
                network.loss(part).backward()
                agvm.half()
            agvm.step()
        schedule.step()
    return overlap(network, images(1000, np.random.default_rng([seed, 3])))


def training_table() -> str:
    """Return mean overlaps at each one's best rate, and the paired difference with its 95% interval."""
    lines = ["| optimizer | batch | plain | AGVM | difference | 95% interval |", "|---|--:|--:|--:|--:|--:|"]
    for kind, rates in RATES.items():
        best = []
        for modulated in (False, True):
            runs = {r: [train(s, kind, LARGE, r, modulated=modulated) for s in SEEDS] for r in rates}
            print(kind, modulated, {r: [round(x, 3) for x in found] for r, found in runs.items()}, file=sys.stderr)
            best.append(max(runs.items(), key=lambda item: np.mean(item[1])))
        (rate, plain), (own, with_agvm) = best
        gap = np.subtract(with_agvm, plain)
        reach = t_quantile(0.975, len(SEEDS) - 1) * gap.std(ddof=1) / math.sqrt(len(SEEDS))
        lines.append(
            f"| {kind} | {LARGE} | {np.mean(plain):.3f} (rate {rate:g}) | {np.mean(with_agvm):.3f} (rate {own:g}) "
            f"| {gap.mean():+.3f} | {gap.mean() - reach:+.3f} to {gap.mean() + reach:+.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(training_table() if sys.argv[1:] == ["train"] else modules_table())
