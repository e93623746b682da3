"""Content and place apart: golden numbers, exact responders, what the released code does; letters of real models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.survey import (
    adjusted_answers,
    compare_populations,
    entropy_share,
    kl_divergence,
    letter_bias,
    option_orders,
    uniform_tail,
)
from neff.errors import ArgumentError
from neff.reasons import Reason


def released(p, orders):
    """The published post-processing: the inverse permutation is missing."""
    return np.mean([row[order] for row, order in zip(p, orders, strict=True)], axis=0)


@pytest.mark.parametrize(
    ("likes", "wrong"),
    [
        ([0.7, 0.3], [0.7, 0.3]),
        ([0.7, 0.15, 0.15], [0.5167, 0.2417, 0.2417]),
        ([0.7, 0.1, 0.1, 0.1], [0.4, 0.2, 0.2, 0.2]),
        ([0.7, 0.075, 0.075, 0.075, 0.075], [0.325, 0.16875, 0.16875, 0.16875, 0.16875]),
        ([1.0, 0.0, 0.0], [0.6667, 0.1667, 0.1667]),
        ([1.0, 0, 0, 0, 0], [0.4, 0.15, 0.15, 0.15, 0.15]),
    ],
)
def test_content_alone_is_recovered_and_the_released_code_does_not(likes, wrong):
    orders = option_orders(len(likes), design="full")
    p = np.array(likes)[orders]
    found = adjusted_answers(p, orders)
    assert found.adjusted == pytest.approx(likes, abs=1e-12)
    assert found.places == pytest.approx(np.full(len(likes), 1 / len(likes)), abs=1e-12)
    assert found.a_bias == pytest.approx(0, abs=1e-12)
    assert released(p, orders) == pytest.approx(wrong, abs=6e-5)


@pytest.mark.parametrize("design", ["full", "cyclic"])
def test_place_alone_is_uniform_content(design):
    orders = option_orders(3, design=design)
    p = np.tile([0.7, 0.15, 0.15], (len(orders), 1))
    found = adjusted_answers(p, orders)
    assert found.places == pytest.approx([0.7, 0.15, 0.15], abs=1e-12)
    assert found.adjusted == pytest.approx([1 / 3] * 3, abs=1e-12)
    assert found.a_bias == pytest.approx(0.7 - 1 / 3, abs=1e-12)
    assert (found.balanced, found.entropy) == (True, pytest.approx(1))
    assert np.isnan(found.standard_error).all()


def both(content, place, orders):
    """A responder whose preferences for content and place add up in log odds."""
    logits = np.array(content)[orders] + np.array(place)[None, :]
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True)


def test_two_options_place_and_content():
    """The naive answer is off by the preference for the place, the adjusted one is symmetric in it."""
    orders = option_orders(2)
    one, two = (adjusted_answers(both([0.5, 0.0], [x, 0.0], orders), orders) for x in (0.8, -0.8))
    assert one.adjusted == pytest.approx(two.adjusted, abs=1e-12)
    assert math.log(one.naive[0] / one.naive[1]) == pytest.approx(1.3, abs=1e-12)


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.floats(0, 0.2))
def test_shifts_are_nearly_as_good_as_all_orders(content, size):
    place = size * np.array([1.0, 0.2, -0.4, -0.8])
    full, cyclic = (
        adjusted_answers(both(content, place, o), o).adjusted
        for o in (option_orders(4, design="full"), option_orders(4, design="cyclic"))
    )
    assert cyclic == pytest.approx(full, abs=0.02)  # terms of second order in the preference for the place


@given(st.permutations(range(5)), st.integers(0, 10_000))
def test_renaming_options_renames_the_answer(names, seed):
    rng = np.random.default_rng(seed)
    orders = option_orders(5, design="random", n_random=7, rng=seed)
    p = rng.random(orders.shape)
    plain, named = adjusted_answers(p, orders), adjusted_answers(p, np.array(names)[orders])
    assert named.adjusted[names] == pytest.approx(plain.adjusted, abs=1e-12)
    assert named.places == pytest.approx(plain.places, abs=1e-12)


def test_random_orders_have_a_standard_error_that_holds():
    rng = np.random.default_rng(0)
    full = adjusted_answers(both([1, 0, -1, 0.5], [0.9, 0, 0, -0.5], o := option_orders(4, design="full")), o).adjusted
    hits = []
    for _ in range(200):
        orders = option_orders(4, design="random", n_random=11, rng=rng)
        found = adjusted_answers(both([1, 0, -1, 0.5], [0.9, 0, 0, -0.5], orders), orders)
        hits.append(abs(found.adjusted[0] - full[0]) <= 2.2 * found.standard_error[0])
    # Drawn without repeats from 24 orders, so that the error is a little on the wide side.
    assert np.mean(hits) > 0.93


def test_designs():
    assert option_orders(3, design="full").shape == (6, 3)
    seven = option_orders(7, design="random", n_random=50, rng=1)
    assert len({tuple(row) for row in seven.tolist()}) == 50
    assert seven[0].tolist() == list(range(7))
    assert len(option_orders(3, design="random", n_random=99, rng=0)) == 6
    with pytest.raises(ArgumentError, match="at most 7"):
        option_orders(8, design="full")
    with pytest.raises(ArgumentError, match="n must be"):
        option_orders(1)


def test_label_mass_and_missing_labels():
    orders = option_orders(2)
    found = adjusted_answers([[0.06, 0.02], [np.nan, 0.5]], orders)
    assert found.n_presentations == 1
    assert found.label_mass == pytest.approx(0.08)
    assert found.naive.tolist() == [0.75, 0.25]
    nothing = adjusted_answers([[0.0, 0.0], [np.nan, np.nan]], orders)
    assert (nothing.reason, nothing.n_presentations) == (Reason.EMPTY, 0)
    assert np.isnan(nothing.adjusted).all()


@pytest.mark.parametrize(
    ("p", "orders", "message"),
    [
        ([[0.5, 0.5]], [[0, 0]], "orders must be permutations"),
        ([[0.5, -0.5]], [[0, 1]], "probabilities must be 0 or more"),
        ([[0.5, math.inf]], [[0, 1]], "probabilities must be 0 or more, and finite"),
        ([[0.5, 0.5]], [[0.0, 1.7]], "orders must be permutations"),
        ([["a", "b"]], [[0, 1]], "probabilities must be an array of numbers"),
        ([[0.5, 0.5]], [[0, 1, 2]], "of the shape of orders"),
        ([0.5, 0.5], [0, 1], "of the shape of orders"),
    ],
)
def test_bad_input(p, orders, message):
    with pytest.raises(ArgumentError, match=message):
        adjusted_answers(p, orders)


def test_top_k_reports():
    found = uniform_tail([[math.log(0.5), math.nan, math.log(0.01)], [math.nan] * 3, [math.log(0.2)] * 3])
    assert found[0] == pytest.approx(np.array([0.5, 0.01, 0.01]) / 0.52)
    assert np.isnan(found[1]).all()
    assert found[2] == pytest.approx([1 / 3] * 3)


def test_divergence_golden():
    assert entropy_share([0.5, 0.25, 0.25]) == pytest.approx(0.9463946304, abs=1e-10)
    assert kl_divergence([0.5, 0.25, 0.25]) == pytest.approx(0.0849625007, abs=1e-10)
    assert kl_divergence([1.0, 0.0]) == 1
    assert kl_divergence([0.5, 0.5], [1.0, 0.0], smooth=1e-6) == pytest.approx(8.97, abs=0.01)
    with pytest.raises(ArgumentError, match="summing to 1"):
        entropy_share([0.5, 0.6])
    with pytest.raises(ArgumentError, match="over 2 options"):
        kl_divergence([0.5, 0.5], [0.2, 0.3, 0.5])


def test_alignment_that_is_only_closeness_to_uniform():
    rng = np.random.default_rng(1)
    model = [np.full(4, 0.25) + 0.02 * np.array([1, -1, 1, -1])] * 31
    groups = {
        f"g{i}": [np.maximum(rng.dirichlet(np.full(4, size)), 1e-4) for _ in range(31)]
        for i, size in enumerate((0.5, 1, 2, 4, 8, 16, 32))
    }
    groups = {name: [q / q.sum() for q in answers] for name, answers in groups.items()}
    found = compare_populations(model, groups)
    assert found.entropy_correlation < -0.95
    assert found.model_entropy > 0.98
    assert found.groups[0].divergence > found.groups[-1].divergence
    assert all(g.closer_than_uniform < 0.2 for g in found.groups[:5])


def test_empty_cells_are_counted_or_smoothed():
    model, group = [[0.5, 0.5], [0.4, 0.6]], {"g": [[1.0, 0.0], [0.5, 0.5]]}
    found = compare_populations(model, group).groups[0]
    assert (found.n_questions, found.n_infinite) == (1, 1)
    assert compare_populations(model, group, smooth=1e-6).groups[0].n_infinite == 0
    assert found.reason is not None  # one question has a divergence, and no interval
    nothing = compare_populations(model[:1], {"g": group["g"][:1]})
    assert (nothing.groups[0].reason, nothing.to_dict()["groups"][0]["divergence"]) == (Reason.EMPTY, None)
    for smooth in (-0.1, math.nan):
        with pytest.raises(ArgumentError, match="smooth must be 0 or more"):
            compare_populations(model, group, smooth=smooth)
    for bad in (([], group), (model, {"g": [[1.0, 0.0]]}), (model, {})):
        with pytest.raises(ArgumentError):
            compare_populations(*bad)


@pytest.fixture(scope="module")
def ten_choices(request):
    duckdb = pytest.importorskip("duckdb")
    path = request.getfixturevalue("neff_data") / "mmlu_pro_predictions.parquet"
    relation = duckdb.sql(
        f"SELECT * EXCLUDE (question_id, cat, nopt) FROM '{path}' WHERE nopt = 10 ORDER BY question_id"
    )
    columns = dict(zip(relation.columns, zip(*relation.fetchall(), strict=True), strict=True))
    return columns.pop("gold"), columns


def test_letters_of_real_models(ten_choices):
    gold, columns = ten_choices
    allowed = set("ABCDEFGHIJ")
    told = {name: [x if x in allowed else None for x in values] for name, values in columns.items()}
    found = letter_bias(told, gold, n_options=10)
    assert len(found.models) == 29
    by_name = {m.model: m for m in found.models}
    # The sheet's .085, .066 and .039 were found on 8,405 of these questions, which the shared table does not mark; the
    # same models stand in the same order, and the same two correlations (-.18 and -.52 there) are weak and strong.
    names = ("Mistral-7B-Instruct-v0.1", "Llama-2-7b-hf", "DeepSeek-Coder-V2")
    assert [by_name[name].a_bias for name in names] == pytest.approx([0.1053, 0.0819, 0.0396], abs=5e-4)
    assert max(found.models, key=lambda m: m.a_bias).model == "Mistral-7B-Instruct-v0.1"
    assert -0.5 < found.accuracy_and_bias < -0.1
    assert found.accuracy_and_divergence < found.accuracy_and_bias - 0.2
    assert all(m.interval[0] < m.a_bias < m.interval[1] for m in found.models)


@pytest.mark.parametrize(
    ("predicted", "gold", "message"),
    [
        ({"m": ["A"]}, ["A", "B"], "2 letters per model"),
        ({"m": ["A", "Z"]}, ["A", "B"], "letters A to C"),
        ({"m": ["A", "B"]}, ["A", None], "a letter for every question"),
    ],
)
def test_bad_letters(predicted, gold, message):
    with pytest.raises(ArgumentError, match=message):
        letter_bias(predicted, gold, n_options=3)


def test_there_are_26_letters():
    with pytest.raises(ArgumentError, match="at most 26"):
        letter_bias({"m": ["A"]}, ["A"], n_options=27)


def test_results_with_arrays_compare_by_identity():
    """Equality of fields would ask an array for one truth value, and raise."""
    one, two = (letter_bias({"m": ["A"]}, ["A"], n_options=2).models[0] for _ in range(2))
    assert one == one
    assert one != two
    o = option_orders(2)
    assert adjusted_answers(o + 1.0, o) != adjusted_answers(o + 1.0, o)


def test_no_answer_is_no_letter():
    found = letter_bias({"mute": [None, ""], "one": ["a", None]}, ["A", "B"], n_options=2)
    assert (found.models[0].reason, found.models[0].n_unanswered) == (Reason.EMPTY, 2)
    assert (found.models[1].a_bias, found.models[1].n) == (0.5, 1)
    assert math.isnan(found.accuracy_and_bias)
