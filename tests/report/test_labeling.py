"""Discriminator tests and hybrid labels as documents: every format, names that cannot steer, no data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.benchmark.labeling import deferral_curve, hybrid_labels, label_metrics
from neff.benchmark.survey import discriminator_test
from neff.report import document, render
from neff.report.document import plain

HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m"


def rows(n, shift, **options):
    rng = np.random.default_rng(0)
    real, made = ({HOSTILE: rng.normal(s, 1, n), "b": rng.integers(0, 3, n)} for s in (0, shift))
    return discriminator_test(real, made, n_splits=3, rng=0, **{"n_resamples": 39, **options})


def labels(**options):
    told = [HOSTILE, "b", "b", HOSTILE]
    return hybrid_labels({HOSTILE: told, "m": ["b", "b", None, HOSTILE]}, items=[HOSTILE, 2, 3, 4], rng=0, **options)


RESULTS = {
    "rows": lambda: rows(40, 3, margin=0.1),
    "rows alike": lambda: rows(20, 0),
    "rows without swaps": lambda: rows(20, 0, n_resamples=0),
    "few rows": lambda: rows(3, 0),
    "same rows": lambda: discriminator_test({"a": [1] * 9}, {"a": [1] * 9}, rng=0, n_resamples=9),
    "labels": lambda: labels(audit=[HOSTILE, "b", None, "b"], rule="majority", target=0.5),
    "no audit": lambda: labels(rejected=[HOSTILE, None, None, None]),
    "deferral": lambda: deferral_curve([0.2, 0.4, 0.9], [1, 0, 0], target=0.9),
    "nothing audited": lambda: deferral_curve([0.2], [math.nan]),
    "metrics": lambda: label_metrics([HOSTILE, "b"], ["b", "b"], rng=0),
    "no metrics": lambda: label_metrics([None], ["b"], rng=0),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_format(name):
    result = RESULTS[name]()
    page = render(result, "html")
    assert "<script>alert" not in page
    for kind in ("text", "markdown", "csv"):
        assert "\x1b[31m" not in render(result, kind)
    assert json.loads(render(result, "json"))["schema"].startswith("neff.")
    assert all(len(line) <= 60 for line in render(result, "text", width=60).splitlines())


def test_the_finding_is_first():
    titles = {name: plain(document(make()).title) for name, make in RESULTS.items()}
    assert titles["rows"].endswith("of the rows on the right side; chance is 50%")
    assert titles["rows alike"] == "Made rows are not told from real ones"
    assert titles["few rows"] == "The discriminator test is undefined: too few values"
    assert titles["labels"] == "3 of 4 items have accepted labels; 1 of 2 audited ones wrong"
    assert titles["nothing audited"] == "Undefined: no labels"
    assert titles["metrics"] == "50.0% of the items have all labels right"
    lead = " ".join(map(plain, document(RESULTS["rows"]()).lead))
    assert "is furthest from real rows: distance" in lead
    assert "further apart than a margin of 0.1" in lead
