"""What the tests of the command line share: run it in this process, and small files to run it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from neff.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout and stderr of one command line."""

    code: int
    out: str
    err: str


@pytest.fixture
def neff(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run one command line in this process."""
    monkeypatch.delenv("NEFF_DEBUG", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: object) -> Outcome:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Three models on 23 items in 5 clusters: good is right on 20, fair on 13, poor on 4."""
    lines = ["item,model,score,topic"]
    for model, right in (("good", 20), ("fair", 13), ("poor", 4)):
        lines += [f"q{j},{model},{int(j * 7 % 23 < right)},t{j % 5}" for j in range(23)]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of one model each, in one file each; run B lacks two items of run A."""
    paths = []
    for name, shift, n in (("run_a", 0.10, 19), ("run_b", 0.0, 17)):
        path = tmp_path / f"{name}.csv"
        rows = [f"q{j},{((j * 5) % 19) / 19 + shift + 0.02 * (j % 3) * (name == 'run_a'):.4f}" for j in range(n)]
        path.write_text("item,score\n" + "\n".join(rows) + "\n", encoding="utf-8")
        paths.append(path)
    return paths[0], paths[1]
