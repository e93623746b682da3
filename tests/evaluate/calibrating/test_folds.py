"""Folds of prompts: the published hash deal, the balanced deal, and codes that cannot be dealt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.calibrating.folds import FoldMap, balanced_folds, hash_folds

checked = settings(max_examples=60, deadline=None, derandomize=True)


# --- Hash deal ----------------------------------------------------------------------------------------------


def test_hash_folds_are_those_of_the_published_code() -> None:
    # cje-eval 0.3.0, prompt ids p0..p19, K=5, seed 42.
    expected = [3, 4, 4, 1, 1, 3, 0, 3, 3, 2, 3, 0, 0, 4, 3, 3, 0, 4, 1, 4]
    assert hash_folds([f"p{i}" for i in range(20)]).tolist() == expected


def test_hash_folds_hang_on_name_seed_and_number_alone() -> None:
    names = [f"item {i}" for i in range(101)]
    whole = hash_folds(names, n_folds=7)
    assert hash_folds(names[::-1], n_folds=7)[::-1].tolist() == whole.tolist()
    assert hash_folds(names[13:14], n_folds=7)[0] == whole[13]
    assert hash_folds(names, n_folds=7, seed=1).tolist() != whole.tolist()
    assert set(whole.tolist()) == set(range(7))
    assert hash_folds([]).shape == (0,)
    with pytest.raises(ArgumentError, match="n_folds must be a whole number of at least 1, got 0"):
        hash_folds(names, n_folds=0)


# --- Balanced deal ------------------------------------------------------------------------------------------


@checked
@given(st.integers(2, 61), st.integers(2, 23), st.integers(0, 5), st.data())
def test_both_groups_are_spread_evenly(n_prompts: int, n_folds: int, seed: int, data: st.DataObject) -> None:
    labelled = data.draw(st.lists(st.integers(0, n_prompts - 1), min_size=2, max_size=70))
    if len(set(labelled)) < 2:
        labelled = [0, 1]
    folds = balanced_folds(n_prompts, np.array(labelled), n_folds=n_folds, seed=seed)
    assert folds.n_folds == min(n_folds, len(set(labelled)))
    others = np.setdiff1d(np.arange(n_prompts), labelled)
    for group in (np.unique(labelled), others):
        sizes = np.bincount(folds.of(group), minlength=folds.n_folds)
        assert sizes.max() - sizes.min() <= 1
    assert np.bincount(folds.of(np.unique(labelled)), minlength=folds.n_folds).min() >= 1


def test_repeats_and_order_of_labelled_rows_do_not_matter() -> None:
    once = balanced_folds(31, np.array([3, 5, 7, 11, 13]), n_folds=3)
    again = balanced_folds(31, np.array([13, 3, 3, 11, 5, 7, 3]), n_folds=3)
    assert once.of_prompt.tolist() == again.of_prompt.tolist()
    assert (
        balanced_folds(31, np.array([3, 5, 7, 11, 13]), n_folds=3, seed=1).of_prompt.tolist() != once.of_prompt.tolist()
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10, [4], {}), "labelled must be at least 2 prompts, got 1"),
        ((10, [], {}), "labelled must be at least 2 prompts, got 0"),
        ((10, [4, 4, 4], {}), "labelled must be at least 2 prompts, got 1"),
        ((10, [4, 10], {}), "labelled must be codes below n_prompts = 10, got 10"),
        ((10, [4, -1], {}), "labelled must be 0 or more, got -1"),
        ((10, [4, 5], {"n_folds": 1}), "n_folds must be a whole number of at least 2, got 1"),
    ],
)
def test_what_cannot_be_dealt_is_named(arguments: tuple[int, list[int], dict[str, int]], words: str) -> None:
    n_prompts, labelled, options = arguments
    with pytest.raises(ArgumentError, match=words):
        balanced_folds(n_prompts, np.array(labelled, dtype=int), **options)


def test_codes_that_would_wrap_around_are_refused() -> None:
    folds = FoldMap(np.array([0, 1, 2, 0]), 3)
    assert folds.of(np.array([3, 2, 2])).tolist() == [0, 2, 2]
    assert folds.of(np.array([])).shape == (0,)
    with pytest.raises(ArgumentError, match="prompt must be 0 or more, got -1"):
        folds.of(np.array([0, -1]))
    with pytest.raises(ArgumentError, match="prompt must be below 4, the number of prompts that were dealt, got 4"):
        folds.of(np.array([4]))
    with pytest.raises(ArgumentTypeError, match="a vector of integer codes"):
        folds.of(np.array([0.5]))
