"""Runs a job of `ranks.py` in several processes that talk over gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("ranks.py")


@pytest.fixture
def run_ranks(tmp_path):
    """Return a function that runs a job on all ranks and returns what each of them found."""

    def run(job, world=2):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        processes = [
            subprocess.Popen(
                [sys.executable, str(SCRIPT), job, str(rank), str(world), str(tmp_path)],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(world)
        ]
        said = [process.communicate(timeout=300)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * world, "\n".join(said)
        return [json.loads((tmp_path / f"{job}{rank}.json").read_text()) for rank in range(world)]

    return run
