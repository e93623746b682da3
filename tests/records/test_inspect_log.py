"""Logs of Inspect, written by Inspect (tests/fixtures/make_fixtures.py), against the numbers in them."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import MissingExtraError, NeffError, RecordsError
from neff.records.columns import ColumnMap
from neff.records.factor import Factor
from neff.records.inspect_log import READER
from neff.records.inspect_score import number_of_score
from neff.records.read import read
from neff.records.reader import head_of
from neff.records.table import Records
from neff.records.zipmember import open_zip

if TYPE_CHECKING:
    from collections.abc import Callable

LOGS = Path(__file__).parent.parent / "fixtures" / "inspect"
SAME = ["arith_alpha.json", "arith_alpha_chunked.eval", "arith_alpha_deflate.eval"]


def load(path: Path | str, columns: ColumnMap | None = None, keep: Any = "all") -> Records:
    return READER.read(LOGS / path, columns or ColumnMap(), keep)


def members_of(name: str) -> dict[str, bytes]:
    with open_zip(LOGS / name) as members:
        return {member: members.read(member) for member in members.names()}


def write(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def rewrite(tmp_path: Path, change: Callable[[dict[str, bytes]], object], name: str = "arith_alpha.eval") -> Path:
    """Write a copy of a log with its members changed."""
    members = members_of(name)
    change(members)
    return write(tmp_path / "changed.eval", members)


def rows(table: Records) -> list[tuple[Any, ...]]:
    """Return the rows, sorted, NaN as None."""
    cells = zip(
        table.task.names(),
        table.metric.names(),
        table.item.names(),
        table.draw.tolist(),
        table.model.names(),
        [None if np.isnan(score) else score for score in table.score],
        *(cluster.names() for cluster in table.clusters),
        strict=True,
    )
    return sorted(cells, key=lambda row: row[:5])


def item_means(table: Records, metric: str) -> tuple[np.ndarray, list[str]]:
    """Return the mean over the scored draws of each item, and the cluster of each item."""
    names = np.array(table.item.names())
    chosen = (np.array(table.metric.names()) == metric) & ~np.isnan(table.score)
    items = sorted(set(names[chosen]))
    means = np.array([table.score[chosen & (names == item)].mean() for item in items])
    groups = np.array(table.clusters[0].names()) if table.clusters else names
    return means, [groups[names == item][0] for item in items]


# ------------------------------------------------------------------------------- the producer's numbers


@pytest.mark.parametrize("name", ["arith_alpha", "arith_beta", "rubric_alpha", "rubric_beta", "words_alpha"])
def test_means_and_standard_errors_are_those_of_inspect(name: str) -> None:
    table = load(f"{name}.eval", ColumnMap(cluster="passage"))
    header = json.loads(members_of(f"{name}.eval")["header.json"])
    assert set(table.model.levels) == {header["eval"]["model"]}
    assert set(table.task.levels) == {header["eval"]["task"]}
    checked = []
    for result in header["results"]["scores"]:
        metric = result["name"] if result["name"] == result["scorer"] else f"{result['scorer']}/{result['name']}"
        means, passages = item_means(table, metric)
        assert len(means) == result["scored_samples"]
        for reported in result["metrics"].values():
            if reported["name"] in ("accuracy", "mean"):
                ours = means.mean()
            elif "cluster" in reported["params"]:
                sums = [
                    sum(d for d, p in zip(means - means.mean(), passages, strict=True) if p == q) for q in set(passages)
                ]
                ours = np.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(means)
            else:
                ours = means.std(ddof=1) / np.sqrt(len(means))
            assert ours == pytest.approx(reported["value"], rel=1e-12, abs=0)
            checked.append(reported["name"])
        assert {"stderr"} < set(checked)
    assert sorted(table.metric.levels) == sorted(
        s["name"] if s["name"] == s["scorer"] else f"{s['scorer']}/{s['name']}" for s in header["results"]["scores"]
    )


def test_the_cluster_standard_error_of_the_fixture_differs_from_the_plain_one() -> None:
    """Or the golden test above could not tell them apart."""
    metrics = json.loads(members_of("arith_alpha.eval")["header.json"])["results"]["scores"][0]["metrics"]
    assert abs(metrics["stderr"]["value"] - metrics["stderr2"]["value"]) > 0.005


@pytest.mark.parametrize("other", SAME)
def test_every_shape_of_a_log_gives_the_same_rows(other: str) -> None:
    columns = ColumnMap(cluster="passage")
    assert rows(load(other, columns)) == rows(load("arith_alpha.eval", columns))
    assert load(other).sources[0].notes == load("arith_alpha.eval").sources[0].notes


def test_two_models_pair_by_item() -> None:
    both = Records.concat([load("arith_alpha.eval"), load("arith_beta.eval")])
    assert both.model.levels == ("mockllm/alpha", "mockllm/beta")
    assert both.item.n_levels == 23
    assert len(both) == 2 * 2 * 23


@pytest.mark.parametrize("path", sorted(LOGS.iterdir()), ids=lambda path: path.name)
def test_recognised_by_content(path: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "no-suffix"
    renamed.write_bytes(path.read_bytes())
    assert READER.sniff(renamed, head_of(renamed))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PK\x03\x04",
        b'{"version": 3, "results": [], "stats": {}}',
        b'{"status": "success", "eval": "mmlu"}',
        b'[{"eval": {}, "status": "success", "run_id": 1}]',
        b"item,model,score\nq1,a,1\n",
    ],
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("file.json"), head)


def test_the_json_log_may_be_gzipped(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress((LOGS / "arith_alpha.json").read_bytes()))
    assert READER.sniff(path, head_of(path))
    assert rows(READER.read(path, ColumnMap(), "all")) == rows(load("arith_alpha.json"))


# --------------------------------------------------------------------------------- unscored and errors


def test_unscored_and_errors_are_rows_not_gaps() -> None:
    table = load("arith_alpha.eval")
    unscored = [row[1:3] for row in rows(table) if row[5] is None]
    assert unscored == [("closeness", "q05"), ("closeness", "q07"), ("closeness", "q13"), ("match", "q13")]
    assert "1 sample ended with an error; 1 without any score, counted as unscored" in table.sources[0].notes


def test_epochs_are_draws() -> None:
    table = load("rubric_alpha.eval")
    assert sorted(set(table.draw.tolist())) == [1, 2, 3]
    assert table.item.levels == ("1", "2", "3", "4", "5")
    assert table.metric.levels == ("includes", "rubric/clarity", "rubric/honest")
    assert len(table) == 5 * 3 * 3


def test_a_dict_that_is_unscored_as_a_whole_is_unscored_in_every_key(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        summaries[4]["scores"]["rubric"]["value"] = float("nan")
        members["summaries.json"] = json.dumps(summaries).encode()

    table = READER.read(rewrite(tmp_path, change, "rubric_alpha.eval"), ColumnMap(), "all")
    assert table.metric.levels == ("includes", "rubric/clarity", "rubric/honest")
    assert [row[1] for row in rows(table) if row[5] is None] == ["rubric/clarity", "rubric/honest"]
    assert len(table) == 5 * 3 * 3


def test_only_a_sample_that_broke_or_has_no_score_at_all_is_filled_up(tmp_path: Path) -> None:
    """A scorer may have good reason to give some samples no score; they are not part of its metric."""

    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        del summaries[0]["scores"]["match"]
        del summaries[1]["scores"]["match"]
        summaries[1]["error"] = "the second scorer broke"
        summaries[2]["scores"] = None
        members["summaries.json"] = json.dumps(summaries).encode()

    table = READER.read(rewrite(tmp_path, change), ColumnMap(), "all")
    match = {row[2]: row[5] for row in rows(table) if row[1] == "match"}
    assert "q01" not in match
    assert match["q02"] is None
    assert match["q03"] is None
    assert len(match) == 22
    assert "2 samples ended with an error; 1 without any score, counted as unscored" in table.sources[0].notes


def test_a_log_of_errors_has_the_metrics_of_its_header(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        members["summaries.json"] = json.dumps([s | {"scores": {}, "error": "no network"} for s in summaries]).encode()

    table = READER.read(rewrite(tmp_path, change), ColumnMap(), "all")
    assert table.metric.levels == ("closeness", "match")
    assert np.isnan(table.score).all()
    assert len(table) == 46


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[("C", 1), ("I", 0), ("P", 0.5), ("N", 0), ("yes", 1), ("NO", 0), ("True", 1), ("0.25", 0.25), ("1e-1", 0.1)],
        *[(True, 1), (False, 0), (7, 7), (-2.5, -2.5)],
    ],
)
def test_values_mean_what_they_mean_in_inspect(value: Any, number: float) -> None:
    assert number_of_score(value) == number


@pytest.mark.parametrize(
    "value", ["c", "correct", "inf", "nan", "", "1/2", [1, 0], {"a": 1}, float("inf"), 10**400, "9" * 5000]
)
def test_what_cannot_be_a_score_is_none(value: Any) -> None:
    assert number_of_score(value) is None


def test_what_cannot_be_a_score_is_unscored_with_a_note(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        for i, value in enumerate(["maybe", [1, 0], "maybe"]):
            summaries[i]["scores"]["match"]["value"] = value
        members["summaries.json"] = json.dumps(summaries).encode()

    table = READER.read(rewrite(tmp_path, change), ColumnMap(), "all")
    assert sum(row[1] == "match" and row[5] is None for row in rows(table)) == 4
    (note,) = [note for note in table.sources[0].notes if note.startswith("match: 3 values")]
    assert "'maybe', a list" in note
    assert "unscored (Inspect takes 0)" in note


# ------------------------------------------------------------------------------------------ interrupted


def test_interrupted_log_gives_the_samples_that_were_written() -> None:
    columns = ColumnMap(cluster="passage")
    part, whole = rows(load("arith_alpha_interrupted.eval", columns)), rows(load("arith_alpha.eval", columns))
    assert 0 < len(part) < len(whole)
    assert set(part) <= set(whole)
    notes = load("arith_alpha_interrupted.eval").sources[0].notes
    assert notes[0] == f"status is 'started': {len(part) // 2} of 23 planned samples are in the log"


def test_without_summaries_the_samples_are_read(tmp_path: Path) -> None:
    for name in ("arith_alpha_interrupted.eval", "arith_alpha_chunked.eval", "arith_alpha.eval"):
        path = rewrite(tmp_path, lambda members: [members.pop(m) for m in list(members) if "summaries" in m], name)
        columns = ColumnMap(cluster="passage")
        assert rows(READER.read(path, columns, "all")) == rows(load(name, columns))


def test_journal_files_are_read_by_number_and_the_last_record_counts(tmp_path: Path) -> None:
    names: list[str] = []

    def change(members: dict[str, bytes]) -> None:
        for name in ("header.json", "summaries.json"):
            del members[name]
        again = json.loads(members["_journal/summaries/2.json"])[:1]
        names.append(again[0]["id"])
        again[0]["scores"]["closeness"]["value"] = 0.125
        members["_journal/summaries/10.json"] = json.dumps(again).encode()

    table = READER.read(rewrite(tmp_path, change), ColumnMap(), "all")
    assert len(table) == 46
    assert [row[5] for row in rows(table) if row[1:3] == ("closeness", *names)] == [0.125]


def test_status_is_noted(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        header = json.loads(members["header.json"])
        header |= {"status": "error", "error": {"message": "out of quota", "traceback": ""}, "invalidated": True}
        header["eval"]["config"]["epochs_reducer"] = ["pass_at_2"]
        members["header.json"] = json.dumps(header).encode()

    notes = READER.read(rewrite(tmp_path, change), ColumnMap(), "all").sources[0].notes
    assert notes[0] == "status is 'error' (out of quota): 23 of 23 planned samples are in the log"
    assert any("invalid" in note for note in notes)
    assert any("pass_at_2" in note for note in notes)


def test_a_log_without_samples_says_what_its_summary_says(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        for name in list(members):
            if name.startswith("samples/"):
                del members[name]
        members["summaries.json"] = b"[]"

    with pytest.raises(RecordsError, match=r"no samples.*match accuracy 0\.\d+.*--no-log-samples"):
        READER.read(rewrite(tmp_path, change), ColumnMap(), "all")


def test_a_log_that_has_just_started(tmp_path: Path) -> None:
    path = write(tmp_path / "new.eval", {"_journal/start.json": members_of("arith_alpha.eval")["_journal/start.json"]})
    with pytest.raises(RecordsError, match="no sample has finished"):
        READER.read(path, ColumnMap(), "all")


# ---------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize("name", ["passage", "metadata.passage"])
def test_cluster_names_a_metadata_key(name: str) -> None:
    (passages,) = load("arith_alpha.eval", ColumnMap(cluster=name)).clusters
    assert passages.levels == ("p0", "p1", "p2", "p3", "p4", "p5", "p6")


def test_two_clusters_weight_and_label() -> None:
    columns = ColumnMap(cluster=("passage", "source"), weight="difficulty", label="carries")
    with pytest.raises(RecordsError, match="cluster is empty"):  # only odd questions have a source
        load("arith_alpha.eval", columns)
    table = load("arith_alpha.eval", ColumnMap(cluster=("passage", "carries"), weight="metadata.difficulty"))
    assert table.clusters[1].levels == ("false", "true")
    assert table.weight is not None
    numbers = [int(name[1:]) for name in table.item.names() if name]
    assert table.weight.tolist() == [n / 8 for n in numbers]
    labelled = load("arith_alpha.eval", ColumnMap(label="carries"))
    assert labelled.label is not None
    assert labelled.label.tolist() == [float(n % 3 == 0) for n in numbers]


def test_a_key_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(RecordsError, match=r"no sample has the metadata key 'passages'.*'passage'"):
        load("arith_alpha.eval", ColumnMap(cluster="passages"))
    with pytest.raises(RecordsError, match=r"'passage' of sample 'q01' is 'p1'.*holds a number"):
        load("arith_alpha.eval", ColumnMap(weight="passage"))


def test_metadata_are_kept_as_asked() -> None:
    table = load("arith_alpha.eval")
    assert set(table.extra) == {"metadata.passage", "metadata.difficulty", "metadata.carries", "metadata.source"}
    assert isinstance(table.extra["metadata.source"], Factor)
    assert table.extra["metadata.difficulty"].dtype == np.float64
    assert load("arith_alpha.eval", keep="mapped").extra == {}
    assert set(load("arith_alpha.eval", keep=("source",)).extra) == {"source"}
    assert "metadata.passage" not in load("arith_alpha.eval", ColumnMap(cluster="passage")).extra


def test_a_metadata_value_that_the_summary_cut_is_taken_from_the_sample(tmp_path: Path) -> None:
    """Two long passages that begin alike are one text in the summaries; they must stay two clusters."""
    start = "word " * 300

    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        for summary in summaries:
            name = f"samples/{summary['id']}_epoch_1.json"
            sample = json.loads(members[name])
            sample["metadata"]["passage"] = start + sample["metadata"]["passage"]
            summary["metadata"]["passage"] = start[:1000] + "..."
            members[name] = json.dumps(sample).encode()
        members["summaries.json"] = json.dumps(summaries).encode()

    path = rewrite(tmp_path, change)
    (passages,) = READER.read(path, ColumnMap(cluster="passage"), "all").clusters
    assert passages.n_levels == 7
    assert passages.levels[0] == start + "p0"
    assert "metadata.passage" not in READER.read(path, ColumnMap(), "all").extra  # too long to be a group by itself


def test_text_that_looks_like_an_attachment_is_left_as_it_is(tmp_path: Path) -> None:
    """Inspect moves long texts of messages and events into attachments, never metadata or scores."""

    def change(members: dict[str, bytes]) -> None:
        summaries = json.loads(members["summaries.json"])
        for i, summary in enumerate(summaries):
            summary["metadata"]["passage"] = f"attachment://{i % 3}"
        members["summaries.json"] = json.dumps(summaries).encode()

    table = load(rewrite(tmp_path, change), ColumnMap(cluster="passage"))
    assert table.clusters[0].levels == ("attachment://0", "attachment://1", "attachment://2")


@pytest.mark.parametrize(
    ("folder", "merged"),
    [("run.shards", "run.eval"), ("run.shards", "run.json"), ("run.eval.shards", "run.eval"), ("run.shards", None)],
)
def test_shards_beside_their_merged_log_are_not_read_twice(folder: str, merged: str | None, tmp_path: Path) -> None:
    """Shards hold parts of the samples of one log; without the merged one they are read themselves."""
    shards = tmp_path / folder
    shards.mkdir()
    for part in range(2):

        def halve(members: dict[str, bytes], part: int = part) -> None:
            summaries = json.loads(members["summaries.json"])
            members["summaries.json"] = json.dumps(summaries[part::2]).encode()

        rewrite(shards, halve).rename(shards / f"{part}.eval")
    if merged is not None:
        (tmp_path / merged).write_bytes((LOGS / "arith_alpha.eval").read_bytes())
    table = read(tmp_path, strict=True)
    assert sorted(rows(table), key=str) == sorted(rows(load(LOGS / "arith_alpha.eval")), key=str)
    assert len(table.sources) == (2 if merged is None else 1)


def test_oldest_shape_one_score_without_a_name(tmp_path: Path) -> None:
    log = json.loads((LOGS / "words_alpha.eval").with_name("arith_alpha.json").read_text())
    for sample in log["samples"]:
        scores = sample.pop("scores")
        sample["score"] = scores.get("match")
    path = tmp_path / "old.json"
    path.write_text(json.dumps(log))
    table = READER.read(path, ColumnMap(), "all")
    assert rows(table) == [row for row in rows(load("arith_alpha.eval")) if row[1] == "match"]


def test_models_of_roles(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        header = json.loads(members["header.json"])
        header["eval"] |= {"model": "none/none", "model_roles": {"red": {"model": "a/x"}, "blue": {"model": "b/y"}}}
        members["header.json"] = json.dumps(header).encode()

    assert READER.read(rewrite(tmp_path, change), ColumnMap(), "all").model.levels == ("blue=b/y, red=a/x",)


# ---------------------------------------------------------------------------------------- hostile input


def test_zstandard_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neff\[inspect\]'"):
        load("arith_alpha.eval")
    assert len(load("arith_alpha_deflate.eval")) == 46


@pytest.mark.parametrize("name", ["arith_alpha_deflate.eval", "arith_alpha.json"])
def test_a_file_cut_anywhere_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    whole = (LOGS / name).read_bytes()
    path = tmp_path / name
    for length in range(0, len(whole), len(whole) // 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordsError) as caught:
            READER.read(path, ColumnMap(), "all")
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'"' + b"\xff" * 7, b"[" * 100_000, b'{"eval": 3}'])
def test_garbage_in_a_member(text: bytes, tmp_path: Path) -> None:
    for member in ("header.json", "summaries.json"):
        path = rewrite(tmp_path, lambda members, member=member: members.update({member: text}))
        if member == "summaries.json" and text == b"[]":
            assert len(READER.read(path, ColumnMap(), "all")) == 46  # no summaries: the samples are read
            continue
        with pytest.raises(RecordsError, match=member.replace(".", r"\.")):
            READER.read(path, ColumnMap(), "all")


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["arith_alpha_interrupted.eval", "arith_alpha_deflate.eval", "arith_alpha.json"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=7),
)
def test_changed_bytes_raise_only_our_errors(
    name: str, changes: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray((LOGS / name).read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path_factory.mktemp("changed") / name
    path.write_bytes(data)
    try:
        table = READER.read(path, ColumnMap(cluster="passage"), "all")
    except NeffError:
        return
    assert len(table) > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=7) | st.just("C"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), member=st.sampled_from(["header.json", "summaries.json"]), value=JSON)
def test_any_value_in_any_place_raises_only_our_errors(
    data: st.DataObject, member: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    members = {name: content for name, content in WORDS.items() if not name.startswith(("samples/", "_journal/"))}
    log = json.loads(members[member])
    *before, last = data.draw(st.sampled_from(places(log)[1:]))
    place = log
    for key in before:
        place = place[key]
    place[last] = value
    members[member] = json.dumps(log).encode()
    path = write(tmp_path_factory.mktemp("odd") / "odd.eval", members)
    try:
        table = READER.read(path, ColumnMap(), "all")
    except NeffError:
        return
    assert 0 < len(table) <= 2 * 11 + 11 * 3


WORDS = members_of("words_alpha.eval")


def test_repeated_members_last_wins(tmp_path: Path) -> None:
    """Inspect replaces a member by appending another of the same name."""
    buffer = io.BytesIO((LOGS / "arith_alpha_deflate.eval").read_bytes())
    summaries = json.loads(members_of("arith_alpha.eval")["summaries.json"])
    summaries[0]["scores"]["closeness"]["value"] = 0.125
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("summaries.json", json.dumps(summaries))
    path = tmp_path / "edited.eval"
    path.write_bytes(buffer.getvalue())
    edited = rows(READER.read(path, ColumnMap(), "all"))
    assert [row[5] for row in edited if row[1:3] == ("closeness", "q01")] == [0.125]
    assert len(edited) == 46
