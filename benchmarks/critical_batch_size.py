"""Critical batch size of a small byte model, measured at five checkpoints; and what a warm-up of the batch size gains.

A multilayer perceptron of 61 thousand weights predicts the next byte of the Python standard library from the eight
before it. `python benchmarks/critical_batch_size.py cbs` branches it at 0, 16k, 64k, 256k and 1M examples with batches
32 to 2,048 (learning rate by the square root, Adam), 47,104 examples per branch, and prints the critical batch size
with its interval, and the gradient noise scale beside it. `... warmup` trains 600k examples with fixed batches and with
batches that double, each at several learning rates, and prints steps, losses and paired differences. One core, about
2.5 and 8 minutes. Needs the extra neff[train].
"""

from __future__ import annotations

import json
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from neff.stats._special import t_quantile
from neff.train.batch_size import NoiseAccumulator, branch, critical_batch_size
from neff.train.branching import TorchBranch
from neff.train.optim.batch_size import BatchSizeWarmup

CONTEXT, WIDTH, HIDDEN = 8, 32, 102
BATCH, RATE, WINDOW = 32, 5e-4, 48_000
CHECKPOINTS = (0, 16_000, 64_000, 256_000, 1_000_000)
N_PROBE = 16_384
TOTAL, DECAY = 600_000, 0.2
MEASURED = ((0, 64), (16_000, 128), (64_000, 256), (256_000, 512))
"""Critical batch size that `cbs` prints, by examples seen."""


def doubling(first: int) -> tuple[tuple[int, int], ...]:
    """Return critical batch sizes with which a batch doubles at 8k, 16k, 64k and 256k examples."""
    return tuple((seen, (2 << k) * first + 1) for k, seen in enumerate((8_000, 16_000, 64_000, 256_000)))


ARMS: dict[str, tuple[int, tuple[tuple[int, int], ...], tuple[float, ...]]] = {
    # first batch, critical batch sizes by examples seen, and the learning rates tried: on both sides of the best one
    "32": (32, (), (2.5e-4, 5e-4, 1e-3)),
    "64": (64, (), (5e-4, 1e-3, 2e-3)),
    "512": (512, (), (5e-4, 1e-3, 2e-3, 4e-3)),
    "1024": (1024, (), (5e-4, 1e-3, 2e-3, 4e-3)),
    "32 to 256": (32, MEASURED, (5e-4, 1e-3, 2e-3)),
    "32 to 512": (32, doubling(32), (5e-4, 1e-3, 2e-3)),
    "64 to 1024": (64, doubling(64), (5e-4, 1e-3, 2e-3, 4e-3)),
}
"""Batch sizes that are compared. "32 to 256" doubles by what was measured, the other two earlier."""


@cache
def corpus() -> torch.Tensor:
    """Return the bytes of the top-level modules of the standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


def examples(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contexts and next bytes at these places."""
    text = corpus()
    return text[places[:, None] + torch.arange(-CONTEXT, 0)], text[places]


@cache
def order(seed: int, count: int) -> torch.Tensor:
    """Return places in the corpus in the order of a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(CONTEXT, len(corpus()), (count,), generator=generator)


class ByteModel(torch.nn.Module):
    """The next byte from the bytes before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(256, WIDTH)
        self.hidden = torch.nn.Linear(CONTEXT * WIDTH, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 256)

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.out(torch.relu(self.hidden(self.embedding(contexts).flatten(1))))


def loss_of(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return functional.cross_entropy(model(batch[0]), batch[1])


@cache
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    return examples(order(999, N_PROBE))


def make(seed: int, rate: float) -> tuple[ByteModel, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = ByteModel()
    return model, torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.95))


def train(model: ByteModel, optimizer: torch.optim.Optimizer, places: torch.Tensor, batch: int) -> None:
    for start in range(0, len(places), batch):
        optimizer.zero_grad(set_to_none=True)
        loss_of(model, examples(places[start : start + batch])).backward()
        optimizer.step()


def measure_branches(
    checkpoints: tuple[int, ...] = CHECKPOINTS,
    *,
    seeds: tuple[int, ...] = (11, 12, 13),
    n_noise: int = 400,
    window: int = WINDOW,
    multipliers: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64),
) -> dict[str, Any]:
    """Train once, branch at each checkpoint, and return the losses and the noise scales."""
    model, optimizer = make(0, RATE)
    stream = order(1, max(checkpoints) or 1)

    def batch(start: int, stop: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        return examples(order(1000 + seed, window)[start:stop])

    done, rows, noise = 0, [], {}
    for checkpoint in checkpoints:
        train(model, optimizer, stream[done:checkpoint], BATCH)
        done = checkpoint
        trainer = TorchBranch(
            model, optimizer, loss=loss_of, batch=batch, held_out=lambda m: loss_of(m, held_out()), n_seen=done
        )
        found = branch(trainer, batch_size=BATCH, window=window, multipliers=multipliers, seeds=seeds)
        rows += found.rows(str(checkpoint))
        noise[str(checkpoint)] = noise_at(model, n_noise)
    return {"rows": rows, "noise": noise}


def noise_at(model: ByteModel, n_batches: int) -> dict[str, float]:
    """Return the gradient noise scale from single examples against batches of 128, at fixed weights."""
    from torch.func import functional_call, grad, vmap

    weights = {name: value.detach() for name, value in model.named_parameters()}

    def one(given: dict[str, torch.Tensor], context: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = functional_call(model, given, (context[None],))
        return functional.cross_entropy(logits, target[None])

    each = vmap(grad(one), in_dims=(None, 0, 0))
    seen = NoiseAccumulator(b_small=1, b_big=128)
    for k in range(n_batches):
        contexts, targets = examples(order(5000 + k, 128))
        grads = each(weights, contexts, targets)
        small = sum((g.flatten(1) ** 2).sum(1) for g in grads.values())
        big = sum(float((g.mean(0) ** 2).sum()) for g in grads.values())
        seen.update_ranks(small.double().numpy(), big)
    found = seen.result()
    return {"value": found.value, "low": found.interval[0], "high": found.interval[1]}


def run_arm(
    first: int, critical: tuple[tuple[int, int], ...], rate: float, seed: int, total: int = TOTAL
) -> tuple[float, int]:
    """Train one arm and return its probe loss and the number of steps. `rate` is that of batch 32."""
    model, optimizer = make(seed, rate * (first / 32) ** 0.5)
    warmup = BatchSizeWarmup(
        optimizer,
        critical or ((0, first),),
        batch_size=first,
        lr_schedule=lambda seen: min(1.0, max(total - seen, 0) / (DECAY * total)),
    )
    places = order(100 + seed, total)
    steps = 0
    while warmup.seen < total:
        optimizer.zero_grad(set_to_none=True)
        batch = places[warmup.seen : warmup.seen + warmup.batch_size]
        loss_of(model, examples(batch)).backward()
        optimizer.step()
        warmup.advance()
        steps += 1
    with torch.no_grad():
        return float(loss_of(model, held_out())), steps


def measure_warmup(seeds: tuple[int, ...] = (0, 1, 2), total: int = TOTAL) -> list[dict[str, Any]]:
    """Return one row per arm, learning rate (that of batch 32) and seed."""
    return [
        {"arm": arm, "rate": rate, "seed": seed, "loss": loss, "steps": steps}
        for arm, (first, critical, rates) in ARMS.items()
        for rate in rates
        for seed in seeds
        for loss, steps in [run_arm(first, critical, rate, seed, total)]
    ]


def table_of(rows: list[dict[str, Any]], arm: str, rate: float) -> tuple[np.ndarray, int]:
    found = sorted((r["seed"], r["loss"], r["steps"]) for r in rows if r["arm"] == arm and r["rate"] == rate)
    return np.array([loss for _, loss, _ in found]), found[0][2]


def best_rate(rows: list[dict[str, Any]], arm: str) -> float:
    """Return the learning rate with the lowest mean loss of an arm."""
    rates = sorted({r["rate"] for r in rows if r["arm"] == arm})
    return min(rates, key=lambda rate: float(table_of(rows, arm, rate)[0].mean()))


def paired(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of a - b over seeds and its t interval."""
    d = a - b
    half = t_quantile(0.5 + level / 2, d.size - 1) * d.std(ddof=1) / d.size**0.5
    return float(d.mean()), float(d.mean() - half), float(d.mean() + half)


def print_branches(found: dict[str, Any]) -> None:
    for checkpoint in dict.fromkeys(row["checkpoint"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["checkpoint"] == checkpoint]
        batches = sorted({row["batch_size"] for row in rows})
        losses = [[r["loss"] for b in batches for r in rows if r["batch_size"] == b and r["seed"] == s]
                  for s in sorted({row["seed"] for row in rows})]  # fmt: skip
        critical = critical_batch_size(batches, losses, rng=0)
        means = " ".join(f"{row.loss:.4f}" for row in critical.rows)
        noise = found["noise"][checkpoint]
        print(f"{int(checkpoint):>9,} examples: {means}   CBS {critical.describe()} ({critical.describe_interval()})"
              f"   noise scale {noise['value']:.0f} ({noise['low']:.0f}, {noise['high']:.0f})")  # fmt: skip


def print_warmup(rows: list[dict[str, Any]]) -> None:
    for arm, (_, _, rates) in ARMS.items():
        means = ", ".join(f"{table_of(rows, arm, rate)[0].mean():.4f} at {rate:g}" for rate in rates)
        losses, steps = table_of(rows, arm, best_rate(rows, arm))
        print(f"batch {arm:<10} {steps:>6} steps: {means}; best {losses.mean():.4f} (sd {losses.std(ddof=1):.4f})")
    pairs = (
        ("32 to 256", "32"), ("32 to 512", "32"), ("32 to 512", "512"), ("64 to 1024", "64"), ("64 to 1024", "1024"),
    )  # fmt: skip
    for warm, fixed in pairs:
        best = (best_rate(rows, warm), best_rate(rows, fixed))
        for name, rates in (("at 5e-4", (RATE, RATE)), ("each at its best", best)):
            (a, steps_a), (b, steps_b) = table_of(rows, warm, rates[0]), table_of(rows, fixed, rates[1])
            mean, low, high = paired(a, b)
            print(
                f"{warm} minus {fixed}, {name}: loss {mean:+.4f} ({low:+.4f}, {high:+.4f}), "
                f"steps {steps_a} against {steps_b}"
            )


def main(argv: list[str]) -> None:
    torch.set_num_threads(1)
    what = argv[0] if argv else "cbs"
    found: Any = measure_branches() if what == "cbs" else measure_warmup()
    if len(argv) > 1:
        Path(argv[1]).write_text(json.dumps(found))
    (print_branches if what == "cbs" else print_warmup)(found)


if __name__ == "__main__":
    main(sys.argv[1:])
