"""Inference Scaling fLaws (arXiv:2411.17501): resampling until a verifier accepts is limited by its false positives.

Published, on HumanEval+: twelve of seventeen models can never reach one answer of GPT-4o, however often they are asked;
where a wrong answer costs four right ones, the four models shown earn most within five attempts.

Here: 100 answers of CodeGen-16B to each of 150 HumanEval problems, of which it is recorded which pass HumanEval's own
tests (the verifier "tests"), which agree with the reference on one input ("one_test"), and which are right by a hundred
more tests. A seed is a block of ten other problems, fifteen in all, so that the interval is about problems; curves over
attempts are exact. What this cannot show: other models; the paper's four that are shown are stronger, and its tests
fewer wrong.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np

from neff.claims.spec import Paired, claim
from neff.sampling.verifiers.accept_first import Counts, Curves, curves

PAPER = "2411.17501"
DRAWS, BLOCK = 100, 10


@cache
def _problems() -> dict[str, np.ndarray]:
    """Return passes out of 100 per problem: right, accepted by each verifier; in an order drawn once."""
    data = json.loads(files("neff.claims.papers").joinpath("humaneval.json").read_text(encoding="utf-8"))
    order = np.random.default_rng(2411).permutation(len(data["right"]))
    return {name: np.array(data[name])[order] for name in ("right", "tests", "one_test")}


def _curves(seed: int, accepted: str) -> Curves:
    block = slice(BLOCK * seed, BLOCK * (seed + 1))
    right, a = _problems()["right"][block], _problems()[accepted][block]
    return curves(Counts(np.full(len(right), DRAWS), a, right, right), DRAWS)


@claim(
    says="With 100 attempts a perfect verifier gives more than five points more right answers.",
    paper=PAPER,
    published="a ceiling that more attempts do not lift",
    margin=0.05,
    params=[{"verifier": "tests"}, {"verifier": "one_test"}],
    budget=15,
    watch=("humaneval.json",),
    quick=True,
)
def ceiling(seed: int, verifier: str) -> Paired:
    """Share of the problems answered rightly within 100 attempts; the rest is what false positives take."""
    perfect, real = _curves(seed, "right"), _curves(seed, verifier)
    return Paired(treatment=float(perfect.right[:, -1].mean()), control=float(real.right[:, -1].mean()))


@claim(
    says="Where a wrong answer costs four right ones, five attempts earn more than a hundred.",
    paper=PAPER,
    published="best with five attempts or fewer",
    params=[{"verifier": "tests"}, {"verifier": "one_test"}],
    budget=15,
    watch=("humaneval.json",),
    quick=True,
)
def few_attempts(seed: int, verifier: str) -> Paired:
    """Right answers minus four times wrong ones, per problem."""
    found = _curves(seed, verifier)
    reward = (found.right - 4 * found.wrong).mean(axis=0)
    return Paired(treatment=float(reward[4]), control=float(reward[-1]))


@claim(
    says="The share of wrong answers among the accepted ones is larger after a hundred attempts than after one.",
    paper=PAPER,
    published="rises with attempts",
    params=[{"verifier": "tests"}, {"verifier": "one_test"}],
    budget=15,
    watch=("humaneval.json",),
    quick=True,
)
def false_positives_rise(seed: int, verifier: str) -> Paired:
    """Wrong over accepted answers of a block: hard problems, which need many attempts, are accepted wrongly more."""
    found = _curves(seed, verifier)
    share = found.wrong.mean(axis=0) / (found.wrong + found.right).mean(axis=0)
    return Paired(treatment=float(share[-1]), control=float(share[0]))
