"""The tables of the guide are what the benchmark prints, and show what the text says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]


def numbers(table):
    return [[float(x.replace(",", "")) for x in re.findall(r"[\d,]*\.?\d+", line)] for line in table.splitlines()[2:]]


@pytest.mark.slow
def test_noise_of_modules_diverges_with_the_batch():
    """agvm, G2: about equal at batch 16, and far apart at 4,096."""
    spec = importlib.util.spec_from_file_location("agvm_benchmark", ROOT / "benchmarks/agvm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.set_num_threads(1)
    table = module.modules_table()
    rows = numbers(table)
    assert [row[0] for row in rows] == [16, 64, 256, 1024, 4096]
    ratio = [row[5] for row in rows]
    assert ratio == sorted(ratio)  # grows with every batch size
    assert ratio[0] < 1.5 < 4 < ratio[-1]
    for column in range(1, 5):
        values = [row[column] for row in rows]
        assert values == sorted(values, reverse=True)  # less noise in larger batches, in every module
    page = (ROOT / "docs/guide/train-optim.md").read_text(encoding="utf-8")
    head = table.splitlines()[0]
    shown = page[page.index(head) :].split("\n\n")[0]
    for row, other in zip(rows, numbers(shown), strict=True):
        np.testing.assert_allclose(row[1:5], other[1:5], rtol=0.1)  # estimated: other machines round otherwise
