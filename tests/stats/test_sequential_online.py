"""The online forms as callers use them: ratios, margins, states as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.stats

from neff.reasons import Reason
from neff.stats import MeanSequence, RatioSequence, confidence_sequence, paired_sequence, ratio_sequence


def test_ratios_are_differences_of_logarithms() -> None:
    rng = np.random.default_rng(23)
    control = rng.lognormal(1.0, 0.5, 17)
    treatment = control * rng.lognormal(-0.4, 0.1, 17)
    ratio = ratio_sequence(treatment, control)
    logs = paired_sequence(np.log(treatment) - np.log(control))
    assert ratio.interval == (math.exp(logs.low), math.exp(logs.high))
    assert ratio.value == pytest.approx(scipy.stats.gmean(treatment / control), rel=1e-12)
    assert ratio.against(1.0) == "below"
    assert ratio.against(0.01) == "above"
    assert ratio.against(ratio.value) == "undecided"
    assert ratio.n == 17
    assert ratio.level == 0.95
    again = RatioSequence.from_state(json.loads(json.dumps(ratio.to_state())))
    assert again.update(1.0, 2.0).interval == ratio.update(1.0, 2.0).interval
    start = RatioSequence()
    assert start.interval == (0.0, math.inf)
    assert math.isnan(start.value)
    assert start.reason is Reason.EMPTY
    assert "log ratios" in start.assumptions


def test_decisions_against_a_margin() -> None:
    online = paired_sequence([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02])
    assert online.against(0.5) == "above"
    assert online.against(1.5) == "below"
    assert online.against(1.0) == "undecided"
    batch = confidence_sequence([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02])
    n = batch.first_beyond(0.5)
    assert n is not None
    assert batch.low[n - 1] > 0.5 >= batch.low[n - 2]


def test_json_is_strict() -> None:
    text = json.dumps(confidence_sequence([0.3, 0.5, 0.9]).to_dict(), allow_nan=False)
    back = json.loads(text)
    assert back["low"] == [None, None, None]
    assert back["value"] == pytest.approx([0.3, 0.4, 1.7 / 3], rel=1e-12)
    assert back["reason"] == "too few values"
    for start in (MeanSequence(), MeanSequence(running=True).update([1.0, 2.0])):
        json.dumps(start.to_state(), allow_nan=False)
