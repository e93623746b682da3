"""Weights: edge cases, golden numbers, arviz values, naive twins in exact and long arithmetic, torch."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats.tail import _pareto_shape, hill, pareto_k
from neff.stats.weights import WeightSummary, ess, hellinger_affinity, normalise, top_share

if TYPE_CHECKING:
    from collections.abc import Callable

INF = math.inf
logs = st.lists(st.floats(-30, 30) | st.just(-INF), min_size=1, max_size=37)
SCALARS = [ess, hellinger_affinity, top_share, lambda lw: hill(lw).value, lambda lw: pareto_k(lw).value]


# --- Edge cases ---------------------------------------------------------------------------------------------


def test_ess_limits() -> None:
    assert ess(np.zeros(17)) == 17.0
    assert ess([0.0, -INF, -INF]) == 1.0
    assert ess([5.0]) == 1.0
    assert ess([0.0, 0.0, -INF]) == 2.0
    assert isinstance(ess([0.0, 1.0]), float)
    nearly_even = np.random.default_rng(5).normal(size=40) * 1e-9  # plain arithmetic gives 40 + 7e-15
    assert ess(nearly_even) == 40.0
    assert WeightSummary.of(nearly_even).ess == 40.0


@pytest.mark.parametrize("measure", SCALARS)
@pytest.mark.parametrize("log_weights", [[], [-INF], [-INF] * 41])
def test_no_weight_at_all_is_nan(measure: Callable[..., Any], log_weights: list[float]) -> None:
    assert math.isnan(measure(log_weights))


@pytest.mark.parametrize("offset", [0.0, 2000.0, -2000.0, 1e6])
def test_no_offset_overflows(offset: float) -> None:
    lw = np.array([0.3, -1.2, 0.0, 2.0, 1.1] * 11)
    for measure in SCALARS:
        assert measure(lw + offset) == pytest.approx(measure(lw), rel=1e-8)
    np.testing.assert_allclose(normalise(lw + offset), normalise(lw), rtol=1e-8)
    assert WeightSummary.of(lw + offset).log_mean == pytest.approx(WeightSummary.of(lw).log_mean + offset, rel=1e-12)


def test_a_range_beyond_floats() -> None:
    lw = [2000.0, 2000.0, 0.0, -2000.0]
    assert ess(lw) == 2.0
    assert normalise(lw).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert top_share(lw) == 0.5
    assert hellinger_affinity(lw) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert hill(lw, k=2).value == pytest.approx(2 / 4000.0, rel=1e-12)


@pytest.mark.parametrize("measure", [*SCALARS, normalise, WeightSummary.of])
@pytest.mark.parametrize(
    ("log_weights", "message"),
    [
        ([0.0, math.nan], "not NaN, got nan. Found 1, the first at position 1"),
        ([0.0, 0.0, INF], "got inf. Found 1, the first at position 2"),
        (["a"], "array of numbers"),
    ],
)
def test_bad_weights_are_refused_by_position(
    measure: Callable[..., Any], log_weights: list[float], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        measure(log_weights)


def test_ess_refuses() -> None:
    with pytest.raises(ArgumentError, match="got 'neither'"):
        ess()
    with pytest.raises(ArgumentError, match="got 'both'"):
        ess([0.0], weights=[1.0])
    for bad in (-1.0, math.nan, INF):
        with pytest.raises(ArgumentError, match="weights must be finite and 0 or more"):
            ess(weights=[1.0, bad])
    with pytest.raises(ArgumentError, match=r"at position \(1, 0\)"):
        ess([[0.0, 0.0], [math.nan, 0.0]])
    with pytest.raises(ArgumentError, match=r"an axis -1, got 'shape \(\)'"):
        ess(0.0)
    with pytest.raises(ArgumentError, match="an axis 2"):
        ess(np.zeros((3, 5)), axis=2)
    for vector_only in (hill, pareto_k, top_share, hellinger_affinity):
        with pytest.raises(ArgumentError, match="one-dimensional"):
            vector_only(np.zeros((3, 5)))


def test_batch_axes_are_kept() -> None:
    lw = np.random.default_rng(3).normal(size=(2, 5, 7))
    lw[1, 2] = -INF
    result = ess(lw)
    assert result.shape == (2, 5)
    for index in np.ndindex(2, 5):
        assert result[index] == pytest.approx(ess(lw[index]), rel=1e-14, nan_ok=True)
    np.testing.assert_allclose(ess(np.moveaxis(lw, -1, 0), axis=0), result, rtol=1e-14)
    assert ess(np.zeros((3, 0))).shape == (3,)
    assert np.isnan(ess(np.zeros((3, 0)))).all()
    assert normalise(np.zeros((3, 0))).shape == (3, 0)
    sums = normalise(lw).sum(axis=-1)
    assert np.isnan(sums[1, 2])
    np.testing.assert_allclose(sums[0], 1.0, rtol=1e-14)


@pytest.mark.parametrize(
    ("log_weights", "k", "expected"),
    [
        (np.arange(9.0), 0, Reason.TOO_FEW),
        ([0.0] + [-INF] * 30, 3, Reason.TOO_FEW),
        ([-INF] * 31, 3, Reason.ZERO_WEIGHT),
        ([], 0, Reason.EMPTY),
    ],
)
def test_hill_cannot_tell(log_weights: list[float], k: int, expected: Reason) -> None:
    index = hill(log_weights)
    assert math.isnan(index.value)
    assert (index.k, index.reason) == (k, expected)


@pytest.mark.parametrize(("n", "k"), [(10, 1), (99, 9), (100, 10), (200, 10), (239, 11), (10_000, 500)])
def test_hill_rule_for_k(n: int, k: int) -> None:
    assert hill(np.linspace(0, 1, n)).k == k


def test_hill_of_an_even_tail_is_infinite() -> None:
    assert hill(np.zeros(31)) == (INF, 3, Reason.EQUAL_TAIL)
    with pytest.raises(ArgumentError, match="below the number of weights"):
        hill([0.0, 1.0], k=2)
    with pytest.raises(ArgumentError, match="at least 1"):
        hill([0.0, 1.0], k=0)


@pytest.mark.parametrize(
    ("log_weights", "k", "expected"),
    [
        (np.arange(24.0), 4, Reason.TOO_FEW),
        ([0.0, 1.0, 2.0] + [-INF] * 30, 6, Reason.TOO_FEW),
        (np.zeros(100), 20, Reason.EQUAL_TAIL),
        ([-INF] * 31, 6, Reason.ZERO_WEIGHT),
        ([], 0, Reason.EMPTY),
    ],
)
def test_pareto_k_cannot_tell(log_weights: list[float], k: int, expected: Reason) -> None:
    index = pareto_k(log_weights)
    assert math.isnan(index.value)
    assert (index.k, index.reason) == (k, expected)


def test_top_share_counts_rows() -> None:
    assert top_share(np.zeros(100), share=0.29) == pytest.approx(0.29, rel=1e-14)  # 0.29 * 100 < 29 in floats
    assert top_share(np.zeros(7), share=0.01) == pytest.approx(1 / 7, rel=1e-14)
    assert top_share(np.arange(7.0), share=1) == 1.0
    for share in (0, -0.1, 1.5, math.nan):
        with pytest.raises(ArgumentError, match="share must be above 0"):
            top_share([0.0], share=share)


# --- Golden numbers -----------------------------------------------------------------------------------------


def test_cje_golden() -> None:
    """cje-inference-diagnostics.md, 6.2: cje v0.3.0 on w = exp(1.5 sin i), i = 0..19."""
    lw = 1.5 * np.sin(np.arange(20))
    assert ess(lw) == pytest.approx(11.1843308003, abs=5e-11)
    assert ess(weights=np.exp(lw)) == pytest.approx(11.1843308003, abs=5e-11)
    assert top_share(lw) == pytest.approx(0.1365315943, abs=5e-11)
    assert hill(lw).value == pytest.approx(8.2625466161, abs=5e-11)
    assert hill(lw).k == 2
    assert hellinger_affinity(lw) == pytest.approx(0.8969548914, abs=5e-11)


@pytest.mark.parametrize(
    ("log_weights", "k", "expected"),
    [
        (3 * np.sin(np.arange(1000)), 94, -1.5295546852574686),
        (0.01 * np.arange(100), 20, -0.36052766933965175),
        (-np.log1p(np.arange(1000)), 94, 0.8669685939042792),
        (5 * np.sin(np.arange(1000)) ** 3, 94, -1.3741347848865313),
        (-0.9 * np.log((np.arange(200) + 0.5) / 200), 40, 0.7876963633073635),
        (3 * np.cos(np.arange(25) ** 2), 5, -0.03702149027874254),
    ],
)
def test_arviz_golden(log_weights: np.ndarray, k: int, expected: float) -> None:
    """arviz-stats 0.8.0: `_DiagnosticsBase()._psislw(-log_weights, 1.0)[1]`, run for this test."""
    index = pareto_k(log_weights)
    assert index.value == pytest.approx(expected, rel=1e-11)
    assert index.k == k


# --- Naive twins and properties -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=43))
def test_ess_equals_exact_arithmetic(weights: list[int]) -> None:
    result = ess(weights=weights)
    if not any(weights):
        assert math.isnan(result)
        return
    exact = Fraction(sum(weights)) ** 2 / sum(w * w for w in weights)
    assert result == pytest.approx(float(exact), rel=1e-14)
    assert result * (1 + 1e-15) >= 1.0
    assert result <= len(weights)


@given(logs)
def test_scalars_equal_plain_loops(lw: list[float]) -> None:
    w = [math.exp(x) for x in lw]
    total = math.fsum(w)
    if total == 0:
        return
    n = len(w)
    assert ess(lw) == pytest.approx(total**2 / math.fsum(x * x for x in w), rel=1e-12)
    affinity = math.fsum(math.sqrt(x / (total / n)) for x in w) / n
    assert hellinger_affinity(lw) == pytest.approx(affinity, rel=1e-12)
    top = math.fsum(sorted(w)[-max(1, n // 4) :]) / total
    assert top_share(lw, share=0.25) == pytest.approx(top, rel=1e-12)
    np.testing.assert_allclose(normalise(lw), [x / total for x in w], rtol=1e-12, atol=0)


@given(st.lists(st.floats(-40, 40), min_size=10, max_size=61), st.integers(1, 9))
def test_hill_equals_its_formula(lw: list[float], k: int) -> None:
    w = sorted((math.exp(x) for x in lw), reverse=True)
    total = math.fsum(math.log(w[j] / w[k]) for j in range(k))
    index = hill(lw, k=k)
    if total > 1e-9:
        assert index.value == pytest.approx(k / total, rel=1e-6)
    elif len(set(lw)) == 1:
        assert index.value == INF


@given(logs, st.integers(2, 5))
def test_duplication_multiplies_the_ess(lw: list[float], times: int) -> None:
    assert ess(lw * times) == pytest.approx(times * ess(lw), rel=1e-12, nan_ok=True)
    assert ess(lw + [-INF] * times) == pytest.approx(ess(lw), rel=1e-12, nan_ok=True)


def pareto_twin(lw: np.ndarray) -> float:
    """Zhang and Stephens on the weights themselves, in long doubles, by a loop over the grid."""
    x = np.sort(np.exp(lw.astype(np.longdouble) - lw.max()))
    m = int(min(len(x) / 5, 3 * math.sqrt(len(x))))
    y = x[-m:] - x[-m - 1]
    grid = 30 + int(math.sqrt(m))
    bs, fits = [], []
    for j in range(1, grid + 1):
        b = 1 / y[-1] + (1 - np.sqrt(np.longdouble(grid) / (j - 0.5))) / (3 * y[int(m / 4 + 0.5) - 1])
        k = np.mean(np.log1p(-b * y))
        bs.append(b)
        fits.append(m * (np.log(-b / k) - k - 1))
    weight = np.array([1 / sum(np.exp(other - fit) for other in fits) for fit in fits])
    b = sum(b * w for b, w in zip(bs, weight, strict=True)) / weight.sum()
    return float((m * np.mean(np.log1p(-b * y)) + 5) / (m + 10))


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0, 1000.0])
def test_pareto_k_beyond_double_precision(spread: float) -> None:
    """Log weights that span thousands: the plain formula loses the tail to underflow, ours does not."""
    if np.finfo(np.longdouble).maxexp < 16_000:
        pytest.skip("no extended precision on this machine")
    lw = spread * np.random.default_rng(7).normal(size=211)
    assert pareto_k(lw).value == pytest.approx(pareto_twin(lw), rel=1e-9)


def test_pareto_k_where_the_grid_holds_the_exponential() -> None:
    """One candidate is exactly b = 0, where the likelihood is 0/0: the result must not jump there."""
    spread = 1.9299161129845317  # found by search: the grid of 20 excesses holds an exact 0
    log_excess = np.concatenate([np.linspace(-2, 0, 5), np.linspace(0.1, spread, 15)])
    nudged = np.append(log_excess[:-1], spread * (1 + 1e-9))
    grid = (1 - np.sqrt(34 / (np.arange(1, 35) - 0.5))) / 3 + math.exp(-spread)
    assert np.count_nonzero(grid == 0) == 1
    assert _pareto_shape(log_excess) == pytest.approx(_pareto_shape(nudged), abs=1e-8)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_pareto_k_finds_the_shape(shape: float) -> None:
    """Weights u^(-shape) are exactly Pareto; the prior pulls towards 0.5 by 10 in 10 + m."""
    values = [pareto_k(-shape * np.log(np.random.default_rng(seed).uniform(size=2003))).value for seed in range(50)]
    m = int(3 * math.sqrt(2003))
    expected = (m * shape + 5) / (m + 10)
    standard_error = np.std(values, ddof=1) / math.sqrt(50)
    assert abs(np.mean(values) - expected) <= 3.3 * standard_error + 0.02
    assert standard_error < 0.03


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_hill_finds_the_index(alpha: float) -> None:
    values = [hill(-np.log(np.random.default_rng(seed).uniform(size=2003)) / alpha).value for seed in range(100)]
    k = 2003 // 20  # the mean of k/Gamma(k) is k/(k - 1)
    assert abs(np.mean(values) - alpha * k / (k - 1)) <= 3.3 * np.std(values, ddof=1) / 10


# --- Summaries that add -------------------------------------------------------------------------------------


def same(a: WeightSummary, b: WeightSummary, rel: float = 1e-14) -> None:
    assert a.n == b.n
    assert a.log_max == b.log_max
    assert a.sum_w == pytest.approx(b.sum_w, rel=rel)
    assert a.sum_w2 == pytest.approx(b.sum_w2, rel=rel)


@given(st.lists(st.lists(st.floats(-2, 2) | st.floats(-2000, 2000) | st.just(-INF), max_size=11), max_size=7))
def test_merging_equals_one_shot(parts: list[list[float]]) -> None:
    whole = [x for part in parts for x in part]
    summaries = [WeightSummary.of(part) for part in parts]
    merged = sum(summaries, WeightSummary())
    same(merged, WeightSummary.of(whole))
    same(reduce(add, reversed(summaries), WeightSummary()), merged)
    if whole:
        assert merged.ess == pytest.approx(ess(whole), rel=1e-13, nan_ok=True)
        assert merged.ess_fraction == pytest.approx(ess(whole) / len(whole), rel=1e-13, nan_ok=True)
    gathered = np.array([summary.to_array() for summary in summaries]).reshape(-1, 4)
    assert WeightSummary.from_array(gathered) == merged


@given(logs)
def test_the_empty_summary_changes_nothing(lw: list[float]) -> None:
    summary = WeightSummary.of(lw)
    assert summary + WeightSummary() == summary
    assert WeightSummary() + summary == summary
    assert WeightSummary.from_array(summary.to_array()) == summary


def test_merging_rescales_squares() -> None:
    merged = WeightSummary.of(weights=[1.0, 2.0]) + WeightSummary.of(weights=[8.0, 4.0, 4.0])
    assert math.exp(merged.log_max) == pytest.approx(8.0, rel=1e-15)
    assert (merged.sum_w * 8, merged.sum_w2 * 64) == pytest.approx((19.0, 101.0), rel=1e-15)


def test_summary_numbers() -> None:
    summary = WeightSummary.of(weights=[1.0, 2.0, 0.0, 5.0])
    assert summary.n == 4
    assert summary.ess == pytest.approx(64 / 30, rel=1e-14)
    assert summary.ess_fraction == pytest.approx(16 / 30, rel=1e-14)
    assert math.exp(summary.log_sum) == pytest.approx(8.0, rel=1e-14)
    assert math.exp(summary.log_mean) == pytest.approx(2.0, rel=1e-14)
    assert summary.max_share == pytest.approx(5 / 8, rel=1e-14)
    same(summary, WeightSummary.of(np.log([[1.0, 2.0], [1e-300, 5.0]])), rel=1e-12)


def test_summary_of_nothing_is_undefined() -> None:
    for summary in (WeightSummary(), WeightSummary.of([]), WeightSummary.of([-INF, -INF])):
        assert math.isnan(summary.ess)
        assert math.isnan(summary.ess_fraction)
        assert math.isnan(summary.max_share)
        assert summary.log_sum == -INF
    assert math.isnan(WeightSummary().log_mean)
    assert WeightSummary.of(weights=[0.0, 0.0]) == WeightSummary(2)
    with pytest.raises(TypeError, match="unsupported operand"):
        WeightSummary() + 1.0
    with pytest.raises(ArgumentError, match=r"\(4,\) or \(k, 4\)"):
        WeightSummary.from_array([1.0, 2.0])


# --- torch --------------------------------------------------------------------------------------------------


def test_tensors_in_tensors_out() -> None:
    torch = pytest.importorskip("torch")
    lw = np.random.default_rng(5).normal(size=(3, 7)) * 4 + 1500
    lw[0, :5] = -INF
    tensor = torch.tensor(lw)
    result = ess(tensor)
    assert isinstance(result, torch.Tensor)
    assert result.shape == (3,)
    assert result.dtype == torch.float64
    np.testing.assert_allclose(result.numpy(), ess(lw), rtol=1e-13)
    np.testing.assert_allclose(ess(tensor.T, axis=0).numpy(), ess(lw), rtol=1e-13)
    np.testing.assert_allclose(normalise(tensor).numpy(), normalise(lw), rtol=1e-13)
    np.testing.assert_allclose(ess(weights=torch.tensor([3.0, 1.0, 0.0])).item(), 1.6, rtol=1e-6)
    scalar = ess(tensor[1])
    assert isinstance(scalar, torch.Tensor)
    assert scalar.ndim == 0
    assert torch.isnan(ess(torch.full((2, 5), -INF))).all()
    assert torch.isnan(ess(torch.zeros((2, 0)))).tolist() == [True, True]
    same(WeightSummary.of(tensor), WeightSummary.of(lw))
    assert hill(tensor[1], k=2) == hill(lw[1], k=2)


def test_half_precision_is_computed_in_single() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float16, torch.int64):
        result = ess(torch.zeros(5003, dtype=dtype))
        assert result.dtype == torch.float32
        assert result.item() == 5003.0


def test_tensors_are_checked_and_differentiable() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ArgumentError, match=r"got nan. Found 1, the first at position \(1, 2\)"):
        ess(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, math.nan]]))
    with pytest.raises(ArgumentError, match=r"finite and 0 or more, got -2\.0"):
        ess(weights=torch.tensor([1.0, -2.0]))
    lw = torch.tensor([0.0, 1.0, -0.5, -INF], dtype=torch.float64, requires_grad=True)
    ess(lw).backward()
    step = 1e-6
    for i in range(3):
        up, down = lw.detach().clone(), lw.detach().clone()
        up[i] += step
        down[i] -= step
        slope = float(ess(up) - ess(down)) / (2 * step)
        assert lw.grad[i].item() == pytest.approx(slope, rel=1e-6)
    assert lw.grad[3].item() == 0.0


def test_numpy_use_never_imports_torch() -> None:
    code = "import sys; from neff.stats.weights import ess; ess([0.0, 1.0]); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("n", [31, 503, 4001])
def test_pareto_k_is_the_same_with_and_without_the_loop(monkeypatch, n):
    log_w = np.random.default_rng(n).standard_t(3, n)
    at_once = pareto_k(log_w)
    monkeypatch.setattr("neff.stats.tail._AT_ONCE", 0)
    one_by_one = pareto_k(log_w)
    assert one_by_one.k == at_once.k
    assert one_by_one.value == pytest.approx(at_once.value, rel=1e-12)
