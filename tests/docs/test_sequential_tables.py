"""The tables of the guide to confidence sequences are those of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_tables_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs/make_sequential.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
