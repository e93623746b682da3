"""Critical batch size (arXiv:2505.23971): branch a run with larger batches, and double the batch as the limit grows.

Published, for 1B and 7B parameters: the critical batch size is near 0 at the start, rises quickly and levels off at
4,096 documents; the gradient noise scale is orders of magnitude smaller; a batch that doubles twice ends with a loss of
2.589 against 2.606 nats after 43% fewer steps.

Here: a perceptron of 61 thousand weights predicts the next byte of the Python standard library from the eight before
it; Adam, learning rate by the square root of the batch size. A seed sets initial weights and the order of the data. In
the comparison of losses both arms get the best of three learning rates on the same seed, for an untuned small batch
makes any larger one look good. What this cannot show: the plateau, which needs runs far beyond this one. The text
depends on the version of Python.
"""

from __future__ import annotations

import sysconfig
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from neff.claims.spec import Paired, claim
from neff.train.batch_size import NoiseAccumulator, branch, critical_batch_size

# Imported once, before seeds are forked; a package that torch brings adds a filter of warnings, which is taken back.
with suppress(ImportError), warnings.catch_warnings():
    import torch
    import torch._dynamo  # which optimizers import when the first one is made
    from torch.func import functional_call, grad, vmap
    from torch.nn import functional

    from neff.train.branching import TorchBranch
    from neff.train.optim.batch_size import BatchSizeWarmup

PAPER = "2505.23971"
CONTEXT, WIDTH, HIDDEN, BATCH, RATE = 8, 32, 102, 32, 5e-4
SEEN, WINDOW, PROBE = 64_000, 24_000, 8_192
MULTIPLIERS = (1, 2, 4, 8, 16, 32)
TOTAL, DECAY = 96_000, 0.2
DOUBLED_AT = (4_000, 16_000)
"""Examples after which the batch doubles; the measured critical batch sizes there are 64 or more, then 128 or more."""
RATES = (1e-3, 2e-3, 4e-3)


@cache
def _text() -> Any:
    folder = Path(sysconfig.get_paths()["stdlib"])
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


def _examples(places: Any) -> tuple[Any, Any]:
    return _text()[places[:, None] + torch.arange(-CONTEXT, 0)], _text()[places]


def _places(seed: int, purpose: int, count: int) -> Any:
    rng = np.random.default_rng([seed, purpose])
    return torch.from_numpy(rng.integers(CONTEXT, len(_text()), count))


def _model(seed: int, rate: float) -> tuple[Any, Any]:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Embedding(256, WIDTH),
        torch.nn.Flatten(),
        torch.nn.Linear(CONTEXT * WIDTH, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, 256),
    )
    return model, torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.95))


def _loss(model: Any, batch: tuple[Any, Any]) -> Any:
    return functional.cross_entropy(model(batch[0]), batch[1])


def _train(seed: int, n: int) -> tuple[Any, Any]:
    model, optimizer = _model(seed, RATE)
    order = _places(seed, 1, max(n, 1))
    for start in range(0, n, BATCH):
        optimizer.zero_grad(set_to_none=True)
        _loss(model, _examples(order[start : start + BATCH])).backward()
        optimizer.step()
    return model, optimizer


def _critical(seed: int, seen: int) -> tuple[float, Any]:
    """Return the critical batch size after so many examples, at least the largest that was tried, and the model."""
    model, optimizer = _train(seed, seen)
    held_out = _examples(_places(seed, 2, PROBE))

    def batch(start: int, stop: int, order: int) -> tuple[Any, Any]:
        return _examples(_places(seed, 10 + order, WINDOW)[start:stop])

    trainer = TorchBranch(model, optimizer, loss=_loss, batch=batch, held_out=lambda m: _loss(m, held_out), n_seen=seen)
    found = branch(trainer, batch_size=BATCH, window=WINDOW, multipliers=MULTIPLIERS, seeds=(0, 1))
    rows = found.rows("here")
    sizes = sorted({row["batch_size"] for row in rows})
    losses = [
        [row["loss"] for size in sizes for row in rows if row["batch_size"] == size and row["seed"] == s]
        for s in (0, 1)
    ]
    return float(critical_batch_size(sizes, losses, rng=0, n_resamples=100).value), model


@claim(
    says="After 64,000 examples the critical batch size is more than twice that at the start.",
    paper=PAPER,
    published="near 0 at the start, then a quick rise",
    kind="ratio",
    margin=2.0,
    needs=("train",),
    budget=12,
    time_limit=300,
)
def rises_from_the_start(seed: int) -> Paired:
    """Branches over 24,000 examples with batches of 32 to 1,024, tolerance 0.01 nats, two orders of the data."""
    return Paired(treatment=_critical(seed, SEEN)[0], control=_critical(seed, 0)[0])


@claim(
    says="The gradient noise scale is more than ten times smaller than the critical batch size.",
    paper=PAPER,
    published="orders of magnitude smaller",
    kind="ratio",
    lower_is_better=True,
    margin=10.0,
    needs=("train",),
    budget=12,
    time_limit=300,
)
def noise_scale_is_smaller(seed: int) -> Paired:
    """After 64,000 examples, from gradients of single examples and of batches of 128, 150 batches at fixed weights."""
    critical, model = _critical(seed, SEEN)
    weights = {name: value.detach() for name, value in model.named_parameters()}

    def one(given: dict[str, Any], context: Any, target: Any) -> Any:
        return functional.cross_entropy(functional_call(model, given, (context[None],)), target[None])

    each = vmap(grad(one), in_dims=(None, 0, 0))
    seen = NoiseAccumulator(b_small=1, b_big=128)
    for k in range(150):
        grads = each(weights, *_examples(_places(seed, 100 + k, 128))).values()
        small = sum((g.flatten(1) ** 2).sum(1) for g in grads)
        seen.update_ranks(small.double().numpy(), sum(float((g.mean(0) ** 2).sum()) for g in grads))
    return Paired(treatment=float(seen.result().value), control=critical)


def _final_loss(seed: int, rate: float, doubled_at: tuple[int, ...]) -> float:
    """Return the loss on held-out places after 96,000 examples, the last fifth with a falling learning rate."""
    model, optimizer = _model(seed, rate)
    critical = tuple((seen, (2 << k) * BATCH + 1) for k, seen in enumerate(doubled_at)) or ((0, BATCH),)
    warmup = BatchSizeWarmup(
        optimizer, critical, batch_size=BATCH,
        lr_schedule=lambda seen: min(1.0, max(TOTAL - seen, 0) / (DECAY * TOTAL)),
    )  # fmt: skip
    order = _places(seed, 3, TOTAL)
    while warmup.seen < TOTAL:
        optimizer.zero_grad(set_to_none=True)
        _loss(model, _examples(order[warmup.seen : warmup.seen + warmup.batch_size])).backward()
        optimizer.step()
        warmup.advance()
    with torch.no_grad():
        return float(_loss(model, _examples(_places(seed, 2, PROBE))))


@claim(
    says="A batch that doubles twice ends with a lower loss than the small batch, after fewer steps.",
    paper=PAPER,
    published="0.0166 nats lower, 43% fewer steps",
    lower_is_better=True,
    needs=("train",),
    budget=10,
    time_limit=300,
)
def doubling(seed: int) -> Paired:
    """32, 64, then 128 examples per batch, 65% fewer steps; each arm at the best of three learning rates."""
    ours, theirs = (min(_final_loss(seed, rate, at) for rate in RATES) for at in (DOUBLED_AT, ()))
    return Paired(treatment=ours, control=theirs)
