"""`neff compare`: two runs, or two models of one set of records; paired, with what could be seen."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import neff as package
from neff.evaluate import minimum_detectable_effect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def evaluation(outcome: Any) -> package.Evaluation:
    assert outcome.code == 0, outcome.err
    return package.Evaluation.from_dict(json.loads(outcome.out))


def test_two_runs_are_paired_by_item(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    result = evaluation(neff("compare", *runs, "--json"))
    (pair,) = result.comparisons
    assert (pair.a, pair.b, pair.n_items, pair.n_unmatched) == ("run_a", "run_b", 17, 2)
    expected = package.compare(*runs).comparisons[0]
    assert pair == expected
    assert pair.difference > 0.1


def test_the_second_run_is_subtracted(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    forward = evaluation(neff("compare", *runs, "--json")).comparisons[0]
    backward = evaluation(neff("compare", *runs[::-1], "--json")).comparisons[0]
    assert (backward.a, backward.b) == ("run_b", "run_a")
    assert backward.difference == pytest.approx(-forward.difference, abs=1e-15)


def test_runs_of_the_same_model_are_told_apart_by_their_files(
    neff: Callable[..., Any], runs: tuple[Path, Path]
) -> None:
    for path in runs:
        path.write_text(re.sub(r"\n(q\d+),", r"\n\1,m,", path.read_text()).replace("item,", "item,model,"))
    pair = evaluation(neff("compare", *runs, "--json")).comparisons[0]
    assert (pair.a, pair.b) == ("m (run_a)", "m (run_b)")


def test_a_run_may_be_a_folder(neff: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path) -> None:
    folders = []
    for path in runs:
        folder = tmp_path / f"folder_{path.stem}"
        folder.mkdir()
        path.rename(folder / "scores.csv")
        folders.append(folder)
    pair = evaluation(neff("compare", *folders, "--json")).comparisons[0]
    assert (pair.n_items, pair.n_unmatched) == (17, 2)


def test_two_models_of_one_file(neff: Callable[..., Any], scores: Path) -> None:
    result = evaluation(neff("compare", scores, "--a", "poor", "--b", "good", "--json"))
    (pair,) = result.comparisons
    assert (pair.a, pair.b, pair.n_items) == ("poor", "good", 23)
    assert pair.difference == pytest.approx((4 - 20) / 23, abs=1e-12)
    assert {estimate.model for estimate in result.estimates} == {"poor", "good"}


def test_two_columns_of_a_wide_file(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("item,x,y,z\n" + "".join(f"q{j},{j % 2},{int(j % 3 == 0)},word\n" for j in range(11)))
    for words in (("--wide",), ("--model", "x", "--model", "y")):
        pair = evaluation(neff("compare", path, *words, "--a", "x", "--b", "y", "--json")).comparisons[0]
        assert pair.difference == pytest.approx(5 / 11 - 4 / 11, abs=1e-12)


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_what_could_be_seen_is_said(neff: Callable[..., Any], runs: tuple[Path, Path], power: float) -> None:
    outcome = neff("compare", *runs, "--power", power, "--json")
    effect = minimum_detectable_effect(package.compare(*runs).comparisons[0], power=power)
    sentence = f"17 common items show a true difference of {effect:.4f} with power {power:g}"
    assert sentence in outcome.err
    assert any(sentence in note for note in json.loads(outcome.out)["notes"])
    assert sentence in " ".join(neff("compare", *runs, "--power", power).out.split())


def test_the_detectable_effect_is_of_the_average_where_there_is_one(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    rows = [f"q{j},{m},{t},{(j * (2 + k)) % 7}" for t in ("t", "u") for j in range(13) for k, m in enumerate("ab")]
    path.write_text("item,model,task,score\n" + "\n".join(rows) + "\n")
    words = ("compare", path, "--task", "task", "--a", "a", "--b", "b", "-q", "--json")
    notes = json.loads(neff(*words).out)["notes"]
    assert [note[: note.index(":")] for note in notes if "Minimum" in note] == [
        "Minimum detectable effect on macro average"
    ]
    notes = json.loads(neff(*words, "--aggregate", "none").out)["notes"]
    assert [note[: note.index(":")] for note in notes if "Minimum" in note] == [
        "Minimum detectable effect on t",
        "Minimum detectable effect on u",
    ]


def test_gates_of_the_pair(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    assert neff("compare", *runs, "--fail-if", "lower(diff) < 0").code == 0
    failed = neff("compare", *runs[::-1], "--fail-if", "upper(diff) < 0", "-q")
    assert failed.code == 1
    assert failed.err.startswith("neff: gate failed: upper(diff) < 0: upper of run_b - run_a is -0.")
    assert neff("compare", *runs, "--fail-if", "unmatched(diff) > 0").code == 1
    assert neff("compare", *runs, "--fail-if", "value(score[run_a]) < value").code == 2


def test_strict(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    assert neff("compare", *runs, "--strict").code == 0
    outcome = neff("compare", *runs, "--margin", "0.12", "--strict", "-q")
    assert outcome.code == 4
    assert outcome.err == "neff: inconclusive (--strict): run_a and run_b are not told apart on all.\n"


def test_runs_without_common_items_are_refused(
    neff: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    runs[1].write_text(runs[1].read_text().replace("\nq", "\nother"))
    outcome = neff("compare", *runs, "-o", tmp_path / "out.json")
    assert outcome.code == 3
    assert "no scored item in common" in outcome.err
    assert not (tmp_path / "out.json").exists()


def test_a_run_with_several_models_says_how_to_name_them(
    neff: Callable[..., Any], scores: Path, runs: tuple[Path, Path]
) -> None:
    outcome = neff("compare", scores, runs[0])
    assert outcome.code == 2
    assert "good" in outcome.err
    assert "--a MODEL --b MODEL" in outcome.err


def test_livebench(neff: Callable[..., Any], neff_data: Path) -> None:
    outcome = neff(
        "compare", neff_data / "livebench.parquet", "--item", "question_id", "--model", "model", "--score", "score",
        "--cluster", "task", "--a", "gpt-4o-2024-08-06", "--b", "claude-3-5-sonnet-20240620", "--json", "-q",
    )  # fmt: skip
    pair = evaluation(outcome).comparisons[0]
    assert (pair.difference, pair.standard_error) == (
        pytest.approx(-0.03056, abs=5e-6),
        pytest.approx(0.01925, abs=5e-6),
    )
    assert str(pair.verdict) == "undecided"
