"""Fuzzing for a while: a little of it each time, more of it among the slow tests, all of it by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
if not Path("/proc/self/statm").exists():
    pytest.skip("needs /proc", allow_module_level=True)

PROGRAM = Path(__file__).with_name("fuzz_readers.py")


def fuzz(*words: str) -> int:
    """Run the program; return how many inputs there were."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    found = re.search(r"^hypothesis: (\d+) inputs, 0 readers failed", done.stdout, re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_a_few_inputs() -> None:
    assert fuzz("--reader", "jsonl", "--reader", "helm", "--inputs", "60", "--seconds", "20", "--seed", "5") >= 60


@pytest.mark.slow
def test_every_reader_for_a_while() -> None:
    assert fuzz("--inputs", "400", "--seconds", "40", "--seed", "7") >= 16 * 40


@pytest.mark.parametrize("reader", ["jsonl"])
def test_a_wrong_count_is_seen(reader: str, tmp_path: Path) -> None:
    """The check is no empty one: a reader that loses a row is found out."""
    copy = tmp_path / "fuzz"
    copy.mkdir()
    for path in PROGRAM.parent.glob("*.py"):
        (copy / path.name).write_text(path.read_text())
    counts = copy / "counts.py"
    counts.write_text(
        counts.read_text().replace('"jsonl": (rows_of_lines, len)', '"jsonl": (rows_of_lines, lambda r: len(r) - 1)')
    )
    (tmp_path / "fixtures").symlink_to(PROGRAM.parent.parent / "fixtures")
    done = subprocess.run(
        [sys.executable, str(copy / PROGRAM.name), "--reader", reader, "--inputs", "60", "--seconds", "20"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "units in the file" in done.stdout
