"""`--fail-if`: the grammar, what a gate looks at, and that nothing unchecked passes."""

from __future__ import annotations

import math
import operator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.cli.gates import check_gates, parse_gate
from neff.errors import GateError
from neff.evaluate.result import Evaluation
from neff.reasons import Reason
from neff.results import Comparison, Estimate

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def evaluation(**changes: object) -> Evaluation:
    estimates = (
        Estimate(0.75, 0.02, (0.71, 0.79), n=480, n_items=240, n_eff=400.0, n_unscored=3, model="new", task="t"),
        Estimate(0.70, 0.03, (0.64, 0.76), n=483, n_items=241, n_eff=300.0, n_unscored=0, model="old", task="t"),
        Estimate(0.25, 0.01, (0.23, 0.27), n=481, n_items=239, n_eff=200.0, n_unscored=7, model="a,b[c]", task="t"),
    )
    comparisons = (
        Comparison(
            "new",
            "old",
            0.05,
            0.02,
            (0.01, 0.09),
            n_items=237,
            n_unmatched=5,
            p_value=0.012,
            p_adjusted=0.024,
            n_eff=700.0,
        ),
        Comparison(
            "new",
            "a,b[c]",
            0.5,
            0.03,
            (0.44, 0.56),
            n_items=236,
            n_unmatched=4,
            p_value=1e-9,
            p_adjusted=2e-9,
            n_eff=600.0,
        ),
        Comparison(
            "old",
            "a,b[c]",
            0.45,
            0.04,
            (0.37, 0.53),
            n_items=235,
            n_unmatched=2,
            p_value=1e-8,
            p_adjusted=2e-8,
            n_eff=500.0,
        ),
    )
    return replace(Evaluation(estimates, comparisons), **changes)


def check(text: str, result: Evaluation | None = None) -> tuple[bool, str]:
    (found,) = check_gates([parse_gate(text)], result or evaluation())
    return found.passed, found.detail


@pytest.mark.parametrize(
    ("condition", "number"),
    [
        ("value(score[new])", 0.75),
        ("se(score[new])", 0.02),
        ("lower(score[new])", 0.71),
        ("upper(score[new])", 0.79),
        ("n(score[new])", 480),
        ("n_eff(score[new])", 400),
        ("unscored(score[new])", 3),
        ("value(diff[new,old])", 0.05),
        ("value(diff[old,new])", -0.05),
        ("lower(diff[old,new])", -0.09),
        ("upper(diff[old,new])", -0.01),
        ("se(diff[old, new])", 0.02),
        ("p(diff[new,old])", 0.012),
        ("p_adjusted(diff[new,old])", 0.024),
        ("n(diff[new,old])", 237),
        ("n_eff(diff[new,old])", 700),
        ("unmatched(diff[new,old])", 5),
        ("value(score[a,b[c]])", 0.25),
        ("value(diff[new,a,b[c]])", 0.5),
        ("value(diff[a,b[c],new])", -0.5),
    ],
)
def test_every_statistic_is_the_number_of_the_row(condition: str, number: float) -> None:
    for op, compare in OPERATORS.items():
        for other in (number - 1e-3, number, number + 1e-3):
            # A gate fails where its condition is true.
            assert check(f"{condition} {op} {other!r}")[0] is not compare(number, other)


def test_without_names_any_row_fails_the_gate() -> None:
    assert check("value(score) < 0.3") == (False, "value of a,b[c] is 0.25")
    assert check("value(score) < 0.25")[0]
    assert check("lower(diff) < 0.02") == (False, "lower of new - old is 0.01")
    assert check("value(diff) > 1")[0]


def test_failing_rows_are_counted_and_the_first_are_shown() -> None:
    estimates = tuple(replace(evaluation().estimates[0], model=f"m{j}") for j in range(7))
    passed, detail = check("value(score) > 0", evaluation(estimates=estimates))
    assert not passed
    assert detail.startswith("value of m0 is 0.75; value of m1 is 0.75; ")
    assert detail.endswith("(and 4 more)")


def test_an_undefined_number_does_not_pass() -> None:
    undefined = replace(
        evaluation().comparisons[0],
        difference=math.nan,
        interval=(math.nan, math.nan),
        reason=Reason.NO_COMMON_ITEMS,
    )
    result = evaluation(comparisons=(undefined,))
    for condition in ("lower(diff) < -1", "lower(diff[old,new]) > 1", "value(diff) != 0"):
        passed, detail = check(condition, result)
        assert not passed
        assert detail.endswith("could not be checked (no items in common)")


def test_a_row_that_breaks_the_gate_is_named_by_its_task_where_there_are_several() -> None:
    first = evaluation().estimates[0]
    result = evaluation(estimates=(first, replace(first, task="u", value=0.1)))
    assert check("value(score) < 0.5", result) == (False, "value of new (u) is 0.1")


def test_a_margin_has_a_direction() -> None:
    result = evaluation(comparisons=(replace(evaluation().comparisons[0], margin=0.01),))
    assert check("lower(diff[new,old]) < 0", result)[0]
    with pytest.raises(GateError, match=r"Write diff\[new,old\]"):
        check("lower(diff[old,new]) < 0", result)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("", "this is not STAT"),
        ("lower(diff)", "this is not STAT"),
        ("lower(diff) < ", "this is not STAT"),
        ("lower diff < 0", "this is not STAT"),
        ("lower(diff) = 0", "this is not STAT"),
        ("lower(diff) < 0 and n(score) > 3", "this is not STAT"),
        ("lowr(diff) < 0", "Did you mean 'lower'"),
        ("lower(dif) < 0", "Did you mean 'diff'"),
        ("lower(x) < 0", "WHAT must be score or diff"),
        ("p(score) < 0.05", "score has no statistic 'p'"),
        ("unscored(diff) > 0", "diff has no statistic 'unscored'"),
        ("lower(diff) < nan", "must be a finite number, got 'nan'"),
        ("lower(diff) < inf", "must be a finite number"),
        ("lower(diff) < abc", "must be a finite number, got 'abc'"),
        ("lower(diff) < 1.2.3", "must be a finite number"),
        ("lower(score[]) < 0", "names no model"),
        ("lower(diff[]) < 0", "needs two models"),
        ("lower(diff[new]) < 0", "needs two models"),
        ("lower(score[knew]) < 0", "Did you mean 'new'"),
        ("lower(score[zzz]) < 0", "There are: a,b[c], new, old."),
        ("lower(diff[new,odl]) < 0", "no compared model 'odl'. Did you mean 'old'"),
        ("lower(diff[new,new]) < 0", "this pair was not compared"),
        ("lower(diff[,]) < 0", "no compared model ''"),
    ],
)
def test_what_cannot_be_understood_says_so(text: str, fix: str) -> None:
    with pytest.raises(GateError) as caught:
        check(text)
    assert fix in str(caught.value)
    assert repr(text) in str(caught.value)


def test_a_gate_on_differences_needs_comparisons() -> None:
    with pytest.raises(GateError, match="without --no-compare"):
        check("lower(diff) < 0", evaluation(comparisons=()))


@given(st.text(max_size=40))
def test_any_text_is_a_gate_or_a_gate_error(text: str) -> None:
    try:
        gate = parse_gate(text)
    except GateError:
        return
    assert gate.op in OPERATORS


@given(
    st.sampled_from(["value", "se", "lower", "upper", "n", "n_eff", "p", "unscored", "unmatched", "q"]),
    st.sampled_from(["score", "diff", "score[new]", "diff[new,old]", "score[", "diff[,,,]", "other"]),
    st.sampled_from([*OPERATORS, "=", "=>", ""]),
    st.one_of(st.floats().map(repr), st.text("0123456789.e-+", max_size=6)),
    st.text(" \t", max_size=2),
)
def test_words_of_the_grammar_in_any_order_raise_nothing_else(
    stat: str, what: str, op: str, number: str, space: str
) -> None:
    try:
        check(f"{space}{stat}({what}){space}{op}{space}{number}")
    except GateError:
        return
