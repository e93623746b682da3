"""The arena data as the published analysis saw it: labels on the base policy's answers only, hashed folds."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pytest

from neff.evaluate.calibrating.calibration import Calibration, calibrate
from neff.evaluate.calibrating.folds import FoldMap, hash_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.off_policy.data import Logged

POLICIES = ("clone", "parallel_universe_prompt", "unhelpful")


@dataclass(frozen=True)
class Arena:
    names: list[str]
    logged: dict[str, Logged]
    fresh: dict[str, Judged]
    folds: FoldMap
    calibration: Calibration


def numbers(rows, column):
    return np.array([float(row[column] or "nan") for row in rows])


@pytest.fixture(scope="session")
def arena(neff_data):
    with (neff_data / "arena1000_logprobs.csv").open() as file:
        logs = list(csv.DictReader(file))
    with (neff_data / "arena1000_labels.csv").open() as file:
        answers = list(csv.DictReader(file))
    names = [row["prompt_id"] for row in logs]
    code = {name: i for i, name in enumerate(names)}
    score, label = numbers(logs, "judge_score"), numbers(logs, "oracle_label")
    logged, fresh = {}, {}
    for policy in POLICIES:
        logged[policy] = Logged.of(
            policy,
            prompt=np.arange(len(logs)),
            score=score,
            label=label,
            log_prob=numbers(logs, "base_logprob"),
            target_log_prob=numbers(logs, policy),
        )
        own = [row for row in answers if row["policy"] == policy]
        prompt = np.array([code[row["prompt_id"]] for row in own])
        fresh[policy] = Judged(policy, prompt, numbers(own, "judge_score"), np.full(len(own), np.nan))
    folds = FoldMap(hash_folds(names), 5)
    curve = calibrate(score, label, fold=folds.of_prompt, mode="monotone", n_folds=5)
    return Arena(names, logged, fresh, folds, curve)
