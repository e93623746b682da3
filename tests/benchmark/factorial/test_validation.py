"""Validation first: no leak between parts, what choosing the best adds, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.factorial import choose_on_dev, split_items
from neff.errors import ArgumentError
from neff.stats import wilson


@given(st.integers(0, 2**32 - 1), st.integers(5, 41), st.floats(0.2, 0.8))
def test_an_item_is_on_one_side(seed, n, share):
    items = np.random.default_rng(seed).integers(n, size=97)
    names = np.unique(items)
    dev = split_items(items.tolist(), dev=share, rng=seed)
    assert not set(items[dev]) & set(items[~dev])
    assert len(set(items[dev])) == round(share * len(names))


def test_the_optimism_of_the_best_of_many():
    """Twelve prompts that are equally good: the measured optimism is, on average, the expected one."""
    measured, expected, held_out = [], [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        easy = rng.random(120)
        scores = {f"prompt {i}": (rng.random(120) < easy).astype(float) for i in range(12)}
        found = choose_on_dev(scores, np.arange(120) < 60, n_resamples=100, rng=seed)
        measured.append(found.optimism)
        expected.append(found.expected_optimism)
        held_out.append(found.test.value)
    error = np.std(measured) / np.sqrt(200)
    assert np.mean(measured) > 0.04
    assert np.mean(expected) == pytest.approx(np.mean(measured), abs=4 * error)
    assert np.mean(held_out) == pytest.approx(0.5, abs=4 * np.std(held_out) / np.sqrt(200))


def test_the_choice_by_hand():
    scores = {"a": [1, 0, 1, 1], "b": [1, 1, 0, 0], "c": [1, 1, 1, 0]}
    found = choose_on_dev(scores, [True, True, False, False], settings={"b": {"temperature": 0}}, rng=0)
    assert (found.chosen, found.n_tried) == ("b", 3)  # a tie with c: the first name
    assert found.dev_scores == {"a": 0.5, "b": 1.0, "c": 1.0}
    assert (found.dev.value, found.test.value, found.optimism) == (1, 0, 1)
    assert found.test.interval[0] == 0
    assert found.test.interval[1] > 0.5
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_share_of_few_items_stays_a_share():
    """Two of three held-out items right: t said -0.77 to 2.10."""
    choice = choose_on_dev({"a": [1, 0, 1, 1], "b": [0, 0, 1, 1]}, [1, 0, 0, 0], rng=0, n_resamples=10)
    assert choice.test.interval == pytest.approx(tuple(wilson(2, 3))[:2])
    graded = choose_on_dev({"a": [1, 0.5, 1, 0.9]}, [1, 0, 0, 0], rng=0, n_resamples=10)
    assert graded.test.method == "mean over items"


def test_the_fingerprint_is_of_name_and_settings():
    scores, dev = {"a": [1, 0, 1, 1]}, [True, True, False, False]
    prints = [
        choose_on_dev(scores, dev, settings=own, rng=0).fingerprint
        for own in (None, {"a": {"t": 0}}, {"a": {"t": 1}}, {"a": {"t": 0}}, {"b": {"t": 0}})
    ]
    assert prints[1] == prints[3]
    assert prints[0] == prints[4]
    assert len(set(prints)) == 3
    assert choose_on_dev(scores, dev, rng=0).expected_optimism == 0


@pytest.mark.parametrize(
    ("scores", "dev", "named"),
    [
        ({}, [True, False], "scores"),
        ({"a": [1, 0, 1]}, [True, False], "scores"),
        ({"a": [1, 0]}, [True, True], "dev"),
        ({"a": [1, 0]}, [False, False], "dev"),
        ({"a": [1, np.nan]}, [True, False], "dev"),
        ({"a": [1, 0]}, [3, 0], "dev"),
    ],
)
def test_bad_input_is_named(scores, dev, named):
    with pytest.raises(ArgumentError, match=named):
        choose_on_dev(scores, dev)


@pytest.mark.parametrize("share", [0, 1, 0.01, -1, float("nan"), "half"])
def test_a_part_without_items_is_refused(share):
    with pytest.raises(ArgumentError, match="dev"):
        split_items(list("abc"), dev=share)
