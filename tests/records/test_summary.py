"""Per-item sums: exact, mergeable in any order, and equal to what fractions say."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import RecordsError
from neff.records import Factor, ItemSums, Records
from neff.records.drawsets import DrawSets, TooManyDrawsError
from neff.records.exact import centred_squares, exact_products, exact_sums, gather
from neff.records.merging import SharedDrawError, fold, merge

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, -0.0, 0.5, 0.1, 1e16, -1e16, 5e-324, 1e-300]),
    st.floats(-1e6, 1e6),
    st.floats(0, 1),
)

# ------------------------------------------------------------------------------------------------ exact sums


@given(st.lists(st.tuples(st.integers(0, 4), FINITE), max_size=60))
@settings(max_examples=300, deadline=None)
def test_sums_are_those_of_fsum(terms: list[tuple[int, float]]) -> None:
    cell, x = np.array([c for c, _ in terms], np.int64), np.array([v for _, v in terms], np.float64)
    for c, found in enumerate(exact_sums(cell, x, 5).floats()):
        try:
            expected = math.fsum(x[cell == c])
        except OverflowError:  # fsum gives up where a partial sum overflows; an exact sum need not
            expected = _rounded(sum(map(Fraction, x[cell == c].tolist()), Fraction()))
        assert found == expected


def _rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


@given(st.lists(st.tuples(st.integers(0, 2), SCORES), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_deviations_are_those_of_fractions(terms: list[tuple[int, float]]) -> None:
    cell, x = np.array([c for c, _ in terms], np.int64), np.array([v for _, v in terms])
    n = np.bincount(cell, minlength=3)
    found = centred_squares(n, exact_sums(cell, x, 3), exact_products(cell, x, x, 3))
    for c in range(3):
        values = [Fraction(v) for v in x[cell == c].tolist()]
        exact = len(values) * sum((v * v for v in values), Fraction()) - sum(values, Fraction()) ** 2
        assert found[c] == (float(exact) / len(values) if values else 0)


def test_no_digit_is_lost_far_from_zero() -> None:
    x = 1e8 + np.array([0.0, 1.5e-8, 3e-8])  # one and two units in the last place apart
    cell = np.zeros(3, np.int64)
    total, squares = exact_sums(cell, x, 1), exact_products(cell, x, x, 1)
    unit = math.ulp(1e8)
    assert centred_squares(np.array([3]), total, squares).tolist() == [2 * unit**2]


@pytest.mark.parametrize("scale", [1.0, 2.0**-1074, 2.0**-600, 2.0**400])
def test_products_of_two_factors(scale: float) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(-9, 9, 31) * scale, rng.normal(size=31)
    cell = rng.integers(0, 3, 31)
    found = exact_products(cell, x, y, 3).floats()
    for c in range(3):
        pairs = zip(x[cell == c].tolist(), y[cell == c].tolist(), strict=True)
        assert found[c] == pytest.approx(float(sum(Fraction(a) * Fraction(b) for a, b in pairs)), rel=1e-15)


def test_many_terms_of_one_sign() -> None:
    n = 200_003
    x = np.full(n, np.nextafter(1.0, 0.0))
    found = exact_sums(np.zeros(n, np.int64), x, 1)
    assert found.floats().tolist() == [float(Fraction(float(x[0])) * n)]
    twice = gather([found, found], [np.array([0])] * 2, 1)
    assert twice.floats().tolist() == [float(Fraction(float(x[0])) * 2 * n)]


# ---------------------------------------------------------------------------------------------- sums of records


def bits(sums: ItemSums) -> list[Any]:
    """Return all that a room sees of sums, as bytes and names."""
    names = [factor.names() for factor in (sums.metric, sums.task, sums.item, sums.model, *sums.clusters)]
    arrays = [sums.n, sums.n_unscored, sums.fractional]
    for wrong in (False, True):
        arrays += [sums.means(unscored_as_zero=wrong), sums.within(unscored_as_zero=wrong)]
        if sums.weights is not None:
            arrays.append(sums.weight_totals(unscored_as_zero=wrong))
    return [*names, *(array.tobytes() for array in arrays)]


def draws(seed: int, n: int = 211, *, weight: bool = False, cluster: bool = True) -> Records:
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 17, n)
    score = np.choose(rng.integers(0, 4, n), [0.0, 1.0, 0.1, 0.0]) + rng.choice([0.0, 1e-9, 1e3], n) * rng.random(n)
    return Records.build(
        item=item,
        model=[f"m{j}" for j in rng.integers(0, 3, n)],
        task=[f"t{j % 2}" for j in item],
        metric=[f"metric-{j}" for j in rng.integers(0, 2, n)],
        score=np.where(rng.random(n) < 0.15, np.nan, score),
        clusters=[[f"c{j % 5}" for j in item]] if cluster else [],
        weight=rng.choice([0.0, 0.3, 1.0, 7.0], n) if weight else None,
    )


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_no_order_chunking_or_merging_changes_a_bit(seed: int, weight: bool) -> None:
    records = draws(seed, weight=weight)
    expected = bits(ItemSums.of(records))
    rng = np.random.default_rng(seed + 100)
    for _ in range(7):
        order = rng.permutation(len(records))
        cuts = np.sort(rng.choice(np.arange(1, len(records)), 6, replace=False))
        parts = [ItemSums.of(records.take(rows)) for rows in np.split(order, cuts)]
        assert bits(fold(parts)) == expected
        assert bits(merge(parts[::-1])) == expected
        one = parts[0]
        for part in parts[1:]:
            one = part + one
        assert bits(one) == expected


def test_one_draw_per_cell_is_the_same_as_many_merged() -> None:
    records = draws(11, 31)
    _, first = np.unique(records.cell(), return_index=True)
    single = ItemSums.of(records.take(first))
    assert single.squares is None
    rest = ItemSums.of(records.take(np.setdiff1d(np.arange(31), first)))
    assert bits(single + rest) == bits(ItemSums.of(records))
    halves = [ItemSums.of(records.take(first[k::2])) for k in range(2)]
    assert bits(merge(halves)) == bits(single)
    assert merge(halves).squares is None


@pytest.mark.parametrize("weight", [False, True])
def test_the_naive_twin(weight: bool) -> None:
    records = draws(13, weight=weight)
    sums = ItemSums.of(records)
    means, within = sums.means(), sums.within()
    rows: dict[tuple[Any, ...], list[tuple[Fraction, Fraction]]] = {}
    unscored: dict[tuple[Any, ...], int] = {}
    names = zip(*(f.names() for f in (records.metric, records.task, records.item, records.model)), strict=True)
    weights = np.ones(len(records)) if records.weight is None else records.weight
    for key, score, w in zip(names, records.score.tolist(), weights.tolist(), strict=True):
        rows.setdefault(key, [])
        if math.isnan(score):
            unscored[key] = unscored.get(key, 0) + 1
        else:
            rows[key].append((Fraction(score), Fraction(w)))
    cells = list(zip(*(f.names() for f in (sums.metric, sums.task, sums.item, sums.model)), strict=True))
    assert cells == sorted(rows)
    for i, key in enumerate(cells):
        terms = rows[key]
        assert (sums.n[i], sums.n_unscored[i]) == (len(terms), unscored.get(key, 0))
        total = sum(w for _, w in terms)
        if not total:
            assert math.isnan(means[i])
            continue
        mean = sum(s * w for s, w in terms) / total
        assert means[i] == pytest.approx(float(mean), rel=1e-15)
        assert within[i] == pytest.approx(float(sum((s - mean) ** 2 for s, _ in terms)), rel=1e-12, abs=1e-24)
        assert sums.fractional[i] == any(s not in (0, 1) for s, _ in terms)


def test_unscored_draws_can_count_as_zero() -> None:
    score = [0.5, math.nan, math.nan, 0.25, 0.75]
    sums = ItemSums.of(Records.build(item=["q", "q", "r", "s", "s"], model=["a"] * 5, score=score))
    np.testing.assert_array_equal(sums.means(), [0.5, math.nan, 0.5])
    assert sums.means(unscored_as_zero=True).tolist() == [0.25, 0.0, 0.5]
    assert sums.within(unscored_as_zero=True).tolist() == [0.125, 0.0, 0.125]
    single = ItemSums.of(Records.build(item=["q", "q"], model=["a"] * 2, score=[0.5, math.nan]))
    assert single.squares is None
    assert single.within(unscored_as_zero=True).tolist() == [0.125]


def test_a_part_without_weights_weighs_one() -> None:
    plain, weighted = draws(1, cluster=False), draws(2, weight=True, cluster=False)
    together = Records.concat([plain, weighted], renumber=True)
    assert bits(ItemSums.of(plain) + ItemSums.of(weighted)) == bits(ItemSums.of(together))


def test_minus_zero_is_zero_wherever_it_is_added() -> None:
    one = ItemSums.of(Records.build(item=["q"], model=["a"], score=[-0.0]))
    assert math.copysign(1.0, one.means()[0]) == 1.0


def test_clusters_must_be_given_for_all() -> None:
    with pytest.raises(RecordsError, match="some inputs have a cluster column"):
        ItemSums.of(draws(1)) + ItemSums.of(draws(2, cluster=False))


def test_nothing_to_fold() -> None:
    with pytest.raises(RecordsError, match="no rows"):
        fold([])


def test_two_processes_give_the_same_bits() -> None:
    parts = [draws(seed) for seed in range(4)]
    expected = bits(ItemSums.of(Records.concat(parts, renumber=True)))
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert bits(fold(pool.map(ItemSums.of, parts))) == expected
    assert bits(pickle.loads(pickle.dumps(ItemSums.of(parts[0])))) == bits(ItemSums.of(parts[0]))


# --------------------------------------------------------------------------------------------------- draw sets


def seen(pairs: list[tuple[str, str]]) -> ItemSums:
    items, names = zip(*pairs, strict=True)
    records = Records.build(item=items, model=["a"] * len(items), score=[1.0] * len(items), whole=False)
    return ItemSums.of(records, Factor.of(names))


def test_a_draw_that_comes_twice_is_found() -> None:
    with pytest.raises(RecordsError, match="item 'q' of model 'a' has a draw twice"):
        seen([("q", "1"), ("r", "1"), ("q", "1")])
    first = seen([("q", "1"), ("r", "2"), ("q", "3")])
    assert merge([first, seen([("q", "2"), ("r", "1")])]).n.tolist() == [3, 2]
    with pytest.raises(SharedDrawError, match="item 'r'"):
        merge([first, seen([("q", "2"), ("r", "2")])])


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 200).map(str)), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_draws_of_any_names_and_chunks(pairs: list[tuple[str, str]]) -> None:
    repeated = len(set(pairs)) < len(pairs)
    half = len(pairs) // 2
    try:
        whole = merge([seen(part) for part in (pairs[:half], pairs[half:]) if part])
    except RecordsError:
        assert repeated
        return
    assert not repeated
    assert whole.seen is not None
    held = {
        (item, level)
        for k, item in enumerate(whole.item.names())
        for j, level in enumerate(whole.seen.levels)
        if int(whole.seen.words[j // 64, k]) >> (j % 64) & 1
    }
    assert held == set(pairs)


def test_counted_draws() -> None:
    sets = DrawSets.counted(np.array([0, 3, 70]))
    assert [sum(int(word).bit_count() for word in column) for column in sets.words.T] == [0, 3, 70]
    assert sets.levels[:3] == ("0", "1", "2")


def test_too_many_draws_to_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neff.records.drawsets._MOST", 64)
    with pytest.raises(TooManyDrawsError, match="without --draw"):
        seen([("q", str(j)) for j in range(1000)])
