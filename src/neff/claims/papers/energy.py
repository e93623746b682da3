"""Energy of mixed precision (arXiv:2409.07853): lower power, and tests that find no significant difference.

Published: 7 to 11 W less average power with mixed precision and chosen settings; ANOVA and t-tests find no significant
difference, and larger samples are called for. Number and length of runs were not readable.

Here: no meter is at hand, so that processor time of a small network in float32 and bfloat16 stands in for energy, which
depends on the machine (processors without bfloat16 instructions lose by it); and two questions about the statistics:
what five runs per setting can see, and how often power samples taken for runs find a difference where there is none.
What this cannot show: watts of a graphics card.
"""

from __future__ import annotations

import time
import warnings
from contextlib import suppress

import numpy as np
from scipy import optimize, special  # noqa: F401  (paid once, before seeds are forked)

from neff.claims.spec import Level, Paired, claim
from neff.train.energy import difference_test, power_of_test

# Imported once, before seeds are forked; a package that torch brings adds a filter of warnings, which is taken back.
with suppress(ImportError), warnings.catch_warnings():
    import torch
    import torch._dynamo  # which optimizers import when the first one is made

PAPER = "2409.07853"
RUN_SD, ROUGHNESS, SAMPLES, RUNS, STUDIES = 6.0, 0.9, 120, 3, 200


@claim(
    says="A step takes less processor time in mixed precision than in single precision.",
    paper=PAPER,
    published="7 to 11 W less",
    kind="ratio",
    lower_is_better=True,
    needs=("train",),
    quick=True,
    budget=20,
)
def processor_time(seed: int) -> Paired:
    """A perceptron 784-512-10 with batches of 256, 30 steps; the fastest of three rounds, arms in turn."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    x, y = torch.randn(256, 784), torch.randint(10, (256,))

    def seconds(mixed: bool) -> float:  # noqa: FBT001
        start = time.process_time()
        for _ in range(30):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = torch.nn.functional.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
        return time.process_time() - start

    rounds = [(seconds(mixed=True), seconds(mixed=False)) for _ in range(4)][1:]
    return Paired(treatment=min(a for a, _ in rounds), control=min(b for _, b in rounds))


@claim(
    says="Five runs per setting show a difference of 9 W with a chance above 80%.",
    paper=PAPER,
    published="no significant difference",
    kind="level",
    margin=0.8,
    deterministic=True,
    quick=True,
)
def power_of_five_runs(seed: int) -> Level:  # noqa: ARG001  (exact)
    """The power of the t-test where runs of one setting scatter by 10 W: what "not significant" is worth."""
    return Level(power_of_test(9.0, sd=10.0, n=5))


@claim(
    says="Tested on power samples, three runs differ where they do not, in over 50 points more of the studies.",
    paper=PAPER,
    published="not compared",
    margin=0.5,
    quick=True,
)
def samples_taken_for_runs(seed: int) -> Paired:
    """Runs scatter by 6 W, samples within a run are alike (autocorrelation 0.9); the control tests means of runs."""
    rng = np.random.default_rng([seed, 2409])
    samples, means = 0, 0
    for _ in range(STUDIES):
        noise = rng.normal(size=(2, RUNS, SAMPLES))
        for k in range(1, SAMPLES):
            noise[..., k] = ROUGHNESS * noise[..., k - 1] + np.sqrt(1 - ROUGHNESS**2) * noise[..., k]
        watts = 200 + RUN_SD * rng.normal(size=(2, RUNS, 1)) + 4 * noise
        a, b = watts
        samples += difference_test(a.ravel(), b.ravel()).p_value < 0.05
        means += difference_test(a.mean(axis=1), b.mean(axis=1)).p_value < 0.05
    return Paired(treatment=samples / STUDIES, control=means / STUDIES)
