"""Questioning the Survey Responses of Large Language Models (arXiv:2306.07951): content and place of an option apart.

Published: small models prefer the answer labelled A; asked in random orders, models of all sizes answer nearly
uniformly; which group of people a model is nearest to follows from how even that group's answers are. At most .24 of
the questions are nearer to the census than to uniform answers, over 43 models. A classifier tells rows that a model
made from rows of the census almost surely (plots begin at 97.5%).

Here: a simulated responder whose log odds are a preference for content plus one for the place, 25 questions of 2 to 6
options as in the survey, asked in as many orders as there are options; 20 groups whose answers differ in evenness and
have nothing to do with the responder; and answer sheets of people in five groups beside sheets with the right share of
each answer that do not hang together. A seed draws all of it. Controls: the answer in the first order; all orders,
with a permutation that is not inverted, as in the released code; a second sample of people. What this cannot show:
that language models prefer A, or less so when larger, which needs language models (on recorded answers of 29 models
better ones lean a little less); nor how far their sheets are from people's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg  # noqa: F401  (paid once, before seeds are forked)

from neff.benchmark.survey import (
    adjusted_answers,
    compare_populations,
    discriminator_test,
    kl_divergence,
    option_orders,
)
from neff.claims.spec import Level, Paired, claim

PAPER = "2306.07951"
N_QUESTIONS, N_GROUPS = 25, 20
N_PEOPLE, N_KINDS, N_OPTIONS = 400, 5, 4


def _softmax(odds: Any) -> Any:
    weight = np.exp(odds)
    return weight / weight.sum(axis=-1, keepdims=True)


def _asked(rng: np.random.Generator, fewest: int, design: str = "cyclic") -> tuple[Any, Any, Any]:
    """Return what the responder prefers, the orders, and the probability of each place's label, for one question."""
    n = int(rng.integers(fewest, 7))
    content, place = rng.normal(size=n), np.zeros(n)
    place[0] = 1.5
    orders = option_orders(n, design=design)
    return _softmax(content), orders, _softmax(content[orders] + place)


@claim(
    says="Averaged over orders the answer is less than half as far from the preference as in the first order.",
    paper=PAPER,
    published="answers change with the order of options",
    kind="ratio",
    lower_is_better=True,
    margin=2.0,
    quick=True,
)
def orders_averaged(seed: int) -> Paired:
    """Divergence from the responder's own preference among options, mean over questions."""
    rng = np.random.default_rng([seed, 2306])
    adjusted, naive = [], []
    for _ in range(N_QUESTIONS):
        liked, orders, p = _asked(rng, 2)
        found = adjusted_answers(p, orders)
        adjusted.append(kl_divergence(liked, found.adjusted))
        naive.append(kl_divergence(liked, found.naive))
    return Paired(treatment=float(np.mean(adjusted)), control=float(np.mean(naive)))


@claim(
    says="With the permutation inverted the answer is less than half as far from the preference as without.",
    paper=PAPER,
    published="answers averaged over all orders, in the released code without the inverse",
    kind="ratio",
    lower_is_better=True,
    margin=2.0,
    quick=True,
)
def inverse_permutation(seed: int) -> Paired:
    """All orders of three to six options, as in the released code; with two options both are the same."""
    rng = np.random.default_rng([seed, 7951])
    ours, released = [], []
    for _ in range(N_QUESTIONS):
        liked, orders, p = _asked(rng, 3, design="full")
        ours.append(kl_divergence(liked, adjusted_answers(p, orders).adjusted))
        released.append(kl_divergence(liked, np.take_along_axis(p, orders, axis=1).mean(axis=0)))
    return Paired(treatment=float(np.mean(ours)), control=float(np.mean(released)))


@claim(
    says="A responder that shares nobody's views is nearest to the groups with the most even answers: -r is above 0.8.",
    paper=PAPER,
    published="closeness to groups follows from the evenness of their answers",
    kind="level",
    margin=0.8,
    quick=True,
)
def evenness_decides(seed: int) -> Level:
    """Correlation over groups of divergence from the responder's nearly uniform answers with the group's entropy."""
    rng = np.random.default_rng([seed, 13])
    answers = [_softmax(0.2 * rng.normal(size=4)) for _ in range(N_QUESTIONS)]
    groups = {
        f"group {g}": [_softmax(spread * rng.normal(size=4)) for _ in range(N_QUESTIONS)]
        for g, spread in enumerate(np.linspace(0.3, 2.0, N_GROUPS))
    }
    return Level(-compare_populations(answers, groups).entropy_correlation)


def _sheets(rng: np.random.Generator, shares: Any, kind: Any) -> dict[str, Any]:
    """Return a column of answers per question, of people of the given kinds."""
    place = rng.random((len(kind), N_QUESTIONS, 1)) > shares[kind].cumsum(axis=2)
    return {f"q{j}": [f"option {c}" for c in answers] for j, answers in enumerate(place.sum(axis=2).T)}


@claim(
    says="Sheets with the right share of each answer that do not hang together are told apart by 0.1 more than people.",
    paper=PAPER,
    published="rows made by models are told from those of the census almost surely",
    margin=0.1,
    quick=True,
)
def whole_sheets(seed: int) -> Paired:
    """Accuracy on held-out rows, against that of telling two samples of people apart; each answer alone says little."""
    rng = np.random.default_rng([seed, 97])
    shares = rng.dirichlet(np.ones(N_OPTIONS), size=(N_KINDS, N_QUESTIONS))
    people, others = (_sheets(rng, shares, rng.integers(N_KINDS, size=N_PEOPLE)) for _ in range(2))
    made = {name: rng.permutation(answers) for name, answers in others.items()}
    found, control = (discriminator_test(people, t, n_resamples=0, rng=rng).accuracy.value for t in (made, others))
    return Paired(treatment=found, control=control)
