"""`neff train cbs` and `neff train energy`: tables, JSON, files, exit codes, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    shape = {32: 2.0, 64: 1.997, 128: 1.998, 256: 2.05, 512: 2.2}
    lines = ["checkpoint,batch_size,seed,loss"]
    for at in (0, 16000):
        lines += [f"{at},{b},{s},{x + s / 100 - at / 1e5:.4f}" for b, x in shape.items() for s in range(3)]
    path = tmp_path / "branches.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def energies(tmp_path: Path) -> Path:
    lines = ["session,precision,energy_j,seconds,examples"]
    for block in range(1, 8):
        drift = 1 + block / 50
        for setting, joules, seconds in (("fp32", 52000, 310), ("amp", 47500, 205)):
            wobble = 1 + ((block * 3 + len(setting)) % 5 - 2) / 500
            lines.append(f"{block},{setting},{joules * drift * wobble:.0f},{seconds * drift:.1f},60000")
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_cbs_shows_and_writes(neff: Callable[..., Any], branches: Path, tmp_path: Path):
    page = tmp_path / "cbs.html"
    found = neff("train", "cbs", branches, "--seed", 0, "-o", page)
    assert found.code == 0
    assert "the critical batch size over training" in found.out
    assert "128" in found.out
    text = page.read_text()
    assert "<svg" in text
    assert "no loss of token efficiency" in text
    data = json.loads(neff("train", "cbs", branches, "--seed", 0, "--json").out)
    assert data["schema"] == "neff.critical_batch_sizes/1"
    assert [c["value"] for c in data["checkpoints"]] == [128.0, 128.0]
    one = json.loads(neff("train", "cbs", branches, "--where", "checkpoint=16000", "--json", "--tolerance", 0.3).out)
    assert one["schema"] == "neff.critical_batch_size/1"
    assert (one["censored"], one["interval"][1], one["interval_open"]) == (True, None, True)


def test_cbs_of_runs_to_a_target(neff: Callable[..., Any], tmp_path: Path):
    path = tmp_path / "target.csv"
    rows = [f"{b},{s},{10 * (1 + b / 200) * (1 + s / 50):.3f}" for b in (16, 64, 256, 1024) for s in range(3)]
    path.write_text("batch_size,run,epochs\n" + "\n".join(rows) + "\n")
    found = neff("train", "cbs", path, "--seed", 0, "-o", tmp_path / "x.html", "-o", tmp_path / "x.md")
    assert found.code == 0, found.err
    assert "costs twice the epochs" in found.out
    assert "<svg" in (tmp_path / "x.html").read_text()
    assert "twice the examples" in (tmp_path / "x.md").read_text()


def test_energy_shows_and_writes(neff: Callable[..., Any], energies: Path, tmp_path: Path):
    page = tmp_path / "energy.html"
    found = neff("train", "energy", energies, "--group", "precision", "--block", "session", "-o", page)
    assert found.code == 0, found.err
    assert found.out.startswith("amp needs the least energy")
    assert "less energy" in found.out
    assert "fp32 draws the least power" in found.out
    assert "<svg" in page.read_text()
    data = json.loads(neff("train", "energy", energies, "--per", "examples", "--json").out)
    assert (data["schema"], data["unit"], data["n_blocks"]) == ("neff.energy/1", "J per sample", 7)
    assert data["comparisons"][0]["finding"] == "less energy"


COLUMN = "--group must be a column of the log, got 'prec'. Did you mean"
MARGIN = "--margin must be a share in (0, 1), got 5.0. Did you mean 0.05?"
VALUE = "--where must be a value of 'seed', got '7'. There are: 0, 1, 2."


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "energy", "{runs}", "--group", "prec"), 2, COLUMN),
        (("train", "energy", "{runs}", "--margin", "5"), 2, MARGIN),
        (("train", "energy", "{branches}", "--group", "seed"), 3, "there is no energy in it"),
        (("train", "energy"), 2, "neff train energy runs.csv"),
        (("train", "cbs", "{runs}"), 2, "--batch must be the column of the batch size"),
        (("train", "cbs", "{branches}", "--level", "95"), 2, "--level must be a number between 0 and 1"),
        (("train", "cbs", "{branches}", "--where", "seed=7"), 2, VALUE),
        (("train", "cbs", "nowhere.csv"), 3, "there is no such file"),
        (("train", "cbx"), 2, "Did you mean 'cbs'?"),
    ],
)
def test_mistakes_are_one_sentence(neff: Callable[..., Any], energies: Path, branches: Path, words, code, said):
    found = neff(*(word.format(runs=energies, branches=branches) for word in words))
    assert found.code == code
    assert said in found.err
    assert not found.out
    assert "Traceback" not in found.err


def test_names_from_a_log_are_escaped(neff: Callable[..., Any], tmp_path: Path):

    path = tmp_path / "x.csv"
    path.write_text("setting,joules\n" + "".join(f"<script>{s},{10 + s + i}\n" for s in (1, 2) for i in range(3)))
    page = tmp_path / "x.html"
    assert neff("train", "energy", path, "-o", page).code == 0
    assert "<script>1" not in page.read_text()
