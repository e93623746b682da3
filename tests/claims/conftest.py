"""What the tests of claims share: a folder of their own to work in, and a file of claims in it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = """\
import os, random, time
from neff.claims import Level, Paired, claim

"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Go to an empty folder, and return what writes a file of claims there, its imports added."""
    monkeypatch.chdir(tmp_path)

    def make(code: str, name: str = "claims.py", head: str = HEAD) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + dedent(code))
        return path

    return make
