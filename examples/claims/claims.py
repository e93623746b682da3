"""Claims about a model change: three ways to turn a judge's score into the chance that an answer is right.

Check them from anywhere: `neff check examples/claims/claims.py`. The data are the bundled example: 6,000 answers with a
cheap judge's score and the right label of each. A seed draws which digits are for training and which for the test.
"""

import numpy as np

from neff import example
from neff.claims import Paired, claim

RECORDS = example.load("fresh")
RIGHT = example.oracle(RECORDS)


def fit(features, right):
    """Logistic regression with a small penalty, by Newton's method."""
    weights = np.zeros(features.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-features @ weights))
        curvature = (features.T * (chance * (1 - chance))) @ features + np.eye(len(weights))
        weights -= np.linalg.solve(curvature, features.T @ (chance - right) + weights)
    return weights


def held_out_loss(features, train, test):
    """Log loss on the test digits, in nats."""
    margins = features[test] @ fit(features[train], RIGHT[train])
    return float(np.mean(np.logaddexp(0, margins) - RIGHT[test] * margins))


def split(seed, labels):
    """Rows to train on (so many labels) and rows of the other half of the digits to test on."""
    rng = np.random.default_rng(seed)
    ours = np.isin(RECORDS.item.codes, rng.permutation(500)[:250])
    return rng.choice(np.flatnonzero(ours), labels, replace=False), np.flatnonzero(~ours)


SCORE = RECORDS.score
LINE = np.column_stack([np.ones_like(SCORE), SCORE])
CURVE = np.column_stack([LINE, SCORE**2])
BY_MODEL = np.column_stack([SCORE, np.eye(6)[RECORDS.model.codes]])


@claim(
    says="A squared term lowers the test loss by more than 0.005 nats.",
    lower_is_better=True,
    margin=0.005,
    params=[{"labels": 50}, {"labels": 200}],
    quick=True,
)
def curved(seed, labels):
    train, test = split(seed, labels)
    return Paired(treatment=held_out_loss(CURVE, train, test), control=held_out_loss(LINE, train, test))


@claim(says="Knowing which model answered lowers the test loss.", lower_is_better=True)
def by_model(seed):
    train, test = split(seed, labels=200)
    return Paired(treatment=held_out_loss(BY_MODEL, train, test), control=held_out_loss(LINE, train, test))


@claim(
    says="Four times the labels lower the test loss by more than 5%.", kind="ratio", lower_is_better=True, margin=1.05
)
def more_labels(seed):
    few, test = split(seed, labels=50)
    many, _ = split(seed, labels=200)
    return Paired(treatment=held_out_loss(LINE, many, test), control=held_out_loss(LINE, few, test))
