"""Grids, curves, frozen choices and tables of counts as documents: every format, names that cannot steer, no data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neff.benchmark.factorial import chi_squared, choose_on_dev, factorial, fit_learning_curve
from neff.report import document, render
from neff.report.document import Figure, plain
from neff.report.line_chart import LineChart

HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m"


def grid(**options):
    rng = np.random.default_rng(0)
    a, b, c, item = np.indices((3, 2, 5, 23)).reshape(4, -1)
    y = (rng.random(a.size) < 0.4 + 0.1 * a * b + 0.02 * c).astype(float)
    names = {"model": [f"m{k}{HOSTILE}" for k in a], "prompt": [f"p{k}" for k in b], HOSTILE: [f"t{k}" for k in c]}
    return factorial(y, names, item=item, unit="model", n_resamples=19, rng=0, **options)


def few():
    return fit_learning_curve([10, 20], [0.1, 0.2], rng=0)


def curve():
    size = [50, 100, 200, 500, 1000]
    return fit_learning_curve(
        size, [0.9 - 0.9 * n**-0.4 for n in size], targets=[0.8, 0.95], at=[4000], n_resamples=5, rng=0
    )


def frozen():
    scores = {HOSTILE: [0, 1, 1, 0, 1], "b": [1, 1, 0, 0, 0]}
    return choose_on_dev(scores, [True, True, False, False, False], n_resamples=9, rng=0)


RESULTS = {
    "grid": grid,
    "rows": lambda: factorial([0.1, 0.2, 0.4, 0.3] * 2, {"a": [0, 0, 1, 1] * 2, "b": [0, 1, 0, 1] * 2}),
    "same": lambda: factorial([1.0] * 4, {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}),
    "empty cell": lambda: factorial([0.1, 0.2, 0.4, 0.6], {"a": [0, 0, 1, 1], "b": [0, 1, 0, 0]}),
    "curve": curve,
    "few sizes": few,
    "frozen": frozen,
    "counts": lambda: chi_squared([[30, 21], [17, 40]]),
    "no counts": lambda: chi_squared([[0, 0], [0, 0]]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_format(name):
    result = RESULTS[name]()
    page = render(result, "html")
    assert "<script>alert" not in page
    for kind in ("text", "markdown", "csv"):
        assert "\x1b[31m" not in render(result, kind)
    assert json.loads(render(result, "json"))["schema"].startswith("neff.")


def test_a_line_per_level_of_the_factor_with_fewer():
    result = grid()
    figures = [block for section in document(result).sections for block in section.blocks if isinstance(block, Figure)]
    assert len(figures) == 3
    chart = next(f.chart for f in figures if f.title == "prompt by model")
    assert isinstance(chart, LineChart)
    assert [series.label for series in chart.series] == ["p0", "p1"]
    assert np.array([series.y for series in chart.series]) == pytest.approx(result.means.mean(axis=2).T)


def test_the_finding_is_first():
    said = plain(document(grid()).title)
    assert said.startswith(("Most of the variation is", "Largest term: "))
    assert plain(document(RESULTS["same"]()).title) == "All scores are the same"
    assert plain(document(few()).title) == "Too few sizes for a curve"
    lead = " ".join(plain(line) for line in document(grid()).lead)
    assert "With items as units" in lead
    assert "Over 3 units (all), p0 less p1" in lead
