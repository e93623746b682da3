"""The TRL plug-in on two ranks that share a step, and some of whose prompts are on both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neff.train import remax_advantage

SCRIPT = Path(__file__).with_name("ranks.py")
pytestmark = pytest.mark.slow


@pytest.fixture
def both(tmp_path):
    pytest.importorskip("trl")

    def run(recipe):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        command = [sys.executable, str(SCRIPT)]
        ranks = [
            subprocess.Popen(
                [*command, str(k), "2", port, str(tmp_path), recipe],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
            for k in range(2)
        ]  # fmt: skip
        for process in ranks:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
        return [json.loads((tmp_path / f"{k}.json").read_text()) for k in range(2)]

    return run


def share(*parts):
    """The effective sample size of both ranks' weights together, from the sums of each."""
    logs, first, second, n = np.array(parts).T
    scale = np.exp(logs - logs.max())
    return float((first @ scale) ** 2 / (second @ scale**2) / n.sum())


def _one_baseline_for_both(one, other):
    """A step holds parts of prompts: the rewards in units of their prompt's spread have one baseline on both ranks."""
    of = {}
    for seen in (one, other):
        for (group, _), rewards in zip(seen["advantages"][:2], seen["rewards"][:2], strict=True):  # the generation
            for g, reward in zip(group, rewards, strict=True):
                of.setdefault(g, []).append(reward)
    assert {len(rewards) for rewards in of.values()} == {4}
    for k in range(4):
        found = []
        for seen in (one, other):
            group, advantages = seen["advantages"][k]
            for g, reward, advantage in zip(group, seen["rewards"][k], advantages, strict=True):
                found.append((reward - np.mean(of[g])) / (np.std(of[g]) or 1.0) - advantage)
        assert found == pytest.approx([found[0]] * 6, abs=1e-5)


@pytest.mark.parametrize("recipe", ["ess", "vcpo", "remax"])
def test_two_ranks_take_one_step(both, recipe):
    one, other = both(recipe)
    assert one["ranks"] == 2
    assert one["monitor"] == other["monitor"] == [2, 6]
    assert one["total"] == other["total"]  # the parameters stay the same on both
    assert one["factors"] == other["factors"]
    rows = [row for row in one["log"] if "neff/ess_sequence" in row]
    for row, a, b in zip(rows, one["weights"], other["weights"], strict=True):
        assert row["neff/ess_sequence"] == pytest.approx(share(a, b), rel=1e-6)
        expected = share(a, b) if recipe == "remax" else share(a, b) ** 0.5
        assert row["neff/lr_factor"] == pytest.approx(expected, rel=1e-6)
    assert rows[0]["neff/ess_sequence"] == pytest.approx(1, abs=1e-9)
    assert rows[-1]["neff/ess_sequence"] < 1 - 1e-4
    if recipe == "vcpo":
        _one_baseline_for_both(one, other)
    if recipe == "remax":
        groups = {rank: {g for group, *_ in rank_seen["greedy"] for g in group} for rank, rank_seen in
                  enumerate((one, other))}  # fmt: skip
        assert groups[0] & groups[1]  # a prompt on both ranks, whose greedy response has one reward
        baseline = {}
        for seen in (one, other):
            for group, reward, greedy, advantages in seen["greedy"]:
                assert advantages == pytest.approx(remax_advantage(reward, greedy).advantages.tolist())
                for g, value in zip(group, greedy, strict=True):
                    assert baseline.setdefault(g, value) == value
