"""`neff plan`: the plan of the library, from records or from a saved result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import neff as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def plan_of(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--difference", "0.02"), {"difference": 0.02}),
        (("--difference", "0.1", "--power", "0.9"), {"difference": 0.1, "power": 0.9}),
        (("--level", "0.9"), {"level": 0.9}),
        (("--comparisons", "3"), {"n_comparisons": 3}),
        (("--a", "poor"), {"a": "poor"}),
        (("--a", "fair", "--b", "poor"), {"a": "fair", "b": "poor"}),
        (("--unscored", "wrong"), {"unscored": "wrong"}),
        (("--lower-is-better",), {"lower_is_better": True}),
    ],
)
def test_each_option_arrives(
    neff: Callable[..., Any], scores: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    scores.write_text(scores.read_text() + "q99,good,,t1\nq99,fair,1,t1\n")
    found = plan_of(neff("plan", scores, "--json", *words))
    assert found == package.plan(package.read(scores), **options).to_dict()
    assert (found == plan_of(neff("plan", scores, "--json"))) is (options == {})


def test_from_a_saved_result(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    saved = tmp_path / "result.json"
    assert neff("evaluate", scores, "-o", saved).code == 0
    words = ("--difference", "0.05", "--json")
    assert plan_of(neff("plan", saved, *words)) == plan_of(neff("plan", scores, *words))


def test_the_terminal_shows_items_needed(neff: Callable[..., Any], scores: Path) -> None:
    needed = package.plan(package.read(scores), difference=0.02).rows[0].items_needed
    outcome = neff("plan", scores, "--difference", "0.02")
    assert f"{needed:,.0f}" in outcome.out
    assert outcome.err == ""


def test_files_and_notes(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    outcome = neff("plan", scores, "--json", "-o", tmp_path / "plan.csv", "-o", tmp_path / "plan.md")
    assert outcome.err.startswith(
        f"neff: wrote {tmp_path / 'plan.csv'}\nneff: wrote {tmp_path / 'plan.md'}\nneff: note: "
    )
    assert "items_needed" in (tmp_path / "plan.csv").read_text().splitlines()[0]
    assert neff("plan", scores, "--json", "-q").err == ""


def test_one_model_cannot_be_planned_for(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    outcome = neff("plan", runs[0])
    assert (outcome.code, outcome.out) == (2, "")
    assert "at least two models" in outcome.err
