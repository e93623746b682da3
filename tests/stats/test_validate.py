"""Argument checks: what passes, what is refused, and that each refusal says what to do."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats import _special
from neff.stats._validate import (
    check_codes,
    check_count,
    check_level,
    check_number,
    check_rng,
    check_same_length,
    check_vector,
    check_weights,
)


@pytest.mark.parametrize("level", [0.5, 0.95, np.float32(0.5), 1e-9])
def test_level_passes(level: float) -> None:
    assert check_level(level, call="f") == float(level)


@pytest.mark.parametrize(
    ("level", "hint"),
    [(95, r"0\.95\?"), (99.5, r"0\.995\?"), (-0.5, "share"), (0, "share"), (1, "0.99"), (100, "share")],
)
def test_level_refused_with_the_fix(level: float, hint: str) -> None:
    with pytest.raises(ArgumentError, match=hint) as caught:
        check_level(level, call="wilson")
    assert str(caught.value).startswith(f"wilson: level must be a number between 0 and 1, got {level}")


@pytest.mark.parametrize("level", [True, "0.95", None, [0.95], math.nan])
def test_level_of_a_wrong_kind(level: object) -> None:
    with pytest.raises(ArgumentError, match="level must be"):
        check_level(level, call="f")


def test_rng_follows_spec_7() -> None:
    generator = np.random.default_rng(5)
    assert check_rng(generator, call="f") is generator
    assert check_rng(7, call="f").random() == np.random.default_rng(7).random()
    assert check_rng(np.int64(7), call="f").random() == np.random.default_rng(7).random()
    assert check_rng(None, call="f").random() != check_rng(None, call="f").random()


@pytest.mark.parametrize("rng", [np.random.RandomState(0), 1.0, True, "seed", np.random])
def test_rng_refused(rng: object) -> None:
    with pytest.raises(ArgumentTypeError, match="default_rng"):
        check_rng(rng, call="bootstrap")


def test_negative_seed_refused() -> None:
    with pytest.raises(ArgumentError, match="0 or more"):
        check_rng(-1, call="bootstrap")


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], dtype=np.int8),
        [Fraction(1), Decimal(2), 3],
        range(1, 4),
    ],
)
def test_vector_passes(values: object) -> None:
    vector = check_vector(values, argument="values", call="f")
    assert vector.dtype == np.float64
    np.testing.assert_array_equal(vector, [1.0, 2.0, 3.0])


def test_vector_of_booleans_and_frames() -> None:
    pandas = pytest.importorskip("pandas")
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(check_vector([True, False], argument="values", call="f"), [1.0, 0.0])
    np.testing.assert_array_equal(check_vector(pandas.Series([1, 2], index=[5, 3]), argument="v", call="f"), [1, 2])
    np.testing.assert_array_equal(check_vector(torch.tensor([1, 2]), argument="v", call="f"), [1.0, 2.0])
    with pytest.raises(ArgumentTypeError, match="grad"):
        check_vector(torch.tensor([1.0], requires_grad=True), argument="v", call="f")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1.5", "2"], "Convert it to float"),
        ([1.0, "2"], "array of numbers"),
        (np.array(["2024-01-01"], dtype="datetime64[D]"), "datetime64"),
        ([1 + 2j], "complex128"),
        (np.ma.masked_array([1.0, 2.0], mask=[0, 1]), "masked"),
        ([[1.0], [2.0, 3.0]], "regular shape"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        (3.0, r"shape \(\)"),
        ([0.5, math.nan, math.nan], r"free of NaN, got nan.*2 of 3, the first at position 1"),
        ([0.5, None], r"free of NaN.*position 1"),
        ([0.5, 1.0, -math.inf], r"finite, got -inf.*position 2"),
    ],
)
def test_vector_refused(values: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_vector(values, argument="values", call="mean_se")


def test_vector_allows_what_it_is_told_to() -> None:
    vector = check_vector([math.nan, math.inf], argument="v", call="f", allow_nan=True, allow_inf=True)
    assert math.isnan(vector[0])
    assert math.isinf(vector[1])
    with pytest.raises(ArgumentError, match="finite"):
        check_vector([math.nan, math.inf], argument="v", call="f", allow_nan=True)


def test_weights() -> None:
    np.testing.assert_array_equal(check_weights([0, 1], call="f", length=2), [0.0, 1.0])
    with pytest.raises(ArgumentError, match=r"weights must be 0 or more, got -1.*position 1"):
        check_weights([0, -1], call="f")
    with pytest.raises(ArgumentError, match="of length 3"):
        check_weights([0, 1], call="f", length=3)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (7.0, 7), (np.int32(5), 5), (np.float64(3), 3)])
def test_count_passes(value: float, expected: int) -> None:
    assert check_count(value, argument="n", call="f") == expected


@pytest.mark.parametrize("value", [-1, 0.8, math.nan, math.inf, True, "3", None])
def test_count_refused(value: object) -> None:
    with pytest.raises(ArgumentError, match="n must be a whole number of at least 0"):
        check_count(value, argument="n", call="wilson")


def test_number() -> None:
    assert math.isnan(check_number(math.nan, argument="x", call="f"))
    assert check_number(np.float32(2), argument="x", call="f") == 2.0
    for wrong in ("2", None, True, [2.0]):
        with pytest.raises(ArgumentTypeError, match="one number"):
            check_number(wrong, argument="x", call="f")


def test_same_length() -> None:
    assert check_same_length(call="f", a=[1, 2], b=[3, 4]) == 2
    with pytest.raises(ArgumentError, match=r"b must be as long as a \(2\), got 'length 3'"):
        check_same_length(call="f", a=[1, 2], b=[3, 4, 5])


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (["b", "a", "b", "c"], [1, 0, 1, 2]),
        ([10, -3, 10, 999_999_999], [1, 0, 1, 2]),
        ([5, 4, 5, 7], [1, 0, 1, 2]),
        ([250.0, 0.5, 250.0, 251.0], [1, 0, 1, 2]),
        (np.array([5, 4, 5, 200], dtype=np.uint8), [1, 0, 1, 2]),
        (np.array([1, 0, 1, 2], dtype="datetime64[D]"), [1, 0, 1, 2]),
        (np.array([("x"), 1, ("x"), ("y")], dtype=object), [1, 0, 1, 2]),
        ([True, False, True, True], [1, 0, 1, 1]),
    ],
)
def test_codes(cluster: object, expected: list[int]) -> None:
    codes, n_clusters = check_codes(cluster, argument="cluster", call="f")
    assert codes.tolist() == expected
    assert n_clusters == max(expected) + 1
    assert np.issubdtype(codes.dtype, np.intp)


def test_codes_of_small_and_large_integers() -> None:
    small = np.tile(np.array([100, -100, 7], dtype=np.int8), 37)  # the range, 200, is no int8
    assert check_codes(small, argument="cluster", call="f")[0].tolist() == [2, 0, 1] * 37
    large = np.array([2**64 - 1, 2**64 - 3, 2**64 - 1], dtype=np.uint64)
    assert check_codes(large, argument="cluster", call="f")[0].tolist() == [1, 0, 1]


def test_codes_of_nothing() -> None:
    codes, n_clusters = check_codes([], argument="cluster", call="f")
    assert codes.size == 0
    assert n_clusters == 0


@pytest.mark.parametrize(
    "cluster",
    [
        [1.0, math.nan],
        np.array(["a", None], dtype=object),
        np.array(["a", math.nan], dtype=object),
        np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
    ],
)
def test_a_missing_cluster_is_refused_by_position(cluster: object) -> None:
    with pytest.raises(ArgumentError, match="Position 1 is missing"):
        check_codes(cluster, argument="cluster", call="mean_se")


def test_numpy_scalars_in_an_object_array_are_not_missing() -> None:
    cluster = np.array([np.str_("a"), np.str_("b")], dtype=object)
    assert check_codes(cluster, argument="cluster", call="f")[1] == 2


def test_pandas_missing_value_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ArgumentError, match="Position 1 is missing"):
        check_codes(np.array(["a", pandas.NA], dtype=object), argument="cluster", call="mean_se")


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=31), st.randoms())
def test_codes_do_not_depend_on_the_order_of_rows(cluster: list[int], random: object) -> None:
    codes, n_clusters = check_codes(cluster, argument="cluster", call="f")
    assert n_clusters == len(set(cluster))
    order = list(range(len(cluster)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled, _ = check_codes([cluster[i] for i in order], argument="cluster", call="f")
    assert shuffled.tolist() == codes[order].tolist()
    as_text, _ = check_codes([f"{c + 40:03d}" for c in cluster], argument="cluster", call="f")
    assert as_text.tolist() == codes.tolist()


@pytest.mark.parametrize("df", [1.0, 2.5, 17.0, 1e6, math.inf])
@pytest.mark.parametrize("p", [1e-6, 0.025, 0.5, 0.975])
def test_t_matches_scipy_stats(p: float, df: float) -> None:
    reference = scipy.stats.norm if math.isinf(df) else scipy.stats.t(df)
    x = _special.t_quantile(p, df)
    assert x == pytest.approx(reference.ppf(p), rel=1e-9, abs=1e-12)
    assert _special.t_cdf(1.7, df) == pytest.approx(reference.cdf(1.7), rel=1e-12)
    assert _special.two_sided_p(-3.1, df) == pytest.approx(2 * reference.sf(3.1), rel=1e-10)


def test_two_sided_p_far_out_and_undefined() -> None:
    assert _special.two_sided_p(30.0) == pytest.approx(2 * scipy.stats.norm.sf(30.0), rel=1e-10)
    assert math.isnan(_special.two_sided_p(math.nan, 5.0))


@pytest.mark.parametrize(("k", "n", "p"), [(0, 7, 0.3), (3, 7, 0.3), (7, 7, 0.3), (-1, 7, 0.3), (9, 7, 0.3)])
def test_binomial_matches_scipy_stats(k: int, n: int, p: float) -> None:
    assert _special.binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), rel=1e-12)
    assert _special.binomial_pmf(k, n, p) == pytest.approx(scipy.stats.binom.pmf(k, n, p), rel=1e-12)


def test_beta_and_chi2_match_scipy_stats() -> None:
    assert _special.beta_cdf(0.3, 2.5, 4.0) == pytest.approx(scipy.stats.beta.cdf(0.3, 2.5, 4.0), rel=1e-12)
    assert _special.beta_quantile(0.3, 2.5, 4.0) == pytest.approx(scipy.stats.beta.ppf(0.3, 2.5, 4.0), rel=1e-9)
    assert _special.chi2_sf(11.3, 3.0) == pytest.approx(scipy.stats.chi2.sf(11.3, 3.0), rel=1e-12)
