"""Simultaneous intervals: the published numbers, coverage of whole families, and what is undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neff
from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate import Evaluation, simultaneous_intervals
from neff.reasons import Reason
from neff.results import Comparison, Estimate
from neff.stats import t_interval


def intervals(result):
    """Return interval, size of the family and reason, by kind, task, metric and name."""
    return {row[:4]: row[5:] for row in simultaneous_intervals(result).rows}


def one_group(*estimates, comparisons=(), level=0.95):
    return Evaluation(estimates=estimates, comparisons=comparisons, level=level)


def test_published_numbers():
    found = intervals(one_group(Estimate(0.1, 0.03, model="a"), Estimate(0.2, 0.05, model="b")))
    assert found["score", "", "", "a"][0] == pytest.approx((0.0327579182, 0.1672420818), abs=1e-10)
    assert found["score", "", "", "b"][0] == pytest.approx((0.0879298636, 0.3120701364), abs=1e-10)


def test_few_degrees_of_freedom_widen_their_own_interval_alone():
    found = intervals(one_group(*(Estimate(0.5, 0.1, model=m, df=df) for m, df in (("a", 4.0), ("b", 11.0)))))
    for model, df in (("a", 4.0), ("b", 11.0)):
        assert found["score", "", "", model][0] == pytest.approx(t_interval(0.5, 0.1, df=df, level=0.975)[:2])


def test_one_number_keeps_its_ordinary_interval():
    rng = np.random.default_rng(2)
    result = neff.evaluate({"item": np.arange(31), "model": ["m"] * 31, "score": rng.normal(size=31)})
    (row,) = simultaneous_intervals(result).rows
    assert row[5] == pytest.approx(result.estimate("m").interval)
    assert row[6] == 1


def test_families_are_scores_and_differences_of_each_task_and_metric():
    rng = np.random.default_rng(3)
    tasks = np.repeat(["x", "y"], 51)
    rows = {"item": np.tile(np.arange(17), 6), "task": tasks, "model": np.tile(np.repeat(["a", "b", "c"], 17), 2)}
    result = neff.evaluate(rows | {"score": rng.normal(size=102)}, aggregate="none", pairs=[("a", "b"), ("a", "c")])
    found = intervals(result)
    assert sorted({key[1] for key in found}) == ["x", "y"]
    assert {key[0]: value[1] for key, value in found.items()} == {"score": 3, "difference": 2}
    for c in result.comparisons:
        expected = t_interval(c.difference, c.standard_error, df=c.df, level=0.975)[:2]
        assert found["difference", c.task, c.metric, f"{c.a} - {c.b}"][0] == pytest.approx(expected)


def test_what_is_undefined_has_a_reason_and_takes_no_part():
    found = intervals(
        one_group(
            Estimate(0.1, 0.03, model="a"),
            Estimate(0.2, 0.05, model="b"),
            Estimate(1.0, 0.0, model="equal"),
            Estimate(0.4, model="alone", reason=Reason.ONE_ITEM),
            Estimate(math.nan, model="none", reason=Reason.NO_SCORED),
            comparisons=(Comparison("a", "none", math.nan, reason=Reason.NO_COMMON_ITEMS),),
        )
    )
    assert found["score", "", "", "a"][0] == pytest.approx((0.0327579182, 0.1672420818), abs=1e-10)
    reasons = {key[3]: reason for key, (interval, _, reason) in found.items() if math.isnan(interval[0])}
    assert reasons == {
        "equal": "all scores equal",
        "alone": "one item",
        "none": "no scored draws",
        "a - none": "no items in common",
    }
    assert {together for key, (_, together, _) in found.items() if key[0] == "score"} == {2}


def test_scores_that_are_all_right_have_none():
    result = neff.evaluate({"item": np.arange(13), "model": ["m"] * 13, "score": [1.0] * 13})
    (row,) = simultaneous_intervals(result).rows
    assert not math.isnan(result.estimate("m").interval[0])  # Wilson's
    assert math.isnan(row[5][0])
    assert row[7]


def test_the_whole_family_is_covered_as_often_as_stated():
    """2,003 families of 7: binomial SE of the coverage .005; ordinary intervals cover all about .95 ** 7 = .70."""
    rng = np.random.default_rng(5)
    covered = ordinary = 0
    for draws in rng.normal(size=(2003, 7)):
        estimates = [Estimate(float(x), 1.0, model=str(i), level=0.95) for i, x in enumerate(draws)]
        rows = simultaneous_intervals(one_group(*estimates)).rows
        covered += all(row[5][0] <= 0 <= row[5][1] for row in rows)
        ordinary += bool((np.abs(draws) < 1.96).all())
    assert 0.935 < covered / 2003 < 0.97
    assert ordinary / 2003 < 0.75


def test_a_saved_result_gives_the_same_table():
    rng = np.random.default_rng(7)
    rows = {"item": np.tile(np.arange(19), 2), "model": ["a"] * 19 + ["b"] * 19, "score": rng.normal(size=38)}
    result = neff.evaluate(rows, level=0.9)
    table = simultaneous_intervals(result)
    assert simultaneous_intervals(Evaluation.from_dict(result.to_dict())) == table
    assert "90% interval" in str(table)


def test_what_cannot_be_used_is_named():
    with pytest.raises(ArgumentError, match="method must be 'bonferroni'"):
        simultaneous_intervals(one_group(), method="scheffe")
    with pytest.raises(ArgumentTypeError, match=r"Give what neff\.evaluate"):
        simultaneous_intervals({"item": [1]})
    assert len(simultaneous_intervals(one_group())) == 0
