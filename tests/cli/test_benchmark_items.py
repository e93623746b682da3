"""`neff benchmark fit`, `next` and `replay`: the numbers of the library, files, formats, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.benchmark import ItemBank, fit_irt, next_items

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N, J = 113, 31


@pytest.fixture(scope="module")
def right() -> Any:
    rng = np.random.default_rng(1)
    a, b, theta = np.exp(rng.normal(0, 0.4, J)), rng.normal(0, 1, J), rng.normal(size=N)
    answers = (rng.random((N, J)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(int)
    answers[:, 4] = 1 - answers[:, 4]
    answers[:, 9] = 1
    return answers


@pytest.fixture
def matrix(right: Any, tmp_path: Path) -> Path:
    path = tmp_path / "matrix.csv"
    rows = [",".join(["item", "topic", *(f"m{i:03d}" for i in range(N))])]
    rows += [",".join([f"q{j:02d}", "xyz"[j % 3], *map(str, right[:, j])]) for j in range(J)]
    path.write_text("\n".join(rows) + "\n")
    return path


WIDE = ("--item", "item", "--model", "m*")


@pytest.fixture
def bank(neff: Callable[..., Any], matrix: Path, tmp_path: Path) -> Path:
    path = tmp_path / "bank.json"
    outcome = neff("benchmark", "fit", matrix, *WIDE, "--content", "topic", "-o", path, "-q")
    assert outcome.code == 0, outcome.err
    return path


def test_fit_is_that_of_the_library(right: Any, bank: Path) -> None:
    saved = ItemBank.load(bank)
    ours = fit_irt(right, items=[f"q{j:02d}" for j in range(J)])
    assert saved.difficulty == pytest.approx(ours.difficulty, nan_ok=True)
    assert saved.discrimination == pytest.approx(ours.discrimination, nan_ok=True)
    assert saved.content == tuple("xyz"[j % 3] for j in range(J))
    assert [item for item, bad in zip(saved.items, saved.suspect, strict=True) if bad] == ["q04"]
    assert saved.reasons is not None
    assert str(saved.reasons["q09"]) == "all scores equal"


def test_fit_in_every_format(neff: Callable[..., Any], matrix: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"out.{suffix}" for suffix in ("html", "md", "json", "csv", "txt", "parquet")]
    words = [word for path in files for word in ("-o", path)]
    outcome = neff("benchmark", "fit", matrix, *WIDE, *words)
    assert outcome.code == 0, outcome.err
    assert "Suspected items" in outcome.out
    assert "Precision by ability" in outcome.out
    assert all(path.stat().st_size > 100 for path in files)
    assert "<svg" in files[0].read_text()
    assert "q04" in files[3].read_text()


def test_the_category_is_no_model_where_every_column_is_one(
    neff: Callable[..., Any], matrix: Path, bank: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wide.json"
    outcome = neff("benchmark", "fit", matrix, "--item", "item", "--wide", "--content", "topic", "-o", path, "-q")
    assert outcome.code == 0, outcome.err
    assert path.read_bytes() == bank.read_bytes()


def test_next_without_answers_and_with_some(neff: Callable[..., Any], bank: Path, tmp_path: Path) -> None:
    outcome = neff("benchmark", "next", bank, "--json")
    assert outcome.code == 0, outcome.err
    first = json.loads(outcome.out)
    assert first["schema"] == "neff.next-items/1"
    assert first["ability"]["value"] is None
    assert first["ability"]["reason"] == "no values"
    answers = tmp_path / "answers.csv"
    name = first["next"][0]["item"]
    answers.write_text(f"item,score\n{name},1\nq02,0\nunheard-of,1\n")
    outcome = neff("benchmark", "next", bank, answers, "--batch", "4", "--balance", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    ours = next_items(ItemBank.load(bank), [1, 0], items=[name, "q02"], batch=4, balance=True)
    assert [row["item"] for row in found["next"]] == list(ours.items)
    assert found["ability"]["value"] == pytest.approx(ours.ability.value)
    assert found["n_unknown"] == 1
    assert any("not in the bank" in note for note in found["notes"])
    assert "Run next: " in neff("benchmark", "next", bank, answers).out


def test_next_stops(neff: Callable[..., Any], bank: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.csv"
    answers.write_text("item,score\n" + "".join(f"q{j:02d},{j % 2}\n" for j in range(J)))
    outcome = neff("benchmark", "next", bank, answers, "--delta", "0.6", "--json")
    found = json.loads(outcome.out)
    assert found["finished"]
    assert found["next"] == []
    assert "below 0.600" in found["stopped"]
    assert "The test has finished" in neff("benchmark", "next", bank, answers, "--max-items", "5").out


def test_replay_with_and_without_a_bank(neff: Callable[..., Any], matrix: Path, bank: Path, tmp_path: Path) -> None:
    page = tmp_path / "replay.html"
    outcome = neff("benchmark", "replay", matrix, *WIDE, "--budgets", "3,10", "--seed", "1", "-o", page)
    assert outcome.code == 0, outcome.err
    assert "random-irt" in outcome.out
    assert "<svg" in page.read_text()
    one = neff("benchmark", "replay", matrix, *WIDE, "--budgets", "3,10", "--seed", "1", "--json").out
    assert json.loads(one)["schema"] == "neff.fluid-replay/1"
    assert one == neff("benchmark", "replay", matrix, *WIDE, "--budgets", "3,10", "--seed", "1", "--json").out
    outcome = neff("benchmark", "replay", matrix, *WIDE, "--bank", bank, "--budgets", "5", "--checkpoints", "--json")
    rows = json.loads(outcome.out)["rows"]
    assert {row["method"] for row in rows} == {"fluid", "random", "random-irt", "all", "all-irt"}
    assert all(row["monotonicity"] is not None for row in rows)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("next", "{matrix}"), 3, "is not JSON"),
        (("next", "{missing}"), 3, "cannot be read"),
        (("next", "{bank}", "--delta", "small"), 2, "a number or gap"),
        (("fit", "{matrix}", *WIDE, "--content", "colour"), 3, "colour"),
        (("fit", "{matrix}", *WIDE, "--irt", "3pl"), 2, "above 0"),
        (("fit",), 2, "at least one file"),
        (("replay", "{matrix}", *WIDE, "--budgets", "few"), 2, "whole numbers"),
        (("replay", "{matrix}", *WIDE, "--share", "0.001"), 2, "two models"),
        (("next", "{bank}", "{matrix}", *WIDE), 2, "of one model"),
    ],
)
def test_refusals(
    neff: Callable[..., Any], matrix: Path, bank: Path, tmp_path: Path, words: Any, code: int, said: str
) -> None:
    places = {"matrix": matrix, "bank": bank, "missing": tmp_path / "none.json"}
    outcome = neff("benchmark", *(word.format(**places) for word in words))
    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert "Traceback" not in outcome.err
