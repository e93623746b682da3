"""`neff convert`: the file is the result; what was not read is said on stderr, stdout stays empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import neff as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_it_writes_one_table(neff: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"all{suffix}"
    outcome = neff("convert", *runs, "-o", target)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines()[-1] == f"neff: wrote {target}: 36 draws"
    expected = package.evaluate([str(path) for path in runs])
    found = package.evaluate(target)
    assert [(e.model, e.value, e.standard_error) for e in found.estimates] == [
        (e.model, e.value, e.standard_error) for e in expected.estimates
    ]


def test_columns_and_kept_columns(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert neff("convert", scores, "-o", target, "--cluster", "topic", "-q").err == ""
    assert target.read_text().splitlines()[0] == "item,model,task,metric,draw,score,cluster"
    assert neff("convert", scores, "-o", target, "--item", "item", "--keep", "topic").code == 0
    assert target.read_text().splitlines()[0] == "item,model,task,metric,draw,score,topic"


def test_what_was_not_read_is_said(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    (scores.parent / "notes.md").write_text("# no records")
    outcome = neff("convert", scores.parent, "-o", tmp_path / "out.jsonl")
    assert outcome.code == 0
    assert f"neff: not read: {scores.parent}/notes.md: the format is not known." in outcome.err
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 69


def test_a_folder_is_a_store_of_every_eval_ever(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    outcome = neff("convert", scores, "-o", tmp_path / "store")
    assert outcome.code == 0
    assert "3 logs of Every-Eval-Ever, each with its samples" in outcome.err
    assert package.read(tmp_path / "store").model.levels == ("fair", "good", "poor")


def test_exit_codes(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    assert neff("convert", scores).code == 2
    assert neff("convert", "-o", tmp_path / "out.csv").code == 2
    assert neff("convert", scores, "-o", scores).code == 2
    assert neff("convert", scores, "-o", tmp_path / "out.docx").code == 2
    assert neff("convert", scores, "-o", tmp_path / "nowhere" / "out.csv").code == 2
    assert neff("convert", tmp_path / "nowhere.csv", "-o", tmp_path / "out.csv").code == 3
    assert scores.read_text().startswith("item,model,score,topic\n")


def test_stdin(neff: Callable[..., Any], scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scores.open("rb") as content:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": content})())
        assert neff("convert", "-", "-o", tmp_path / "out.csv").code == 0
    assert len(package.read(tmp_path / "out.csv")) == 69
