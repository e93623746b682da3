"""Self-certainty (arXiv:2502.18581): rank answers by how far the model's distributions are from uniform, and vote.

Published, for an 8B model on four tasks: with 8 answers, Borda votes by self-certainty gain 0.1 to 1.2 points over the
majority; the surest answer by itself is 1.6 to 4 points behind the majority.

Here: a network of 0.1 million weights that adds two numbers below 100, digit by digit, trained until about half of its
sampled answers are right; eight answers to each of 250 problems that it was not trained on. A seed sets the split, the
initial weights and the samples. The power of the votes is the paper's default. What this cannot show: long answers,
whose mean over tokens says something else than that of three digits.
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
    from torch.nn import functional

    from neff.sampling.selection import borda_vote, majority_vote, select_best, self_certainty

PAPER = "2502.18581"
DIGITS, ASKED, LENGTH, HELD_OUT, ANSWERS = 10, 4, 3, 250, 8
STEPS, BATCH = 450, 128


def _problems() -> Any:
    """Return the digits of two numbers below 100, and the three digits of their sum, shape (10000, 7)."""
    first, second = np.meshgrid(np.arange(100), np.arange(100), indexing="ij")
    total = first + second
    columns = (first // 10, first % 10, second // 10, second % 10, total // 100, total // 10 % 10, total % 10)
    return torch.from_numpy(np.stack(columns, -1).reshape(-1, ASKED + LENGTH))


def _inputs(problem: Any, answer: Any, place: Any) -> Any:
    """Return one-hot digits of the problem and of the answer so far, and the place that is asked for."""
    known = functional.one_hot(answer, DIGITS) * (torch.arange(LENGTH) < place[:, None])[..., None]
    parts = (functional.one_hot(problem, DIGITS), known)
    return torch.cat([*(p.flatten(1) for p in parts), functional.one_hot(place, LENGTH)], 1).float()


def _answers(seed: int) -> tuple[list[list[int]], list[list[float]], list[int]]:
    """Train the network, and return the answers to each problem, their self-certainty, and the right answer."""
    torch.manual_seed(seed)
    table = _problems()
    order = torch.randperm(len(table))
    held, known = table[order[:HELD_OUT]], table[order[HELD_OUT:]]
    width = (ASKED + LENGTH) * DIGITS + LENGTH
    network = torch.nn.Sequential(
        torch.nn.Linear(width, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, DIGITS),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(STEPS):
        rows, place = known[torch.randint(len(known), (BATCH,))], torch.randint(LENGTH, (BATCH,))
        logits = network(_inputs(rows[:, :ASKED], rows[:, ASKED:], place))
        optimizer.zero_grad()
        functional.cross_entropy(logits, rows[:, ASKED:].gather(1, place[:, None])[:, 0]).backward()
        optimizer.step()
    problem = held[:, :ASKED].repeat_interleave(ANSWERS, 0)
    answer = torch.zeros(len(problem), LENGTH, dtype=torch.long)
    seen = []
    with torch.no_grad():
        for k in range(LENGTH):
            logits = network(_inputs(problem, answer, torch.full((len(problem),), k)))
            answer[:, k] = torch.multinomial(logits.softmax(-1), 1)[:, 0]
            seen.append(logits)
    sure = self_certainty(torch.stack(seen, 1)).reshape(HELD_OUT, ANSWERS)
    value = torch.tensor([100, 10, 1])
    given = (answer * value).sum(1).reshape(HELD_OUT, ANSWERS)
    return given.tolist(), sure.tolist(), (held[:, ASKED:] * value).sum(1).tolist()


def _accuracy(chosen: list[Any], right: list[int]) -> float:
    return float(np.mean([c.answer == r for c, r in zip(chosen, right, strict=True)]))


@claim(
    says="Votes weighted by the rank of self-certainty are right more often than the majority.",
    paper=PAPER,
    published=0.0033,
    needs=("train",),
    budget=15,
)
def votes_by_rank(seed: int) -> Paired:
    """Power 0.3, the paper's for eight answers; the published figure is the mean over tasks and numbers of answers."""
    given, sure, right = _answers(seed)
    ours = _accuracy([borda_vote(s, a, power=0.3) for s, a in zip(sure, given, strict=True)], right)
    return Paired(treatment=ours, control=_accuracy([majority_vote(a) for a in given], right))


@claim(
    says="The surest answer is right more often than an answer at random.",
    paper=PAPER,
    published="52.7% against 46.0% (greedy)",
    margin=0.02,
    needs=("train",),
    budget=15,
)
def surest_beside_one(seed: int) -> Paired:
    """What it is for where no vote is possible, as in code and prose."""
    given, sure, right = _answers(seed)
    ours = _accuracy([select_best(s, a) for s, a in zip(sure, given, strict=True)], right)
    return Paired(
        treatment=ours, control=float(np.mean([np.mean(np.equal(a, r)) for a, r in zip(given, right, strict=True)]))
    )


@claim(
    says="The surest answer is right more often than the majority.",
    paper=PAPER,
    published=-0.0344,
    needs=("train",),
    budget=15,
)
def surest_beside_majority(seed: int) -> Paired:
    """Where answers can be compared; the paper's own table has it behind."""
    given, sure, right = _answers(seed)
    ours = _accuracy([select_best(s, a) for s, a in zip(sure, given, strict=True)], right)
    return Paired(treatment=ours, control=_accuracy([majority_vote(a) for a in given], right))
