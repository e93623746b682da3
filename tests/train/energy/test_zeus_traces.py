"""What the zeus traces say (sheet energy, G6): joules, not watts; the example prints it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "train" / "zeus_energy.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("zeus_energy", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_conclusions_of_the_sheet(example, neff_data):
    every = example.choices(neff_data, "shufflenetv2", "adadelta", 0.6)
    least = min(every, key=lambda c: c.kilojoules)
    fastest = min(every, key=lambda c: c.seconds)
    coolest = min(every, key=lambda c: c.watts)
    usual = min((c for c in every if c.limit == 250), key=lambda c: c.kilojoules)
    assert (least.batch, least.limit) == (128, 100)
    assert (least.kilojoules, least.seconds, least.watts) == pytest.approx((28.5, 339, 84.0), rel=2e-3)
    assert (fastest.batch, fastest.limit) == (256, 225)
    assert (fastest.kilojoules, fastest.seconds, fastest.watts) == pytest.approx((51.9, 311, 167), rel=2e-3)
    assert coolest.batch == 8
    assert (coolest.watts, coolest.kilojoules, coolest.seconds) == pytest.approx((39.0, 395.6, 10_146), rel=2e-3)
    assert round(coolest.kilojoules / least.kilojoules) == 14
    assert (usual.batch, round(usual.kilojoules, 1)) == (128, 41.4)


def test_the_second_workload_of_the_sheet(example, neff_data):
    every = example.choices(neff_data, "bert_base_uncased", "adamw", 84.0)
    least = min(every, key=lambda c: c.kilojoules)
    fastest = min(every, key=lambda c: c.seconds)
    assert (least.batch, least.limit, round(least.kilojoules)) == (8, 125, 1175)
    assert (fastest.batch, fastest.limit, round(fastest.kilojoules)) == (12, 250, 1513)


def test_the_example_prints_them(example, neff_data, capsys):
    example.main([str(neff_data)])
    printed = capsys.readouterr().out
    assert "least energy   batch 128 at 100 W: 28.5 kJ, 339 s, 84.0 W" in printed
    assert "14 times the energy" in printed
    assert "batch 128 at 100 W against batch 256 at 225 W: -45% energy" in printed
