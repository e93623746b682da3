"""The tables of the guide to abstention are those of docs/abstention.json, and a run anew shows the same pattern."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("make_abstention", DOCS / "make_abstention.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


maker = load()
DATA = json.loads(maker.DATA.read_text(encoding="utf-8"))


def test_the_page_shows_what_was_measured() -> None:
    text = maker.PAGE.read_text(encoding="utf-8")
    assert maker.page(text, DATA) == text, "run python docs/make_abstention.py"


def shape_holds(answered: Any, right: Any) -> None:
    """Assert the pattern of the method sheet `sdm`, section 5, on counts by (set, method)."""
    for method in ("softmax", "temperature", "LAC", "LAC by class", "APS"):
        assert answered("inverted", method) > 0.1 * answered("inverted", "all")  # all of them wrong
        assert right("inverted", method) == 0
        assert answered("noise", method) > 0
        assert right("moved", method) < 0.7 * answered("moved", method)
    for method in ("temperature and distance", "SDM", "SDM region", "SDM region, lower"):
        assert answered("inverted", method) == 0
        assert answered("noise", method) <= 0.01 * answered("noise", "all")
        assert answered("noise", "softmax") > 10 * answered("noise", method)
    region = answered("test", "SDM region")
    assert 0.3 * answered("test", "all") < region < answered("test", "softmax")  # the price
    assert right("test", "SDM region") >= 0.99 * region
    assert right("moved", "SDM region") > 0.8 * answered("moved", "SDM region")
    assert answered("test", "SDM region, lower") < region
    assert answered("test", "temperature and distance") > region  # the cheap peer answers more


def test_what_was_measured_has_the_pattern_of_the_sheet() -> None:
    counts = {(s, m): maker.pooled(DATA, s, m) for s in maker.SETS for m in ("all", *maker.METHODS)}
    shape_holds(lambda s, m: counts[s, m][1], lambda s, m: counts[s, m][2])
    assert DATA["short"]["n_admitted"] == 0
    assert DATA["short"]["reason"] == "no region reaches the target"
    assert [m["minimum"] is not None for m in DATA["models"]] == [m["reason"] != "no region reaches the target"
                                                                   for m in DATA["models"]]  # fmt: skip


@pytest.mark.slow
def test_a_run_anew_has_the_pattern_of_the_sheet() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    table, _, model = maker.compare(maker.SEEDS[0])
    shape_holds(lambda s, m: table.row(s, m).n_admitted, lambda s, m: table.row(s, m).accuracy.n_right)
    assert table.row("noise", "SDM region").n_admitted == 0
    minimum = DATA["models"][0]["minimum"]
    assert model.region_.minimum == pytest.approx(minimum, rel=0.5)  # another processor rounds another way
    assert maker.too_short(maker.SEEDS[0]).region_.reason is not None
