"""Total variation, monotonicity and rank distance: golden values, by hand, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark import monotonicity, rank_distance, total_variation
from neff.errors import ArgumentError

CURVE = [0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]


def test_golden():
    assert total_variation(CURVE) == pytest.approx(1.6333333333, abs=1e-10)
    assert monotonicity(CURVE, kind="spearman") == pytest.approx(0.9285714286, abs=1e-10)


def test_a_curve_that_goes_nowhere_has_no_variation():
    assert math.isnan(total_variation([0.2, 0.4, 0.2]))
    assert math.isnan(total_variation([0.2]))
    assert math.isnan(total_variation([]))
    assert math.isnan(monotonicity([0.3, 0.3, 0.3], kind="spearman"))
    assert total_variation([0.0, 1.0, 2.0]) == pytest.approx(1.5)
    assert monotonicity([3.0, 2.0, 1.0], kind="spearman") == pytest.approx(1.0)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=12, unique=True), st.floats(0.1, 9), st.floats(-3, 3))
def test_units_do_not_matter(values, scale, shift):
    x = np.round(np.array(values), 3)
    if x[0] == x[-1]:
        return
    assert total_variation(scale * x + shift) == pytest.approx(total_variation(x), rel=1e-6)
    assert total_variation(x[::-1]) == pytest.approx(total_variation(x), rel=1e-9)


def test_rank_distance_by_hand():
    assert rank_distance([1, 2, 3, 4], [1, 2, 3, 4]) == 0
    assert rank_distance([1, 2, 3, 4], [4, 3, 2, 1]) == 2
    assert rank_distance([1, 1], [1, 2]) == 0.5
    x, y = [0.1, 0.4, 0.9], [10.0, 30.0, 20.0]
    # of the reference 2 and 1 are better in x, 0 and 2 in y
    assert rank_distance([0.3, 0.5], [35.0, 15.0], measure_reference=x, sister_reference=y) == pytest.approx(1.5)
    assert math.isnan(rank_distance([], []))
    with pytest.raises(ArgumentError, match="both or none"):
        rank_distance([1], [1], measure_reference=[1])
    with pytest.raises(ArgumentError, match="of length 2"):
        rank_distance([1, 2], [1])
