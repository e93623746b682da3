"""`neff plan`: the plans of the library for items, for labels and for audits, and no mixture of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import neff as package
from neff.evaluate import VarianceModel, pilot_variance

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


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """Two models, 97 prompts, labels on 61 and 47 of them."""
    rng = np.random.default_rng(2)
    lines = ["item,model,score,label"]
    for model, labelled in (("new", 61), ("old", 47)):
        score = np.round(rng.beta(2, 2, 97), 2)
        right = (rng.random(97) < score).astype(int)
        lines += [f"q{i:02d},{model},{score[i]},{right[i] if i < labelled else ''}" for i in range(97)]
    path = tmp_path / "pilot.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--budget", "3000"), {"budget": 3000}),
        (("--difference", "0.1"), {"detectable": 0.1}),
        (("--budget", "3000", "--power", "0.9"), {"budget": 3000, "power": 0.9}),
        (("--budget", "3000", "--level", "0.9"), {"budget": 3000, "level": 0.9}),
        (("--budget", "3000", "--score-price", "0.5"), {"budget": 3000, "price_score": 0.5}),
        (("--budget", "3000", "--policies", "3"), {"budget": 3000, "n_policies": 3}),
        (("--budget", "3000", "--labels", "shared"), {"budget": 3000, "labels": "shared"}),
        (("--difference", "0.4", "--fewest-labels", "50"), {"detectable": 0.4, "fewest_labels": 50}),
        (("--budget", "3000", "--correlation", "0.5"), {"budget": 3000, "correlation": 0.5}),
        (("--budget", "3000", "--a", "new"), {"budget": 3000, "models": "new"}),
        (("--budget", "3000", "--scale", "0", "2"), {"budget": 3000, "scale": (0.0, 2.0)}),
    ],
)
def test_each_option_of_a_plan_of_labels_arrives(
    neff: Callable[..., Any], pilot: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    found = plan_of(neff("plan", pilot, "--label-price", "16", "--json", *words))
    measured = {name: options.pop(name) for name in ("models", "scale") if name in options}
    variance = pilot_variance(package.read(pilot), **measured)
    expected = package.plan_budget(variance, price_label=16, **({"n_policies": 2} | options))
    assert found == expected.to_dict()
    assert found["schema"] == "neff.budget-plan/1"


def test_a_plan_of_labels_from_the_quality_of_the_judge(neff: Callable[..., Any]) -> None:
    words = ("plan", "--label-price", "16", "--budget", "1000", "--json")
    found = plan_of(neff(*words, "--judge-r2", "0.5"))
    assert found == package.plan_budget(VarianceModel.from_quality(0.5), budget=1000, price_label=16).to_dict()
    narrow = plan_of(neff(*words, "--judge-r2", "0.5", "--label-sd", "0.3"))
    expected = package.plan_budget(VarianceModel.from_quality(0.5, label_sd=0.3), budget=1000, price_label=16)
    assert narrow == expected.to_dict()
    likert = plan_of(neff(*words, "--judge-r2", "0.5", "--scale", "1", "5"))
    assert likert["standard_error"] == pytest.approx(4 * found["standard_error"])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--audit-bias", "0.02"), {"bias": 0.02}),
        (("--policies", "3"), {"n_policies": 3}),
        (("--power", "0.9"), {"power": 0.9}),
        (("--level", "0.9"), {"level": 0.9}),
    ],
)
def test_each_option_of_a_plan_of_an_audit_arrives(
    neff: Callable[..., Any], words: tuple[str, ...], options: dict[str, Any]
) -> None:
    found = plan_of(neff("plan", "--audit-margin", "0.05", "--audit-sd", "0.2", "--json", *words))
    assert found == package.plan_audit(margin=0.05, sd=0.2, **options).to_dict()
    assert (found["n_prompts"] == 171) is (options == {})  # cje-eval 0.9.3


def test_a_plan_of_an_audit_measures_the_spread_on_a_pilot(neff: Callable[..., Any], pilot: Path) -> None:
    found = plan_of(neff("plan", pilot, "--audit-margin", "0.1", "--json"))
    sd = pilot_variance(package.read(pilot)).s2_cal ** 0.5
    assert found == package.plan_audit(margin=0.1, sd=sd).to_dict()
    one = plan_of(neff("plan", pilot, "--audit-margin", "0.1", "--a", "old", "--json"))
    assert one["sd"] == pilot_variance(package.read(pilot), models="old").s2_cal ** 0.5 != sd


def test_the_terminal_says_what_to_buy(neff: Callable[..., Any], pilot: Path, tmp_path: Path) -> None:
    bought = neff("plan", "--label-price", "16", "--budget", "1000", "--judge-r2", "0.5", "-o", tmp_path / "plan.html")
    assert bought.code == 0
    assert bought.out.startswith("Judge 200 prompts and label 50 of them\n")
    assert "That costs 1,000; labelling every answer would cost 3,200." in " ".join(bought.out.split())
    assert "Judge 200 prompts" in (tmp_path / "plan.html").read_text()
    for_two = neff("plan", pilot, "--label-price", "16", "--budget", "3000")
    assert " prompts for each of 2 policies and label " in for_two.out
    poor = neff("plan", "--label-price", "16", "--budget", "100", "--judge-r2", "0.5")
    assert (poor.code, poor.out.splitlines()[0][:8]) == (0, "No plan:")
    assert neff("plan", "--audit-margin", "0.05", "--audit-sd", "0.2").out.startswith("Label 171 prompts\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "1000"), "--label-price must be given where --budget is"),
        (("--judge-r2", "0.5"), "--label-price must be given where --judge-r2 is"),
        (("--label-price", "16"), "RECORDS must be a pilot with labels"),
        (("{pilot}", "--label-price", "16"), "--budget must be given, or else --difference, got 'neither'"),
        (("{pilot}", "--label-price", "16", "--budget", "9", "--difference", "1"), "or else --difference, got 'both'"),
        (("{pilot}", "--label-price", "16", "--budget", "0"), "--budget must be positive"),
        (("{pilot}", "--label-price", "-1", "--budget", "9"), "--label-price"),
        (("{pilot}", "--label-price", "1", "--score-price", "0", "--budget", "9"), "--score-price must be positive"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--correlation", "1"), "--correlation must be in [0, 1)"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--policies", "0"), "--policies must be"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--fewest-labels", "1"), "--fewest-labels must be"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--judge-r2", "0.5"), "RECORDS must be left out beside"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--label-sd", "0.3"), "--label-sd must be left out"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--a", "nwe"), "--a must be a model of the records"),
        (("--label-price", "1", "--budget", "9", "--judge-r2", "1.5"), "--judge-r2 must be in [0, 1]"),
        (("--label-price", "1", "--budget", "9", "--judge-r2", "0.5", "--a", "new"), "--a must be left out beside"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--comparisons", "3"), "--comparisons must be left out of"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--b", "old"), "--b must be left out of a plan of labels"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--unscored", "wrong"), "--unscored must be left out of"),
        (("{pilot}", "--label-price", "1", "--budget", "9", "--lower-is-better"), "--lower-is-better must be left out"),
        (("{pilot}", "--policies", "3"), "--policies must be left out of a plan of items"),
        (("{pilot}", "--scale", "1", "5"), "--scale must be left out of a plan of items"),
        (("--audit-sd", "0.2"), "--audit-margin must be given where --audit-sd is"),
        (("--audit-margin", "0.05"), "--audit-sd must be given, or else a pilot with labels"),
        (("--audit-margin", "0.05", "--audit-sd", "0"), "--audit-sd must be positive"),
        (("--audit-margin", "-1", "--audit-sd", "0.2"), "--audit-margin"),
        (("--audit-margin", "0.05", "--audit-sd", "0.2", "--difference", "0.1"), "--difference must be left out of"),
        (("--audit-margin", "0.05", "--audit-sd", "0.2", "--budget", "9"), "--budget must be left out of a plan of an"),
        (("--audit-margin", "0.05", "--audit-sd", "0.2", "--scale", "1", "5"), "--scale must be left out beside"),
        (("{pilot}", "--audit-margin", "0.05", "--audit-sd", "0.2"), "RECORDS must be left out beside --audit-sd"),
        (("{saved}", "--audit-margin", "0.05"), "RECORDS must be records with labels"),
        (
            ("{scores}", "--label-price", "16", "--budget", "999"),
            "no model has the 15 labelled prompts that a pilot needs; most: 0",
        ),
    ],
)
def test_plans_are_not_mixed_and_nothing_is_guessed(
    neff: Callable[..., Any], pilot: Path, scores: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    saved = tmp_path / "saved.json"
    if "{saved}" in words:
        assert neff("evaluate", scores, "-o", saved).code == 0
    outcome = neff("plan", *(word.format(pilot=pilot, scores=scores, saved=saved) for word in words))
    assert outcome.code in (2, 3), outcome.err
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert "bug in neff" not in outcome.err
