"""Bad command lines and bad files: one sentence with the fix on stderr, exit code 2 or 3, nothing anywhere else."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USAGE, UNREADABLE = 2, 3

OPTIONS = [
    ("--level", "95", "Did you mean 0.95?"),
    *(("--level", value, "--level must be") for value in ("0", "1", "-0.5", "1.5", "nan", "inf", "-inf", "1e400")),
    *(("--level", value, "--level must be a number") for value in ("abc", "0,95", "95%", "", "0.9.5", "½", "0x1")),
    *(("--margin", value, "--margin must be") for value in ("-0.1", "nan", "inf", "-inf", "abc", "")),
    *(("--n-resamples", value, "--n-resamples must be") for value in ("0", "-5", "99", "1.5", "nan", "inf", "abc")),
    *(("--seed", value, "--seed must be") for value in ("-1", "1.5", "nan", "abc", "", "1e-3")),
    ("--correction", "holms", 'Did you mean "holm"?'),
    ("--correction", "HOLM", "holm"),
    ("--correction", "", "Choose from"),
    ("--correction", "bh", "benjamini-hochberg"),
    ("--aggregate", "mean", "macro"),
    ("--aggregate", "Macro", 'Did you mean "macro"?'),
    ("--unscored", "zero", "exclude"),
    ("--unscored", "excluded", 'Did you mean "exclude"?'),
    ("--test", "t", "mcnemar"),
    ("--test", "permutations", 'Did you mean "permutation"?'),
    ("--by-file", "model", 'Did you mean "models"?'),
    ("--format", "xlsx", "table"),
    ("--format", "jsn", 'Did you mean "json"?'),
    ("--item", "itm", "Did you mean 'item'"),
    ("--item", "Item", "Did you mean 'item'"),
    ("--item", "", "--item must be the name of a column"),
    ("--model", "modle", "Did you mean 'model'"),
    ("--model", "gpt-*", "--model"),
    ("--model", "[", "--model"),
    ("--score", "scroe", "Did you mean 'score'"),
    ("--score", "topic", "score"),
    ("--draw", "epoch", "--draw"),
    ("--task", "tsk", "--task"),
    ("--metric", "\x1b[31mred", "\\x1b[31mred"),
    ("--cluster", "topics", "Did you mean 'topic'"),
    ("--label", "gold", "--label"),
    ("--label", "topic", "label"),
    ("--weight", "w", "--weight"),
    ("--weight", "topic", "weight"),
    ("--target", "gold", "--target"),
    ("--target", "../../etc/passwd", "--target"),
    ("--score", "item", "item"),
    ("--fail-if", "", "this is not STAT(WHAT) OP NUMBER"),
    ("--fail-if", "lower(diff)", "this is not STAT(WHAT) OP NUMBER"),
    ("--fail-if", "loweer(diff) < 0", "Did you mean 'lower'"),
    ("--fail-if", "lower(diff) < nan", "finite"),
    ("--fail-if", "value(score[goood]) < 1", "Did you mean 'good'"),
    ("--fail-if", "value(diff[good,fiar]) < 1", "Did you mean 'fair'"),
    ("--fail-if", "__import__('os').system('true') < 0", "this is not STAT(WHAT) OP NUMBER"),
    ("--zzz", "3", "See `neff evaluate --help`"),
    ("--lvel", "0.9", "Did you mean --level?"),
    ("--clustr", "topic", "Did you mean --cluster?"),
    ("--quiet=perhaps", None, "--quiet"),
    ("--json=maybe", None, "--json"),
    ("--strict=2", None, "--strict"),
    ("--level", None, "--level needs a value"),
    ("--item", None, "--item needs a value"),
    ("-o", None, "needs a value"),
    ("-x", None, "-x"),
]


def check(outcome: Any, *codes: int, hint: str = "") -> None:
    assert outcome.code in codes, outcome.err
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("neff: ")
    assert "Traceback" not in outcome.err
    assert "bug in neff" not in outcome.err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", outcome.err)
    assert hint in lines[0]


@pytest.mark.parametrize(("option", "value", "hint"), OPTIONS)
def test_options(
    neff: Callable[..., Any], scores: Path, tmp_path: Path, option: str, value: str | None, hint: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    words = [option] if value is None else [f"{option}={value}"] if value.startswith("-") else [option, value]
    output = [] if option == "-o" else ["-o", tmp_path / "out.json"]
    check(neff("evaluate", scores, *output, *words), USAGE, UNREADABLE, hint=hint)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ("--level", "0.9", "--level", "0.8"),
        ("--item", "item", "--item", "model"),
        ("--json", "--format", "md"),
        ("--json", "--format", "table"),
        ("--cluster", "topic", "--cluster", "item", "--cluster", "model"),
        ("--model", "good", "--model", "fair"),
        ("--wide", "--score", "score"),
        ("--score", "score", "--label", "score"),
        ("--no-compare", "--fail-if", "lower(diff) < 0"),
        ("--no-wide",),
        ("-qx",),
        ("---json",),
        ("--", "--json"),
    ],
)
def test_options_that_contradict_each_other(neff: Callable[..., Any], scores: Path, words: tuple[str, ...]) -> None:
    check(neff("evaluate", scores, *words), USAGE, UNREADABLE)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("evaluate", ()),
        ("compare", ()),
        ("compare", ("{scores}",)),
        ("compare", ("{scores}", "{scores}", "{scores}")),
        ("compare", ("{scores}", "{scores}")),
        ("compare", ("{scores}", "--a", "good")),
        ("compare", ("{scores}", "--b", "good")),
        ("compare", ("{scores}", "--a", "good", "--b", "good")),
        ("compare", ("{scores}", "--a", "good", "--b", "fiar")),
        ("compare", ("{scores}", "--a", "", "--b", "fair")),
        ("compare", ("{scores}", "--a", "good", "--b", "fair", "--power", "80")),
        ("compare", ("{scores}", "--a", "good", "--b", "fair", "--power", "nan")),
        ("compare", ("{scores}", "missing.csv")),
        ("plan", ()),
        ("plan", ("{scores}", "--difference", "-0.1")),
        ("plan", ("{scores}", "--difference", "0")),
        ("plan", ("{scores}", "--difference", "nan")),
        ("plan", ("{scores}", "--difference", "two")),
        ("plan", ("{scores}", "--power", "80")),
        ("plan", ("{scores}", "--power", "0")),
        ("plan", ("{scores}", "--level", "95")),
        ("plan", ("{scores}", "--comparisons", "0")),
        ("plan", ("{scores}", "--comparisons", "1.5")),
        ("plan", ("{scores}", "--a", "goood")),
        ("plan", ("{scores}", "--b", "goood")),
        ("plan", ("{scores}", "--format", "junit")),
        ("plan", ("{scores}", "-o", "plan.xml")),
        ("demo", ("--format", "junit")),
        ("doctor", ()),
        ("doctor", ("missing.csv",)),
        ("doctor", ("{scores}", "--item", "itm", "--level", "3")),
        ("report", ()),
        ("report", ("missing.json",)),
        ("report", ("{scores}",)),
        ("report", (".",)),
        ("report", ("{scores}", "more.json")),
        ("demo", ("--level", "95")),
        ("demo", ("extra",)),
        ("completion", ()),
        ("completion", ("tcsh",)),
        ("evalute", ("{scores}",)),
        ("Evaluate", ("{scores}",)),
        ("", ()),
        ("--json", ("evaluate", "{scores}")),
        ("evaluate\x1b[2J", ()),
        ("help", ()),
    ],
)
def test_verbs(
    neff: Callable[..., Any],
    scores: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    check(neff(verb, *(word.format(scores=scores) for word in words)), USAGE, UNREADABLE)


HOSTILE = {
    "empty.csv": b"",
    "blank.csv": b"\n \n\n",
    "header_only.csv": b"item,model,score\n",
    "one_column.csv": b"item\nq1\n",
    "no_score.csv": b"item,model,topic\nq1,a,t\n",
    "no_item.csv": b"model,score\na,1\n",
    "ragged.csv": b"item,model,score\nq1,a,1\nq2,a\n",
    "too_many.csv": b"item,model,score\nq1,a,1,2,3\n",
    "words_as_scores.csv": b"item,model,score\nq1,a,good\nq2,a,bad\n",
    "infinite.csv": b"item,model,score\nq1,a,inf\nq2,a,1\n",
    "negative_weight.csv": b"item,model,score,weight\nq1,a,1,-1\nq2,a,0,1\n",
    "twice.csv": b"item,model,score,draw\nq1,a,1,0\nq1,a,0,0\n",
    "double_name.csv": b"item,item,model,score\n1,2,a,1\n",
    "empty_item.csv": b"item,model,score\n,a,1\nq2,a,0\n",
    "empty_model.csv": b"item,model,score\nq1,,1\nq2,a,0\n",
    "latin1.csv": "item,model,score\nqé,a,1\n".encode("latin-1"),
    "nul.csv": b"item,model,score\nq\x00,a,1\n\x00\x00\x00\x00",
    "open_quote.csv": b'item,model,score\n"q1,a,1\nq2,a,0\n',
    "binary.csv": bytes(range(256)) * 16,
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "page.html": b"<!doctype html><p>scores</p>",
    "cut.jsonl": b'{"item": "q1", "model": "a", "score": 1}\n{"item": "q2", "mod',
    "array.jsonl": b"[1, 2, 3]\n[4, 5]\n",
    "nan.jsonl": b'{"item": "q1", "model": "a", "score": Infinity}\n',
    "deep.json": b"[" * 100_000,
    "object.json": b'{"a": 1}',
    "number.json": b"3",
    "null.json": b"null",
    "cut.parquet": b"PAR1" + bytes(40),
    "false.parquet": b"not a parquet file",
    "false.eval": b"PK\x03\x04" + bytes(30),
    "cut.csv.gz": gzip.compress(b"item,model,score\n" + b"q1,a,1\n" * 999)[:40],
    "false.csv.gz": b"\x1f\x8b\x08\x00garbage",
    "pickle.pkl": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "database.db": b"SQLite format 3\x00" + bytes(80),
    "\x1b[31mred\x07.csv": b"",
    "$(touch owned).csv": b"",
    "-rf.csv": b"",
    "line\nbreak.csv": b"",
    "a" * 200 + ".csv": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("verb", ["evaluate", "plan"])
def test_files(neff: Callable[..., Any], tmp_path: Path, name: str, verb: str) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    check(neff(verb, path, "-o", tmp_path / "out.json"), UNREADABLE, hint="")
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [name for name in HOSTILE if HOSTILE[name].strip()])
def test_doctor_says_what_is_wrong_on_stdout(neff: Callable[..., Any], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    outcome = neff("doctor", path)
    assert outcome.code == UNREADABLE
    assert outcome.err == ""
    assert "problem" in outcome.out


def test_zip_bomb_member_names_and_empty_archives(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "empty.eval"
    with zipfile.ZipFile(path, "w"):
        pass
    check(neff("evaluate", path), UNREADABLE)


@pytest.mark.parametrize(
    "path",
    ["missing.csv", "missing/", "no/such/folder/x.csv", "\x00.csv", "scores.csv/inside.csv", "a" * 5000, "~nobody/x"],
)
def test_paths_that_are_not_there(
    neff: Callable[..., Any], scores: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(scores.parent)
    check(neff("evaluate", path), USAGE, UNREADABLE)


def test_an_empty_folder(neff: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    check(neff("evaluate", tmp_path / "runs"), UNREADABLE)
    check(neff("doctor", tmp_path / "runs"), UNREADABLE)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(neff: Callable[..., Any], scores: Path) -> None:
    scores.chmod(0)
    check(neff("evaluate", scores), UNREADABLE, hint="chmod")


@pytest.mark.parametrize(
    "target",
    [
        "out.docx",
        "out",
        "out.json.",
        ".json",
        "folder",
        "folder/",
        "missing/out.json",
        "scores.csv/out.json",
        "scores.csv",
    ],
)
def test_outputs_are_refused_before_anything_is_read(
    neff: Callable[..., Any], scores: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    from neff.records import big as room

    monkeypatch.chdir(scores.parent)
    (scores.parent / "folder").mkdir()
    before = {path: path.read_bytes() for path in scores.parent.rglob("*") if path.is_file()}
    monkeypatch.setattr(room, "load", lambda *_, **__: pytest.fail("the records were read"))
    check(neff("evaluate", scores, "-o", target), USAGE)
    assert {path: path.read_bytes() for path in scores.parent.rglob("*") if path.is_file()} == before


def test_one_file_is_written_once(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    check(neff("evaluate", scores, "-o", tmp_path / "a.json", "-o", tmp_path / "a.json"), USAGE)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"schema": "neff.evaluation/1"}',
        b'{"schema": "neff.evaluation/99", "estimates": []}',
        b'{"schema": "neff.evaluation/1", "estimates": 3}',
        b'{"schema": "neff.evaluation/1", "estimates": [{"value": "x"}], "comparisons": [], "level": 0.95}',
        b'{"schema": "neff.evaluation/1", "estimates": [',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_saved_results_that_are_damaged(neff: Callable[..., Any], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    check(neff("report", path, "-o", tmp_path / "out.md"), UNREADABLE)
    assert list(tmp_path.iterdir()) == [path]


def test_there_are_at_least_a_hundred_cases() -> None:
    assert len(OPTIONS) + 2 * len(HOSTILE) > 140
