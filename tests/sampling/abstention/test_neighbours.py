"""Exact neighbours without sorting: the naive twin sorts, duplicates and ties included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.sampling.abstention.neighbours import nearest, neighbours


def naive(queries, classes, support, support_class, *, most=2048, is_support=False):
    """Sort by distance, points that do not agree first among equals, and count the run."""
    runs, squared, place = [], [], []
    for i, (query, own) in enumerate(zip(queries, classes, strict=True)):
        row = [
            (float(np.square(query - point).sum()), int(c == own), j)
            for j, (point, c) in enumerate(zip(support, support_class, strict=True))
            if not (is_support and i == j)
        ]
        row.sort()
        run = 0
        for _, agrees, _ in row:
            if not agrees:
                break
            run += 1
        runs.append(min(run, most))
        first = min(row, key=lambda x: (x[0], x[2]), default=(math.inf, 0, -1))
        squared.append(first[0])
        place.append(first[2])
    return runs, squared, place


def check(found, expected):
    assert found.similarity.tolist() == expected[0]
    assert found.squared_distance.tolist() == expected[1]  # to the last bit
    assert found.nearest.tolist() == expected[2]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 23), st.integers(1, 5), st.booleans(), st.sampled_from([0, 1e3, 1e8]))
def test_equals_the_naive_search(seed, size, n_columns, on_grid, offset):
    rng = np.random.default_rng(seed)
    draw = (
        (lambda *shape: rng.integers(0, 3, shape).astype(float)) if on_grid else (lambda *shape: rng.normal(size=shape))
    )
    support, queries = draw(size, n_columns) + offset, draw(17, n_columns) + offset
    support_class, classes = rng.integers(-1, 2, size), rng.integers(0, 2, 17)
    check(neighbours(queries, classes, support, support_class), naive(queries, classes, support, support_class))
    own = np.maximum(support_class, 0)
    found = neighbours(support, own, support, support_class, is_support=True)
    check(found, naive(support, own, support, support_class, is_support=True))


def test_duplicates_far_from_the_origin_are_at_distance_0():
    rng = np.random.default_rng(3)
    support = rng.normal(size=(29, 7)) + 1e6
    found = neighbours(support[:5], np.zeros(5, int), support, np.zeros(29, int))
    assert found.squared_distance.tolist() == [0.0] * 5
    assert found.nearest.tolist() == [0, 1, 2, 3, 4]


def test_blocks_change_nothing():
    rng = np.random.default_rng(4)
    support, queries = rng.normal(size=(53, 3)), rng.normal(size=(31, 3))
    support_class, classes = rng.integers(-1, 2, 53), rng.integers(0, 2, 31)
    one, many = (
        neighbours(queries, classes, support, support_class, block_bytes=size) for size in (1 << 25, 8 * 53 * 4)
    )
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)
    squared, place = nearest(queries, support, block_bytes=8 * 53)
    np.testing.assert_array_equal(squared, one.squared_distance)
    np.testing.assert_array_equal(place, one.nearest)


def test_the_order_of_the_support_does_not_matter():
    rng = np.random.default_rng(5)
    support, queries = rng.integers(0, 3, (37, 2)).astype(float), rng.integers(0, 3, (19, 2)).astype(float)
    support_class, classes = rng.integers(-1, 2, 37), rng.integers(0, 2, 19)
    order = rng.permutation(37)
    first = neighbours(queries, classes, support, support_class)
    again = neighbours(queries, classes, support[order], support_class[order])
    np.testing.assert_array_equal(first.similarity, again.similarity)
    np.testing.assert_array_equal(first.squared_distance, again.squared_distance)


def test_a_further_point_that_does_not_agree_never_lengthens_a_run():
    rng = np.random.default_rng(6)
    support, queries = rng.normal(size=(41, 2)), rng.normal(size=(13, 2))
    support_class, classes = rng.integers(0, 2, 41), rng.integers(0, 2, 13)
    before = neighbours(queries, classes, support, support_class).similarity
    for _ in range(5):
        support = np.vstack([support, rng.normal(size=(1, 2))])
        support_class = np.append(support_class, -1)
        after = neighbours(queries, classes, support, support_class).similarity
        assert (after <= before).all()
        before = after


@pytest.mark.parametrize(("size", "is_support"), [(0, False), (1, True)])
def test_without_a_neighbour(size, is_support):
    point = np.zeros((size, 2))
    found = neighbours(np.zeros((1, 2)), np.zeros(1, int), point, np.zeros(size, int), is_support=is_support)
    assert (found.similarity[0], found.squared_distance[0], found.nearest[0]) == (0, math.inf, -1)


def test_the_longest_run_is_capped():
    support = np.arange(11.0)[:, None]
    found = neighbours(np.zeros((1, 1)), np.zeros(1, int), support, np.zeros(11, int), most=7)
    assert found.similarity.tolist() == [7]
