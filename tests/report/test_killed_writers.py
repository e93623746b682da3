"""Writers that are killed, or run out of disk: the old file or the new one is there, whole, and nothing piles up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
if not hasattr(os, "fork"):
    pytest.skip("needs fork", allow_module_level=True)

PROGRAM = Path(__file__).with_name("killed_writer.py")


def run(*words: object) -> Any:
    command = [sys.executable, "-W", "error", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_killed(seen: dict[str, Any], kills: int) -> None:
    """None is torn; what is left over has a name that says so, and is gone after the next write."""
    assert seen["kills"] == kills
    assert seen["torn"] == seen["unknown"] == seen["left"] == []
    assert seen["strays"] <= 2 * kills  # a file, and of Parquet the folder of its rows


def test_eleven_kills_one_of_each_writer(tmp_path: Path) -> None:
    check_killed(run(PROGRAM, tmp_path, 11, 3), 11)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 7])
def test_sixty_six_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    seen = run(PROGRAM, tmp_path, 66, seed)
    check_killed(seen, 66)
    assert seen["during"] >= 5  # or the moments say nothing


FULL = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from killed_writer import jobs
from neff.errors import OutputError

sources, folder, limit = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
table = jobs(sources)
for name in table:
    (folder / name).write_bytes(b"old")
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
else:
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 512)
        except OSError:
            pass
said = {}
for name, job in table.items():
    try:
        job(0, folder / name)
        said[name] = ""
    except OutputError as error:
        said[name] = str(error)
print(json.dumps({"said": said, "old": {name: (folder / name).read_bytes() == b"old" for name in table},
                  "names": sorted(path.name for path in folder.iterdir() if path.name != "filler")}))
"""


def check_full(seen: Any, words: str) -> None:
    assert all(words in said for said in seen["said"].values()), seen["said"]
    assert len(seen["said"]) == 11
    assert all(seen["old"].values())
    assert seen["names"] == sorted(seen["said"])


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    """The system lets files grow to 512 bytes only: every writer breaks off in the middle."""
    for name in ("sources", "targets"):
        (tmp_path / name).mkdir()
    seen = run("-c", FULL, PROGRAM.parent, tmp_path / "sources", tmp_path / "targets", 512)
    check_full(seen, "cannot write")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "sources").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the superuser can make a small disk")
    try:
        check_full(run("-c", FULL, PROGRAM.parent, tmp_path / "sources", disk, 0), "cannot write")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
