"""Grids: golden numbers, a published table again, exact designs, statsmodels as the oracle, p-values, coverage."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.factorial import factorial
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import adjust, mcnemar

# factorial-evaluation, section 6: models A, B, C x prompts x tasks x 2 repeats.
SCORES = [
    0.50, 0.52, 0.61, 0.60, 0.70, 0.71, 0.40, 0.43, 0.55, 0.56, 0.50, 0.49,
    0.62, 0.64, 0.66, 0.65, 0.45, 0.44, 0.72, 0.70, 0.58, 0.60, 0.47, 0.46,
]  # fmt: skip
GRID = {
    "model": np.repeat(list("ABC"), 8),
    "prompt": np.tile(np.repeat(["p1", "p2"], 4), 3),
    "task": np.tile(np.repeat(["t1", "t2"], 2), 6),
}
GOLDEN = {  # sum of squares, eta2, omega2
    "model": (0.004375, 0.019725, 0.0185116),
    "prompt": (0.00326667, 0.014728, 0.0141184),
    "task": (0.00135, 0.00608656, 0.00548213),
    "model:prompt": (0.0293583, 0.132364, 0.131083),
    "model:task": (0.028075, 0.126578, 0.1253),
    "prompt:task": (0.07935, 0.357755, 0.356939),
    "model:prompt:task": (0.074425, 0.33555, 0.334147),
}


def test_golden_three_way_table():
    found = factorial(SCORES, GRID)
    for name, numbers in GOLDEN.items():
        term = found[name]
        assert (term.sum_of_squares, term.eta2, term.omega2) == pytest.approx(numbers, rel=1e-5)
    assert (found.residual, found.residual_df) == (pytest.approx(0.0016), 12)
    assert (found.main, found.interactions) == pytest.approx((0.040540, 0.952247), abs=5e-7)
    assert found["model"].f == pytest.approx(16.4062, abs=1e-4)
    assert found["model"].p_rows == pytest.approx(3.687e-4, abs=5e-8)
    assert found["model:prompt:task"].f == pytest.approx(279.094, abs=5e-4)
    assert (found.balanced, found.by_item, found.n, found.n_cells) == (True, False, 24, 12)
    assert math.isnan(found["model"].p_items)
    with pytest.raises(KeyError):
        found["seed"]


# factorial-evaluation, section 4: share of successes of file and prompt, by model, and its tier (arXiv:2602.05447).
PUBLISHED = {
    "gpt-5.2": (0.838, 0.820, "closed"), "gemini-2.5-pro": (0.851, 0.814, "closed"),
    "haiku-4.5": (0.761, 0.745, "closed"), "gpt-5-mini": (0.771, 0.694, "closed"),
    "gemini-flash": (0.770, 0.780, "closed"), "DeepSeek-V3.2": (0.753, 0.786, "open"),
    "kimi-k2": (0.750, 0.747, "open"), "llama-4-maverick": (0.609, 0.748, "open"),
    "llama-4-scout": (0.631, 0.626, "open"), "qwen3-32b": (0.489, 0.709, "open"),
}  # fmt: skip


def published(**options):
    rows = [
        (score, model, way, tier)
        for model, (a, b, tier) in PUBLISHED.items()
        for way, score in (("file", a), ("prompt", b))
    ]
    score, model, way, tier = zip(*rows, strict=True)
    factors = {"model": model, "architecture": way, "tier": tier}
    return factorial(score, factors, unit="model", group="tier", **options)


def test_published_table_with_models_as_units():
    """Section 5: the published p-values (.029 and < .001) take runs on the same queries as independent."""
    found = published(margin=0.05)
    shares = [found[name].eta2 for name in ("model", "architecture", "model:architecture")]
    assert shares == pytest.approx([0.740, 0.0205, 0.2395], abs=5e-4)
    assert sum(shares) == pytest.approx(1)
    tests = {test.group: test for test in found.units}
    t = {who: test.difference / test.standard_error for who, test in tests.items()}
    assert (tests["closed"].difference, tests["open"].difference) == pytest.approx((0.0276, -0.0768), abs=1e-9)
    assert (t["closed"], t["open"], t["all"]) == pytest.approx((1.91, -1.73, -0.88), abs=5e-3)
    p = [tests[who].p_value for who in ("closed", "open", "all")]
    assert p == pytest.approx([0.129, 0.158, 0.40], abs=5e-3)
    assert [tests[who].df for who in ("closed", "open", "all")] == [4, 4, 9]
    assert [test.p_adjusted for test in found.units] == pytest.approx(adjust([test.p_value for test in found.units]))
    assert tests["all"].p_equivalent > 0.05  # no significant difference is no equivalence either
    assert math.isnan(published().units[0].p_equivalent)
    assert any("one score per cell" in note for note in found.notes)
    assert "closed" in str(found)


def test_equivalence_is_two_one_sided_tests():
    from scipy.stats import ttest_1samp

    found = published(margin=0.1).units[0]
    diff = np.array([a - b for a, b, _ in PUBLISHED.values()])
    above = ttest_1samp(diff, -0.1, alternative="greater").pvalue
    below = ttest_1samp(diff, 0.1, alternative="less").pvalue
    assert found.p_equivalent == pytest.approx(max(above, below))
    assert ((diff > 0).sum(), (diff < 0).sum()) == (6, 4)
    assert found.p_sign == pytest.approx(2 * (1 + 10 + 45 + 120 + 210) / 2**10)


def test_holm_and_benjamini_hochberg_of_the_sheet():
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    assert adjust(p, method="holm") == pytest.approx([0.01, 0.072, *[0.312] * 5, *[0.615] * 3], abs=1e-12)
    expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105714, *[0.216] * 3]
    assert adjust(p, method="benjamini-hochberg") == pytest.approx(expected, abs=5e-7)
    assert int((adjust(p, method="benjamini-yekutieli") <= 0.05).sum()) == 1
    assert int((adjust(p, method="bonferroni") <= 0.05).sum()) == 1


def test_mcnemar_of_the_sheet():
    assert mcnemar(15, 5, method="exact") == pytest.approx(0.0413894653, abs=1e-10)
    assert mcnemar(15, 5, method="asymptotic") == pytest.approx(0.0253473187, abs=1e-10)


@pytest.mark.parametrize("repeats", [1, 3])
def test_additive_and_exclusive_or(repeats):
    a, b = np.repeat(np.arange(5), 7), np.tile(np.arange(7), 5)
    rows = {"a": np.tile(a, repeats), "b": np.tile(b, repeats)}
    additive = factorial(np.tile(0.1 * a + np.sqrt(b), repeats), rows)
    assert (additive.main, additive["a:b"].eta2) == pytest.approx((1, 0), abs=1e-12)
    xor = factorial([0, 1, 1, 0] * repeats, {"a": [0, 0, 1, 1] * repeats, "b": [0, 1, 0, 1] * repeats})
    assert (xor.main, xor.interactions) == pytest.approx((0, 1), abs=1e-12)
    assert xor.reversals == {"a by b": 1.0, "b by a": 1.0}
    assert set(additive.reversals.values()) == {0.0}


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([2, 3, 5]), min_size=2, max_size=4),
    st.floats(-1e3, 1e3),
    st.floats(0.01, 100),
)
def test_shares_add_to_one_and_know_no_scale(seed, shape, shift, scale):
    y = np.random.default_rng(seed).normal(size=shape)
    codes = np.indices(shape).reshape(len(shape), -1)
    rows = {f"f{i}": code for i, code in enumerate(codes)}
    found = factorial(y.ravel(), rows)
    assert sum(t.eta2 for t in found.terms) == pytest.approx(1, abs=1e-9)
    moved = factorial(shift + scale * y.ravel(), rows)
    assert [t.eta2 for t in moved.terms] == pytest.approx([t.eta2 for t in found.terms], abs=1e-6)
    order = np.random.default_rng(1).permutation(y.size)
    again = factorial(y.ravel()[order], {name: code[order] for name, code in rows.items()})
    assert [t.eta2 for t in again.terms] == pytest.approx([t.eta2 for t in found.terms], abs=1e-12)


def unbalanced(seed=0, empty=False):
    rng = np.random.default_rng(seed)
    a, b, c = rng.integers(3, size=211), rng.integers(2, size=211), rng.integers(5, size=211)
    if empty:
        keep = ~((a == 1) & (c == 3))
        a, b, c = a[keep], b[keep], c[keep]
    y = 0.3 * a * b + 0.1 * c + rng.normal(size=len(a))
    return y, {"a": a, "b": b, "c": c}


@pytest.mark.parametrize("order", [2, 3])
def test_type_two_is_statsmodels(order):
    pandas, formula = pytest.importorskip("pandas"), pytest.importorskip("statsmodels.formula.api")
    from statsmodels.stats.anova import anova_lm

    y, rows = unbalanced()
    found = factorial(y, rows, order=order)
    assert not found.balanced
    assert any("type II" in note for note in found.notes)
    wanted = "(C(a, Sum) + C(b, Sum) + C(c, Sum))**" + str(order)
    table = anova_lm(formula.ols(f"y ~ {wanted}", pandas.DataFrame(rows | {"y": y})).fit(), typ=2)
    for term in found.terms:
        row = table.loc[":".join(f"C({name}, Sum)" for name in term.name.split(":"))]
        assert (term.sum_of_squares, term.df) == pytest.approx((row["sum_sq"], row["df"]), rel=1e-8)
        assert (term.f, term.p_rows) == pytest.approx((row["F"], row["PR(>F)"]), rel=1e-7)
    assert (found.residual, found.residual_df) == pytest.approx(tuple(table.loc["Residual", ["sum_sq", "df"]]))


def test_empty_cells_are_counted_and_lose_degrees_of_freedom():
    y, rows = unbalanced(empty=True)
    found = factorial(y, rows)
    assert (found.n_empty, found["a:c"].df) == (2, 7)
    assert "2 of 30 cells are empty" in found.notes
    assert math.isnan(found["a"].eta2_logit)


def test_confounded_factors_are_named():
    """Every model under one architecture of its own: nothing can tell them apart."""
    model = np.repeat(["a", "b", "c"], 4)
    found = factorial(np.arange(12.0) % 5, {"model": model, "way": np.char.upper(model), "task": np.tile([0, 1], 6)})
    assert found["way"].df == 0
    assert math.isnan(found["way"].eta2)
    assert "way cannot be told from other terms in these cells" in found.notes


def crossed(rng, n, truth, lean=0.2):
    """0/1 answers of n items to every condition; items differ in difficulty."""
    easy = rng.uniform(-lean, lean, (n, *[1] * truth.ndim))
    return (rng.random((n, *truth.shape)) < truth + easy).astype(float)


def rows_of(y, names):
    codes = np.indices(y.shape).reshape(y.ndim, -1)
    return y.ravel(), dict(zip(names, codes[1:], strict=True)), codes[0]


def test_items_as_units_are_repeated_measures():
    """omega2 / eta2 = 1 - 1 / F of the repeated-measures F, up to the total's own noise: an independent oracle."""
    pandas = pytest.importorskip("pandas")
    from statsmodels.stats.anova import AnovaRM

    truth = 0.5 + np.array([-0.15, 0, 0.15])[:, None] + np.array([[0.1, -0.1], [-0.1, 0.1], [0, 0]])
    y, factors, item = rows_of(crossed(np.random.default_rng(2), 53, truth), ["model", "prompt"])
    found = factorial(y, factors, item=item, n_resamples=50, rng=0)
    frame = pandas.DataFrame(factors | {"y": y, "item": item})
    table = AnovaRM(frame, "y", "item", within=["model", "prompt"]).fit().anova_table
    noise = {}
    for term in found.terms:
        f, df, rest = table.loc[term.name, ["F Value", "Num DF", "Den DF"]]
        noise[term.name] = term.sum_of_squares / f
        assert term.partial_eta2 == pytest.approx(f * df / (f * df + rest))
    total = sum(t.sum_of_squares for t in found.terms) - sum(noise.values())
    for term in found.terms:
        assert term.omega2 == pytest.approx((term.sum_of_squares - noise[term.name]) / total)
    assert sum(t.eta2 for t in found.terms) == pytest.approx(1)
    assert sum(t.omega2 for t in found.terms) == pytest.approx(1)
    assert (found.by_item, found.n_items) == (True, 53)


def test_repeats_and_unequal_repeats_of_an_item_do_not_change_its_weight():
    y, factors, item = rows_of(crossed(np.random.default_rng(3), 11, np.full((2, 3), 0.5)), ["a", "b"])
    once = factorial(y, factors, item=item, n_resamples=19, rng=0)
    twice = np.concatenate([np.arange(len(y)), np.flatnonzero(item == 4)])
    again = factorial(y[twice], {k: v[twice] for k, v in factors.items()}, item=item[twice], n_resamples=19, rng=0)
    assert [t.eta2 for t in again.terms] == pytest.approx([t.eta2 for t in once.terms])
    assert [t.p_items for t in again.terms] == [t.p_items for t in once.terms]


def test_incomplete_items_are_left_out_and_counted():
    y, factors, item = rows_of(crossed(np.random.default_rng(3), 11, np.full((2, 3), 0.5)), ["a", "b"])
    y[7] = math.nan
    found = factorial(y, factors, item=item, n_resamples=19, rng=0)
    assert {"1 unscored rows left out", "1 items lack a condition and are left out"} <= set(found.notes)
    kept = item != 1
    assert item[7] == 1
    whole = factorial(y[kept], {k: v[kept] for k, v in factors.items()}, item=item[kept], n_resamples=19, rng=0)
    assert [t.eta2 for t in found.terms] == pytest.approx([t.eta2 for t in whole.terms])


def test_permutation_by_hand():
    """Two conditions of two factors and few items: every flip of signs, counted exactly."""
    rng = np.random.default_rng(5)
    y, factors, item = rows_of(rng.normal(size=(7, 2, 2)), ["a", "b"])
    found = factorial(y, factors, item=item, n_resamples=4000, rng=0)
    cube = y.reshape(7, 2, 2)
    effects = {
        "a": (cube[:, 0] - cube[:, 1]).sum(axis=1),
        "b": (cube[:, :, 0] - cube[:, :, 1]).sum(axis=1),
        "a:b": cube[:, 0, 0] - cube[:, 0, 1] - cube[:, 1, 0] + cube[:, 1, 1],
    }
    signs = 1 - 2 * (np.arange(2**7)[:, None] >> np.arange(7) & 1)
    for name, each in effects.items():
        exact = float((np.abs(signs @ each) >= abs(each.sum()) - 1e-12).mean())
        # 4,000 random flips: four standard errors
        assert found[name].p_items == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000) + 1e-3)


@pytest.mark.slow
def test_permutation_p_is_uniform_without_an_effect():
    """A true main effect of a, nothing else: p of b and a:b is uniform, within 4 binomial standard errors."""
    from neff.benchmark.factorial.by_item import item_design, item_p_value

    truth = np.array([-0.3, 0, 0.2])[:, None]
    p = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scores = truth + rng.normal(size=(31, 1, 1)) + rng.normal(size=(31, 3, 2))
        y, factors, item = rows_of(scores, ["a", "b"])
        design = item_design(y, np.stack(list(factors.values())), (3, 2), item)
        p.append([item_p_value(design, term, 99, rng) for term in ((0,), (1,), (0, 1))])
    found = np.array(p)
    for cut in (0.05, 0.2, 0.5):
        share = (found[:, 1:] <= cut).mean(axis=0)
        assert share == pytest.approx(cut, abs=4 * math.sqrt(cut * (1 - cut) / 400))
    assert (found[:, 0] <= 0.05).mean() > 0.4


@pytest.mark.slow
def test_permutation_p_of_a_category_is_uniform_without_an_effect():
    from neff.benchmark.factorial.by_item import item_design, item_p_value

    category, p = np.repeat(np.arange(3), [7, 23, 11]), []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        y, factors, item = rows_of(crossed(rng, 41, np.array([0.4, 0.6])), ["model"])
        design = item_design(y, np.stack([factors["model"], category[item]]), (2, 3), item)
        assert (design.crossed, design.nested) == ((0,), (1,))
        p.append([item_p_value(design, term, 99, rng) for term in ((1,), (0, 1))])
    for cut in (0.05, 0.2, 0.5):
        share = (np.array(p) <= cut).mean(axis=0)
        assert share == pytest.approx(cut, abs=4 * math.sqrt(cut * (1 - cut) / 400))


@pytest.mark.slow
@pytest.mark.parametrize("interaction", [0.0, 0.03, 0.1])
def test_coverage_of_shares(interaction):
    """200 items; 90% intervals. At a share of 0 the interval starts at 0 and must cover at least as often."""
    from neff.benchmark.factorial.by_item import item_design, item_intervals
    from neff.benchmark.factorial.decompose import balanced_squares, terms_of

    truth = 0.5 + np.array([-0.1, 0, 0.1])[:, None] + np.array([-0.05, 0.05])
    truth = truth + interaction * np.array([[1, -1], [-1, 1], [0, 0]])
    terms = terms_of(2)
    shares = balanced_squares(truth, terms)
    shares = shares / shares.sum()
    covered = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        y, factors, item = rows_of(crossed(rng, 200, truth), ["a", "b"])
        design = item_design(y, np.stack(list(factors.values())), (3, 2), item)
        low, high = item_intervals(design, terms, 0.9, 300, rng)
        covered.append((low <= shares + 1e-12) & (shares <= high + 1e-12))
    rates = np.mean(covered, axis=0)
    room = 4 * math.sqrt(0.09 / 300)
    assert (rates >= 0.9 - room).all()
    assert (rates[:2] <= 0.9 + room).all()


def test_rows_as_units_are_too_sure_and_items_are_not():
    """No prompt effect on average, but each item prefers a prompt: rows see an effect far too often."""
    rows = items = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        liking = rng.normal(size=(13, 1, 2))  # alike for all models
        y, factors, item = rows_of(liking + 0.1 * rng.normal(size=(13, 5, 2)), ["model", "prompt"])
        found = factorial(y, factors, item=item, n_resamples=99, rng=seed, order=1)
        rows += found["prompt"].p_rows <= 0.05
        items += found["prompt"].p_items <= 0.05
    assert rows > 20
    assert items <= 9  # 60 * .05 = 3, and four standard errors


def test_mmlu_pro(neff_data):
    """29 models x 14 categories. Section 5 has .588, .349, .0625 (answers that gave no letter left out)."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(neff_data / "mmlu_pro_predictions.parquet").to_pydict()
    gold, category = table["gold"], np.array(table["cat"])
    models = [name for name in table if name not in ("question_id", "gold", "cat", "nopt")]
    right = np.array(
        [[math.nan if a is None else float(a == g) for a, g in zip(table[m], gold, strict=True)] for m in models]
    )
    kinds = sorted(set(category))
    means = [np.nanmean(right[:, category == kind], axis=1) for kind in kinds]
    found = factorial(np.concatenate(means), {"model": models * len(kinds), "category": np.repeat(kinds, len(models))})
    shares = [found[name].eta2 for name in ("model", "category", "model:category")]
    # the sheet's cell means treat missing letters in some other way
    assert shares == pytest.approx([0.588, 0.349, 0.0625], abs=1.5e-3)
    some = np.flatnonzero(np.arange(len(gold)) % 12 == 0)
    n = len(some)
    rows = {"model": np.repeat(models, n), "category": np.tile(category[some], len(models))}
    scores = np.nan_to_num(right[:, some]).ravel()
    by_item = factorial(scores, rows, item=np.tile(some, len(models)), n_resamples=39, rng=0)
    assert by_item.by_item
    # few items: sampling adds to the interaction, and omega2 takes it off
    assert by_item["model:category"].eta2 > 0.1
    assert by_item["model:category"].omega2 == pytest.approx(0.070, abs=0.03)  # of all items: .0701
    assert by_item["model"].p_items == 1 / 40


def test_log_odds_near_the_ceiling():
    """Effects that add in log odds: all of the interaction is a matter of the scale."""
    odds = np.array([0.0, 2.0, 4.0])[:, None] + np.array([-1.0, 1.0])
    score = 1 / (1 + np.exp(-odds))
    codes = np.indices(score.shape).reshape(2, -1)
    found = factorial(score.ravel(), {"model": codes[0], "prompt": codes[1]})
    assert found["model:prompt"].eta2 > 0.1
    assert found["model:prompt"].eta2_logit == pytest.approx(0, abs=1e-12)
    assert any("near 0 or 1" in note for note in found.notes)
    assert math.isnan(factorial(score.ravel() * 3, {"model": codes[0], "prompt": codes[1]})["model"].eta2_logit)


def test_unit_tests_pair_within_the_other_factors():
    """Prompt x was also asked on an easy task that y was not: only shared cells may count."""
    rows = [(m, t, p) for m in "abc" for t in ("easy", "hard") for p in "xy" if not (t == "easy" and p == "y")]
    score = [{"easy": 0.9, "hard": 0.2}[t] + 0.01 * (p == "y") + 0.1 * (m == "b") for m, t, p in rows]
    model, task, prompt = zip(*rows, strict=True)
    found = factorial(score, {"model": model, "task": task, "prompt": prompt}, unit="model")
    test = next(u for u in found.units if u.factor == "prompt")
    assert test.difference == pytest.approx(-0.01)
    assert test.n_units == 3


def test_no_variation_has_a_reason():
    found = factorial([0.1] * 12, {"a": [0, 1] * 6, "b": [0, 0, 1, 1, 2, 2] * 2})
    assert found.reason is Reason.ALL_EQUAL
    assert math.isnan(found["a"].eta2)
    assert math.isnan(found.main)
    json.dumps(found.to_dict(), allow_nan=False)


def test_same_seed_same_numbers_and_plain_json():
    y, factors, item = rows_of(crossed(np.random.default_rng(3), 11, np.full((2, 3), 0.5)), ["a", "b"])
    first, second = (factorial(y, factors, item=item, n_resamples=19, rng=7).to_dict() for _ in range(2))
    assert first == second
    assert first["schema"] == "neff.factorial/1"
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_one_level_many_levels_and_whole_numbers_as_levels():
    a, b = np.repeat(np.arange(7), 5), np.tile(np.arange(5), 7)
    found = factorial(a * 1.0 + b % 2, {"size": a, "prompt": b, "task": ["t"] * 35}, unit="size")
    assert {"task has one level and is left out", "prompt has more than 4 levels: no tests over size"} <= set(
        found.notes
    )
    assert found.factors == ("size", "prompt")
    assert found.units == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"factors": {"a": [0, 1, 0, 1]}}, "factors"),
        ({"factors": {"a": [0, 1, 0, 1], "b": [0, 0, 0, 0]}}, "factors"),
        ({"factors": {"a": [0, 1, 0], "b": [0, 0, 1, 1]}}, "a"),
        ({"factors": {"a": [0, 1, 0, None], "b": [0, 0, 1, 1]}}, "a"),
        ({"unit": "seed"}, "unit"),
        ({"group": "a"}, "unit"),
        ({"unit": "a", "group": "seed"}, "group"),
        ({"unit": "a", "group": "b"}, "factors"),
        ({"item": [1, 2, 3]}, "item"),
        ({"correction": "fisher"}, "correction"),
        ({"order": 0}, "order"),
        ({"margin": -0.1}, "margin"),
        ({"level": 95}, "level"),
        ({"n_resamples": 0}, "n_resamples"),
        ({"score": [1, 2, math.inf, 4]}, "score"),
        ({"score": []}, "a"),
    ],
)
def test_bad_input_is_named(change, named):
    options = {"score": [1.0, 2.0, 3.0, 5.0], "factors": {"a": [0, 1, 0, 1], "b": [0, 0, 1, 1]}} | change
    with pytest.raises(ArgumentError, match=f"factorial: {named} must"):
        factorial(options.pop("score"), options.pop("factors"), **options)


def test_a_unit_in_two_groups_is_refused():
    a, b = np.repeat(np.arange(3), 4), np.tile(np.arange(2), 6)
    with pytest.raises(ArgumentError, match="in two"):
        factorial(np.arange(12.0), {"a": a, "b": b, "g": np.tile([0, 0, 1, 1], 3)}, unit="a", group="g")
