"""Real training of a small byte model: the pattern of the critical batch size (G1) and the gain of a warm-up (G2)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "critical_batch_size.py"


@pytest.fixture(scope="module")
def script():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("critical_batch_size", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    torch.set_num_threads(threads)


def test_one_small_branch_runs(script):
    """The script itself, in seconds: two checkpoints, noise from few batches."""
    found = script.measure_branches((0, 640), seeds=(1, 2), n_noise=2, window=1_400, multipliers=(1, 2))
    assert len(found["rows"]) == 8
    assert {row["checkpoint"] for row in found["rows"]} == {"0", "640"}
    assert all(1.5 < row["loss"] < 6 for row in found["rows"])
    loss, steps = script.run_arm(32, script.MEASURED, 1e-3, 0, total=17_600)
    assert steps < 17_600 / 32
    assert 2 < loss < 5


@pytest.mark.slow
def test_the_critical_batch_size_is_near_zero_and_rises(script):
    """Sheet critical-batch-size, G1: 64, 128, 256, 1024, 1024; here with three seeds and intervals."""
    from neff.train.batch_size import critical_batch_sizes

    found = script.measure_branches()
    branches = {}
    for checkpoint in script.CHECKPOINTS:
        rows = [row for row in found["rows"] if row["checkpoint"] == str(checkpoint)]
        batches = sorted({row["batch_size"] for row in rows})
        branches[str(checkpoint)] = (
            batches,
            [[r["loss"] for b in batches for r in rows if (r["batch_size"], r["seed"]) == (b, s)] for s in range(3)],
        )
    results = critical_batch_sizes(branches, rng=0).checkpoints
    sizes = [result.value for result in results]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 64
    assert sizes[1] <= 256
    assert sizes[-1] >= 512
    assert results[0].interval[1] < results[3].interval[0]  # told apart: 0 and 256k examples
    assert results[1].interval[1] < results[3].interval[0]
    # neither the level nor the course of the noise scale is that of the critical batch size
    noise = [found["noise"][str(checkpoint)]["value"] for checkpoint in script.CHECKPOINTS]
    assert noise[0] < sizes[0]
    assert all(scale > 4 * size for scale, size in zip(noise[1:], sizes[1:], strict=True))


@pytest.mark.slow
def test_a_warm_up_takes_fewer_steps_to_a_lower_loss(script):
    """Sheet critical-batch-size, G2: against batch 32 and 512 from the start, at the learning rate of the sheet."""
    arms = {}
    for arm in ("32", "512", "32 to 512"):
        first, critical, _ = script.ARMS[arm]
        arms[arm] = [script.run_arm(first, critical, 5e-4, seed) for seed in (0, 1, 2)]
    import numpy as np

    losses = {arm: np.array([loss for loss, _ in found]) for arm, found in arms.items()}
    steps = {arm: found[0][1] for arm, found in arms.items()}
    assert steps == {"32": 18_750, "512": 1172, "32 to 512": 2172}
    for other in ("32", "512"):
        mean, _, high = script.paired(losses["32 to 512"], losses[other])
        assert mean < 0
        assert high < 0, f"not told apart from {other}"
