"""compare: two runs, two models, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from neff.errors import ArgumentError, RecordsError
from neff.evaluate import compare, evaluate
from neff.records import Records


def run(scores, model="m", items=None):
    return Records.build(item=items or list(range(len(scores))), model=[model] * len(scores), score=scores)


def test_two_runs_of_one_model_are_told_apart_and_paired():
    rng = np.random.default_rng(2)
    before = rng.normal(size=23)
    after = before + 0.2 + 0.01 * rng.normal(size=23)
    result = compare(run(after), run(before))
    assert len(result.comparisons) == 1
    found = result.comparisons[0]
    assert (found.a, found.b) == ("m (a)", "m (b)")
    assert found.difference == pytest.approx(float(np.mean(after - before)), rel=1e-12)
    assert found.standard_error == pytest.approx(float(np.std(after - before, ddof=1) / np.sqrt(23)), rel=1e-9)
    assert found.p_adjusted == found.p_value


def test_two_models_of_one_table_keep_the_order_asked_for():
    rng = np.random.default_rng(3)
    parts = [run(rng.normal(size=7) + shift, model) for model, shift in (("x", 0), ("y", 9), ("z", 0))]
    both = Records.concat(parts)
    forward, backward = compare("x", "y", records=both), compare("y", "x", records=both)
    assert forward.comparisons[0].difference < 0 < backward.comparisons[0].difference
    assert {e.model for e in forward.estimates} == {"x", "y"}
    everything = evaluate(both).comparison("x", "y")
    assert everything.difference == forward.comparisons[0].difference
    assert everything.interval == forward.comparisons[0].interval


def test_no_common_item_is_refused():
    with pytest.raises(RecordsError, match="no scored item in common"):
        compare(run([0.1, 0.2], "x", ["a", "b"]), run([0.1, 0.2], "y", ["c", "d"]))


def test_a_side_with_several_models_is_refused():
    both = Records.concat([run([0.1, 0.2], "x"), run([0.3, 0.1], "y")])
    with pytest.raises(ArgumentError, match="a must be records of one model"):
        compare(both, run([0.5, 0.1], "z"))


def test_names_without_records_in_place_are_refused():
    with pytest.raises(ArgumentError, match="b must be the name of a model"):
        compare("x", 3, records=run([0.1, 0.2], "x"))
    with pytest.raises(ArgumentError, match="names of models in the records"):
        compare("x", "q", records=run([0.1, 0.2], "x"))


def test_misspelt_option_is_an_error_not_a_column():
    with pytest.raises((ArgumentError, TypeError)):
        compare({"item": [1], "score": [1.0]}, {"item": [1], "score": [1.0]}, levle=0.9)
