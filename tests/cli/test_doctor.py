"""`neff doctor`: what a file is, as text and as JSON; 3 where nothing can be computed."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import neff as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_it_prints_the_diagnosis(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("doctor", scores)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == str(package.diagnose(str(scores))) + "\n"
    assert "69 draws" in outcome.out


def test_json(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("doctor", scores, "--json")
    assert json.loads(outcome.out) == package.diagnose(str(scores)).to_dict()


def test_the_command_it_recommends_works(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("doctor", scores, "--item", "item", "--cluster", "topic")
    command = outcome.out.splitlines()[-1].removeprefix("run: neff ")
    assert "--cluster topic" in command
    assert neff(*shlex.split(command)).code == 0


def test_a_folder_with_a_broken_file_can_still_be_used(neff: Callable[..., Any], scores: Path) -> None:
    (scores.parent / "broken.json").write_text("{")
    outcome = neff("doctor", scores.parent)
    assert outcome.code == 0
    assert "problem" in outcome.out
    (scores.parent / "other.json").write_text("{")
    scores.unlink()
    assert neff("doctor", scores.parent).code == 3


def test_names_cannot_steer_the_terminal(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("item,model,score,\x1b]0;x\x07\nq1,\x1b[31mred,1,2\nq2,\x1b[31mred,0,2\n")
    outcome = neff("doctor", path)
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    assert "\\x1b[31mred" in outcome.out
