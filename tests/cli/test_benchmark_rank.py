"""`neff benchmark rank`: the values of the library on real battles, every kind of file, refusals."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_real_battles(neff: Callable[..., Any], neff_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "ranking.html"
    outcome = neff("benchmark", "rank", neff_data / "llmfao.csv", "--no-position", "--json", "-o", page)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    best = found["players"][0]
    assert (best["name"], math.exp(best["strength"])) == ("GPT 4", pytest.approx(2.693589, abs=5e-7))
    assert found["position_effect"] is None
    assert "GPT 4" in page.read_text()
    shown = neff("benchmark", "rank", neff_data / "llmfao.csv", "--cluster", "worker")
    assert "The judge prefers the left place" in shown.out


ROWS = [
    ("a", "b", "left"),
    ("b", "a", "left"),
    ("b", "c", "tie"),
    ("c", "b", "left"),
    ("a", "c", "left"),
    ("c", "a", "right"),
]


def written(path: Path, kind: str) -> Path:
    import gzip

    text = "model_a,model_b,winner\n" + "".join(f"{x},{y},{w}\n" for x, y, w in ROWS)
    if kind == "csv":
        path.write_text(text)
    elif kind == "csv.gz":
        with gzip.open(path, "wt") as file:
            file.write(text)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"left": x, "right": y, "winner": w}) + "\n" for x, y, w in ROWS))
    else:
        import duckdb

        csv = path.with_suffix(".csv")
        csv.write_text(text)
        duckdb.sql(f"COPY (SELECT * FROM read_csv('{csv}')) TO '{path}' (FORMAT PARQUET)")
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
def test_every_kind_of_file(neff: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    path = written(tmp_path / f"battles.{kind}", kind)
    outcome = neff("benchmark", "rank", path, "--no-position", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["players"][0]["name"] == "a"


def test_a_judge(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "judge.csv"
    path.write_text("first,second,probability\na,b,0.9\nb,a,0.8\na,c,0.95\nc,a,0.6\nb,c,0.7\nc,b,0.65\n")
    outcome = neff("benchmark", "rank", path, "--judge")
    assert outcome.code == 0, outcome.err
    assert "first place wins" in outcome.out or "The first place wins" in outcome.out
    ranked = neff("benchmark", "rank", path, "--json")
    assert json.loads(ranked.out)["position_effect"]["value"] > 0.5


@pytest.mark.parametrize(
    ("content", "words", "code", "message"),
    [
        ("a,b\n1,2\n", (), 2, "--winner must be a column"),
        ("left,right,winner\n", (), 3, "there are no rows"),
        ("left,right,winner\na,b,left,more\n", (), 3, "line 2: the row has 4 fields"),
        ("left,right,winner\na,b,maybe\n", (), 2, "'left', 'right' or 'tie'"),
        ("left,right,winner\na,b,left\n", ("--cluster", "judge"), 2, "judge"),
        ("left,right,winner\na,b,left\n", ("--model", "elo"), 2, "elo"),
    ],
)
def test_refusals(
    neff: Callable[..., Any], tmp_path: Path, content: str, words: tuple[str, ...], code: int, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    outcome = neff("benchmark", "rank", path, *words)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err


def test_a_missing_file_and_broken_bytes(neff: Callable[..., Any], tmp_path: Path) -> None:
    assert neff("benchmark", "rank", tmp_path / "none.csv").code == 3
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b'{"left": "a"\n\xff')
    outcome = neff("benchmark", "rank", broken)
    assert outcome.code == 3
    assert "broken.jsonl, line 1: is not JSON" in outcome.err
    for name, content in (("no.parquet", b"PAR1 and nothing"), ("no.csv", bytes(range(256))), ("no.jsonl", b"{}\n[1]")):
        path = tmp_path / name
        path.write_bytes(content)
        outcome = neff("benchmark", "rank", path)
        assert outcome.code in (2, 3)
        assert name in outcome.err or "--left" in outcome.err
        assert "bug in neff" not in outcome.err


def test_tables_as_people_have_them(neff: Callable[..., Any], tmp_path: Path) -> None:
    """A byte order mark, semicolons, tabs, an empty first verdict, a late key, names that look like numbers."""
    tables = {
        "bom.csv": "\ufeffleft,right,winner\n007,b,left\nb,007,left\n",
        "semicolons.csv": "left;right;winner\n007;b;left\nb;007;left\n",
        "tabs.tsv": "left\tright\twinner\n007\tb\tleft\nb\t007\tleft\n",
        "empty.csv": "left,right,winner\n007,b,\n007,b,left\nb,007,left\n",
        "late.jsonl": '{"left": "007", "right": "b"}\n'
        + "".join(f'{{"left": "{x}", "right": "{y}", "winner": "left"}}\n' for x, y in (("007", "b"), ("b", "007"))),
    }
    for name, text in tables.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        outcome = neff("benchmark", "rank", path, "--no-position", "--json")
        assert outcome.code == 0, (name, outcome.err)
        found = json.loads(outcome.out)
        assert ({p["name"] for p in found["players"]}, found["n_battles"]) == ({"007", "b"}, 2), name


def test_a_covariate_beside_missing_verdicts(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "battles.csv"
    rows = "".join(f"{x},{y},{w},{k % 5}\n" for k, (x, y, w) in enumerate(ROWS * 4))
    path.write_text(f"left,right,winner,length\na,b,None,1\n{rows}b,a, ,2\n")
    outcome = neff("benchmark", "rank", path, "--covariate", "length", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["n_dropped"] == 2
    path.write_text(f"left,right,winner,length\na,b,left,long\n{rows}")
    assert (
        "a number in every row, got 'long'. See row 1." in neff("benchmark", "rank", path, "--covariate", "length").err
    )


def test_letters_take_no_column_that_is_not_there(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"  # the reader adds the name of the file to each row, a single letter here
    path.write_text("question,gold,m\n1,A,A\n2,B,B\n")
    outcome = neff("benchmark", "letters", path, "--gold", "gold", "--json")
    assert [m["model"] for m in json.loads(outcome.out)["models"]] == ["m"], outcome.err


def test_an_undefeated_model_is_named(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("left,right,winner\nhero,b,left\nhero,c,left\nb,c,left\nc,b,left\n")
    outcome = neff("benchmark", "rank", path, "--no-position")
    assert outcome.code == 0
    assert "always won" in outcome.out
    assert "hero" in outcome.out


def test_letters_of_real_models(neff: Callable[..., Any], neff_data: Path, tmp_path: Path) -> None:
    path, page = neff_data / "mmlu_pro_predictions.parquet", tmp_path / "letters.html"
    words = ("--gold", "gold", "--options", "nopt", "--n-options", "10")
    outcome = neff("benchmark", "letters", path, *words, "--json", "-o", page)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert len(found["models"]) == 29
    assert found["accuracy_and_divergence"] < found["accuracy_and_bias"] < 0
    assert "Mistral-7B-Instruct-v0.1" in page.read_text()
    assert neff("benchmark", "letters", path).code == 2
    assert "nobody" in neff("benchmark", "letters", path, *words, "--model", "nobody").err
