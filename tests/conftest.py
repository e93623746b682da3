"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def neff_data() -> Path:
    """The folder of real data; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("NEFF_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set NEFF_DATA to the folder ({folder} does not exist)")
    return folder
