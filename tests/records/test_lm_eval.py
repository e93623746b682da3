"""Logs of lm-evaluation-harness, written by it (tests/fixtures/make_fixtures.py), against the numbers in them."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import NeffError, RecordsError
from neff.records.columns import ColumnMap
from neff.records.lm_eval import READER
from neff.records.read import read
from neff.records.reader import head_of
from neff.records.table import Records

LOGS = Path(__file__).parent.parent / "fixtures" / "lm_eval"
N = {"pick": 23, "cloze": 13, "words": 19}


def find(folder: str, pattern: str) -> Path:
    (path,) = (LOGS / folder).glob(pattern)
    return path


def load(path: Path, columns: ColumnMap | None = None, keep: Any = "all") -> Records:
    return READER.read(path, columns or ColumnMap(), keep)


def samples(task: str, model: str = "org__alpha") -> Path:
    return find(model, f"samples_{task}_*.jsonl")


def results(model: str) -> dict[str, Any]:
    return json.loads(find(model, "results_*.json").read_text())


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def cells(table: Records) -> dict[tuple[Any, ...], float | None]:
    """Return (task, metric, item, model) -> score, NaN as None."""
    keys = zip(table.task.names(), table.metric.names(), table.item.names(), table.model.names(), strict=True)
    return {key: None if math.isnan(v) else v for key, v in zip(keys, table.score.tolist(), strict=True)}


# ------------------------------------------------------------------------------- the producer's numbers


@pytest.mark.parametrize("model", ["org__alpha", "org__beta", "repeats/org__alpha"])
def test_means_and_standard_errors_are_those_of_the_harness(model: str) -> None:
    run = results(model)
    checked = 0
    for path in (LOGS / model).glob("samples_*.jsonl"):
        table = load(path)
        (task,) = table.task.levels
        for metric in table.metric.levels:
            scores = table.score[np.array(table.metric.names()) == metric]
            name, chosen = metric.partition(",")[::2]
            reported = run["results"][task]
            chosen = chosen or "none"
            assert len(scores) == run["n-samples"][task]["effective"]
            assert scores.mean() == pytest.approx(reported[f"{name},{chosen}"], rel=1e-12)
            error = scores.std(ddof=1) / np.sqrt(len(scores))
            assert error == pytest.approx(reported[f"{name}_stderr,{chosen}"], rel=1e-9)
            checked += 1
    assert checked == (2 if "repeats" in model else 5)


def test_the_models_differ() -> None:
    """Or a reader that mixed them up would pass the test above."""
    alpha, beta = (results(model)["results"] for model in ("org__alpha", "org__beta"))
    assert alpha["pick"]["acc,none"] != beta["pick"]["acc,none"]
    assert alpha["words"]["exact_match,strict-match"] != alpha["words"]["exact_match,flexible-extract"]


def test_rows_are_documents_times_metrics() -> None:
    table = load(samples("pick"))
    assert table.model.levels == ("org/alpha",)
    assert table.task.levels == ("pick",)
    assert table.metric.levels == ("acc", "acc_norm")
    assert len(table) == 2 * N["pick"]
    assert load(samples("words")).metric.levels == ("exact_match,flexible-extract", "exact_match,strict-match")


def test_two_runs_pair_by_document() -> None:
    both = Records.concat([load(samples("words")), load(samples("words", "org__beta"))])
    assert both.item.n_levels == N["words"]
    assert both.model.levels == ("org/alpha", "org/beta@step7")
    assert len(both) == 2 * 2 * N["words"]


@pytest.mark.parametrize("path", sorted(LOGS.rglob("*.json*")), ids=lambda path: path.name)
def test_recognised_by_content(path: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "no-suffix"
    renamed.write_bytes(path.read_bytes())
    assert READER.sniff(renamed, head_of(renamed))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b'{"results": []}',
        b'{"results": {"acc": 0.5}}',
        b'{"doc_id": 1, "score": 0.5}\n',
        b'{"version": 3, "results": [], "prompts": []}',
        b"doc_id,doc,filtered_resps\n1,2,3\n",
    ],
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("samples_x.jsonl"), head)


def test_a_long_document_is_recognised_by_its_first_keys() -> None:
    head = json.dumps({"doc_id": 0, "doc": {"text": "x" * (1 << 17)}, "target": "1"}).encode()[: 1 << 16]
    assert READER.sniff(Path("x"), head)


# -------------------------------------------------------------------------------------- the traps of lines


def test_equal_documents_are_told_apart_by_doc_id() -> None:
    table = load(samples("pick"))
    twins = [name for name in table.item.levels if "#" in name]
    assert [name.partition("#")[2] for name in twins] == ["17", "4"]
    assert len({name.partition("#")[0] for name in twins}) == 1
    assert table.item.n_levels == N["pick"]
    assert any("occurs more than once" in note for note in table.sources[0].notes)


def test_metrics_that_are_not_scores_of_documents_are_named() -> None:
    (note,) = (note for note in load(samples("pick")).sources[0].notes if "mcc" in note)
    assert note == "mcc is not read (parts of a corpus metric, not one number per document)"
    cloze = load(samples("cloze"))
    assert cloze.metric.levels == ("acc",)
    assert any("perplexity is not read (log-likelihoods" in note for note in cloze.sources[0].notes)


def test_a_re_run_replaces_lines(tmp_path: Path) -> None:
    lines = lines_of(samples("words"))
    path = write(tmp_path / samples("words").name, [{**line, "exact_match": 7.0} for line in lines[:5]] + lines)
    table = load(path)
    expected = cells(load(samples("words")))
    assert {key[:3]: v for key, v in cells(table).items()} == {key[:3]: v for key, v in expected.items()}
    assert any(note.startswith("5 lines came again") for note in table.sources[0].notes)


def test_repeats_are_noted() -> None:
    (note,) = load(find("repeats/org__alpha", "samples_*")).sources[0].notes
    assert note.startswith("3 responses per document")


@pytest.fixture
def of_repeats(tmp_path: Path) -> Path:
    """A run with one score for each of three responses, under one of its filters."""
    shutil.copytree(LOGS / "repeats" / "org__alpha", tmp_path / "run")
    (path,) = (tmp_path / "run").glob("samples_*")
    lines = lines_of(path)
    for i, line in enumerate(lines):
        if line["filter"] == "strict-match":
            line |= {"metrics": ["pass"], "pass": [float(i % 2), True, 0]}
    return write(path, lines)


def test_scores_of_each_response_are_draws(of_repeats: Path) -> None:
    table = load(of_repeats)
    assert table.metric.levels == ("exact_match,flexible-extract", "pass,strict-match")
    repeats = np.array(table.metric.names()) == "pass,strict-match"
    lines = [line for line in lines_of(of_repeats) if "pass" in line]
    assert table.score[repeats].tolist() == [float(value) for line in lines for value in line["pass"]]
    assert table.draw[repeats].tolist() == [0, 1, 2] * len(lines)
    assert set(table.draw[~repeats].tolist()) == {0}
    notes = table.sources[0].notes
    assert "pass: 3 responses per document, each with a score, are draws" in notes
    assert any(note.startswith("3 responses per document: the harness scored what its filter kept") for note in notes)
    assert load(of_repeats, ColumnMap(cluster="answer")).clusters[0].n_levels > 1


@pytest.mark.parametrize("value", [[1.0, 0.0], [1.0, 0.0, "x"], [[1.0], [0.0], [1.0]], {"a": 1}])
def test_lists_that_are_no_scores_of_responses_are_parts_of_corpus_metrics(value: Any, of_repeats: Path) -> None:
    lines = lines_of(of_repeats)
    for line in lines:
        if "pass" in line:
            line["pass"] = value
    table = load(write(of_repeats, lines))
    assert table.metric.levels == ("exact_match,flexible-extract",)
    assert any(note.startswith("pass,strict-match is not read (parts of") for note in table.sources[0].notes)


def test_a_pair_of_gold_and_predicted_is_not_taken_for_two_repeats(of_repeats: Path) -> None:
    lines = lines_of(of_repeats)
    for line in lines:
        line["resps"] = [responses[:2] for responses in line["resps"]]
        if "pass" in line:
            line |= {"metrics": ["mcc"], "mcc": [1, 0]}
    assert load(write(of_repeats, lines)).metric.levels == ("exact_match,flexible-extract",)


def test_lower_is_better_comes_from_the_results() -> None:
    table = load(find("repeats/org__alpha", "samples_*"))
    assert table.lower_is_better == {"exact_match,flexible-extract", "exact_match,strict-match"}
    assert load(samples("words")).lower_is_better == frozenset()


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    lines = lines_of(samples("cloze"))
    for line, value in zip(lines, [None, "0.5", True, "n/a", math.nan], strict=False):
        line["acc"] = value
    table = load(write(tmp_path / "samples_cloze.jsonl", lines))
    assert list(cells(table).values())[:5] == [None, 0.5, 1.0, None, None]
    assert any(note == "acc: 1 value that cannot be a score, counted as unscored" for note in table.sources[0].notes)


def test_a_mean_that_is_not_the_reported_one_is_noted(tmp_path: Path) -> None:
    shutil.copytree(LOGS / "org__alpha", tmp_path / "run")
    (path,) = (tmp_path / "run").glob("samples_cloze_*")
    lines = lines_of(path)
    (note,) = (note for note in load(write(path, lines[:-2])).sources[0].notes if note.startswith("acc:"))
    mean = np.mean([line["acc"] for line in lines[:-2]])
    reported = results("org__alpha")["results"]["cloze"]["acc,none"]
    assert note == f"acc: the mean of the documents is {mean:.6g}, the results file says {reported:.6g}"
    assert not any("results file says" in note for note in load(samples("cloze")).sources[0].notes)


def test_lines_of_older_versions(tmp_path: Path) -> None:
    """Without filter, list of metrics and hashes."""
    new = {"filter", "metrics", "doc_hash", "prompt_hash", "target_hash"}
    lines = [{key: value for key, value in line.items() if key not in new} for line in lines_of(samples("pick"))]
    table = load(write(tmp_path / "samples_pick.jsonl", lines))
    assert table.metric.levels == ("acc", "acc_norm")
    assert sorted(table.item.levels, key=int) == [str(i) for i in range(N["pick"])]
    assert table.score.tolist() == load(samples("pick")).score.tolist()


def test_a_task_with_corpus_metrics_only(tmp_path: Path) -> None:
    lines = [{key: v for key, v in line.items() if key != "acc"} for line in lines_of(samples("cloze"))]
    path = write(tmp_path / "samples_cloze.jsonl", [line | {"metrics": ["perplexity"]} for line in lines])
    with pytest.raises(RecordsError, match="no score per document: perplexity is not read"):
        load(path)


# ---------------------------------------------------------------------------------- names, files, columns


def test_without_results_the_folder_names_the_model(tmp_path: Path) -> None:
    path = tmp_path / "org__gamma" / samples("words").name
    path.parent.mkdir()
    shutil.copy(samples("words"), path)
    table = load(path)
    assert table.model.levels == ("org__gamma",)
    assert table.task.levels == ("words",)


def test_damaged_results_do_not_hinder(tmp_path: Path) -> None:
    shutil.copytree(LOGS / "org__alpha", tmp_path / "org__alpha")
    (path,) = (tmp_path / "org__alpha").glob("results_*")
    path.write_bytes(path.read_bytes()[:1000])
    (words,) = (tmp_path / "org__alpha").glob("samples_words_*")
    assert load(words).model.levels == ("org__alpha",)


@pytest.mark.parametrize(
    ("change", "model"),
    [
        ({}, "org/beta@step7"),
        ({"config": {"model_args": {"pretrained": "org/beta", "revision": "main"}}}, "org/beta"),
        ({"config": {"model_args": {"revision": "step9"}}}, "org/beta@step9"),
        ({"model_name": None}, "org/beta@step7"),
        ({"model_name": None, "config": {"model": "dummy", "model_args": None}, "model_name_sanitized": None}, "dummy"),
    ],
)
def test_the_model_is_named_by_what_tells_runs_apart(change: dict[str, Any], model: str, tmp_path: Path) -> None:
    source = find("org__beta", "results_*")
    (tmp_path / source.name).write_text(json.dumps(results("org__beta") | change))
    path = tmp_path / samples("words", "org__beta").name
    shutil.copy(samples("words", "org__beta"), path)
    assert load(path).model.levels == (model,)


def test_results_without_samples_say_what_they_hold_and_what_to_do() -> None:
    with pytest.raises(RecordsError, match=r"only averages \(words exact_match,strict-match 0\.\d+.*--log_samples"):
        load(find("bare/org__alpha", "results_*"))


def test_results_with_samples_inside() -> None:
    table = load(LOGS / "embedded.json")
    run = json.loads((LOGS / "embedded.json").read_text())
    assert table.model.levels == ("org/alpha",)
    for metric in table.metric.levels:
        mean = table.score[np.array(table.metric.names()) == metric].mean()
        assert mean == pytest.approx(run["results"]["words"][metric], rel=1e-12)
    (source,) = table.sources
    assert source.n_rows == len(table) == 2 * N["words"]


def test_results_lead_to_the_samples_beside_them() -> None:
    table = load(find("org__alpha", "results_*"))
    parts = Records.concat([load(samples(task)) for task in N])
    assert cells(table) == cells(parts)


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "samples_words.jsonl.gz"
    path.write_bytes(gzip.compress(samples("words").read_bytes()))
    assert READER.sniff(path, head_of(path))
    assert load(path).score.tolist() == load(samples("words")).score.tolist()


@pytest.mark.parametrize("name", ["answer", "doc.answer"])
def test_cluster_names_a_field_of_the_document(name: str) -> None:
    table = load(samples("words"), ColumnMap(cluster=name))
    assert set(table.clusters[0].levels) <= {"lol", "lo", "la"}
    assert "doc.answer" not in table.extra
    assert "doc.question" in table.extra
    with pytest.raises(RecordsError, match=r"no sample has the doc key 'answers'.*'answer'"):
        load(samples("words"), ColumnMap(cluster="answers"))


# ---------------------------------------------------------------------------------------- hostile input


def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    whole = samples("words").read_bytes()
    path = tmp_path / "samples_words.jsonl"
    for length in range(0, len(whole), len(whole) // 97):
        path.write_bytes(whole[:length])
        complete = whole[:length].rstrip(b"\n").endswith(b"}") and whole[length - 1 : length + 1].count(b"\n") > 0
        if complete:
            assert len(load(path)) == whole[:length].count(b'"doc_id"')
            continue
        with pytest.raises(RecordsError, match=r"line|no score"):
            load(path)


@pytest.mark.parametrize("line", [b"[]", b"null", b"{}", b'{"doc_id": [1]}', b"\xff\xfe", b"[" * 100_000])
def test_a_bad_line_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "samples_words.jsonl"
    path.write_bytes(samples("words").read_bytes() + line + b"\n")
    with pytest.raises(RecordsError, match="line 39"):
        load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=7),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
EMBEDDED = json.loads((LOGS / "embedded.json").read_text())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@settings(max_examples=100, deadline=None)
@given(place=st.sampled_from(places(EMBEDDED)[1:]), value=JSON)
def test_any_value_in_any_place_of_results(place: tuple[Any, ...], value: Any, tmp_path_factory: Any) -> None:
    run = json.loads(json.dumps(EMBEDDED))
    inner = run
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path_factory.mktemp("odd") / "odd.json"
    path.write_text(json.dumps(run))
    try:
        table = load(path)
    except NeffError:
        return
    assert len(table) > 0


@settings(max_examples=100, deadline=None)
@given(data=st.data(), value=JSON)
def test_any_value_in_any_place_of_a_line(data: st.DataObject, value: Any, tmp_path_factory: Any) -> None:
    lines = lines_of(samples("pick"))
    inner: Any = lines[3]
    place = data.draw(st.sampled_from(places(inner)[1:]))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = write(tmp_path_factory.mktemp("odd") / "samples_pick.jsonl", lines)
    try:
        table = load(path, ColumnMap(cluster="gold"))
    except NeffError:
        return
    assert len(table) >= 2 * (N["pick"] - 1)


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=7))
def test_changed_bytes_raise_only_our_errors(changes: list[tuple[float, int]], tmp_path_factory: Any) -> None:
    data = bytearray(samples("cloze").read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path_factory.mktemp("changed") / "samples_cloze.jsonl"
    path.write_bytes(data)
    try:
        table = load(path)
    except NeffError:
        return
    assert len(table) > 0


def test_a_folder_is_read_once_results_and_samples() -> None:
    table = read(LOGS / "org__alpha", strict=True)
    assert len(table.sources) == len(N)
    assert cells(table) == cells(load(find("org__alpha", "results_*")))
    assert len(read([LOGS / "org__alpha", LOGS / "org__beta"], strict=True)) == 2 * len(table)
