"""Tables in memory: one test body, every dataframe library."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from neff.errors import ArgumentError, ArgumentTypeError, RecordsError
from neff.records import Factor, Records, as_records
from neff.records.frames import is_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    Constructor = Callable[[dict[str, list[Any]]], Any]


class OnlyStream:
    """An object that offers nothing but the Arrow stream interface."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._table = pa.table(data)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def duckdb_relation(data: dict[str, list[Any]]) -> Any:
    connection = duckdb.connect()
    connection.register("t", pa.table(data))
    return connection.sql("SELECT * FROM t")


CONSTRUCTORS: dict[str, Constructor] = {
    "pandas": pd.DataFrame,
    "pandas-nullable": lambda data: pd.DataFrame(data).convert_dtypes(),
    "pandas-arrow": lambda data: pd.DataFrame(data).convert_dtypes(dtype_backend="pyarrow"),
    "pandas-object": lambda data: pd.DataFrame(data, dtype=object),
    "pandas-category": lambda data: pd.DataFrame(data).astype({"item": "category", "model": "category"}),
    "polars": pl.DataFrame,
    "polars-lazy": lambda data: pl.DataFrame(data).lazy(),
    "polars-category": lambda data: pl.DataFrame(data).with_columns(pl.col(pl.String).cast(pl.Categorical)),
    "pyarrow": pa.table,
    "duckdb": duckdb_relation,
    "arrow-stream": OnlyStream,
    "dict": dict,
    "dict-of-arrays": lambda data: {name: np.array(column, dtype=object) for name, column in data.items()},
    "dict-of-series": lambda data: {name: pl.Series(column) for name, column in data.items()},
    "rows": lambda data: [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
}
BACKENDS = {"pandas": "pandas", "polars": "polars", "pyarrow": "pyarrow", "arrow": "pyarrow"}

DATA: dict[str, list[Any]] = {
    "item": ["q3", "q1", "q2", "q1", "q2", "q3", "q1"],
    "model": ["b", "a", "a", "b", "b", "a", "a"],
    "score": [1.0, 0.25, None, 0.0, 1.0, 0.5, 0.75],
    "draw": [0, 0, 0, 0, 0, 0, 1],
    "passage": ["p2", "p1", "p1", "p1", "p1", "p2", "p1"],
    "label": [None, 1.0, None, 0.0, None, None, 1.0],
    "words": [7, 11, 13, 17, 19, 23, 29],
    "note": ["x", None, "y", "x", "y", "x", None],
}


@pytest.fixture(params=CONSTRUCTORS)
def constructor(request: pytest.FixtureRequest) -> tuple[str, Constructor]:
    return request.param, CONSTRUCTORS[request.param]


def listed(records: Records) -> list[tuple[Any, ...]]:
    rows = zip(
        records.item.names(),
        records.model.names(),
        records.draw.tolist(),
        [None if math.isnan(x) else x for x in records.score],
        strict=True,
    )
    return sorted(rows, key=lambda row: row[:3])


def test_every_library_gives_the_same_records(constructor: tuple[str, Constructor]) -> None:
    name, make = constructor
    records = as_records(make(DATA))
    assert listed(records) == [
        ("q1", "a", 0, 0.25),
        ("q1", "a", 1, 0.75),
        ("q1", "b", 0, 0.0),
        ("q2", "a", 0, None),
        ("q2", "b", 0, 1.0),
        ("q3", "a", 0, 0.5),
        ("q3", "b", 0, 1.0),
    ]
    assert records.clusters[0].levels == ("p1", "p2")
    assert records.metric.levels == ("score",)
    assert records.label is not None
    assert np.nansum(records.label) == 2.0
    assert int(np.isnan(records.label).sum()) == 4
    assert sorted(records.extra) == ["note", "words"]
    assert isinstance(records.extra["words"], np.ndarray)
    assert sorted(records.extra["words"].tolist()) == DATA["words"]
    assert isinstance(records.extra["note"], Factor)
    assert sorted(records.extra["note"].names(), key=str) == [None, None, "x", "x", "x", "y", "y"]
    assert records.backend == BACKENDS.get(name.split("-")[0])
    assert records.sources[0].n_rows == 7


def test_order_of_rows_is_irrelevant(constructor: tuple[str, Constructor]) -> None:
    _, make = constructor
    order = [3, 0, 6, 5, 2, 4, 1]
    turned = {name: [column[i] for i in order] for name, column in DATA.items()}
    one, two = as_records(make(DATA)), as_records(make(turned))
    assert (one.item.levels, one.model.levels) == (two.item.levels, two.model.levels)
    assert listed(one) == listed(two)


def test_integer_and_boolean_columns(constructor: tuple[str, Constructor]) -> None:
    _, make = constructor
    data = {"item": [2**53 + 1, 2**53, 3], "model": ["m", "m", "m"], "correct": [True, False, None]}
    records = as_records(make(data))
    assert records.item.levels == ("3", "9007199254740992", "9007199254740993")
    assert sorted(records.score.tolist(), key=str) == [0.0, 1.0, pytest.approx(math.nan, nan_ok=True)]


def test_integers_beyond_the_exact_floats(constructor: tuple[str, Constructor]) -> None:
    _, make = constructor
    data = {
        "item": ["a", "b", "c"],
        "model": ["m"] * 3,
        "score": [1, 0, None],
        "ns": [2**60 + 1, 2**60, 2**60],
        "few": [2**60, None, 1],
    }
    records = as_records(make(data))
    assert sorted(records.extra["ns"].tolist()) == [2.0**60] * 3
    assert sorted(records.extra["few"][[0, 2]].tolist()) == [1.0, 2.0**60]


def test_wide_predictions(constructor: tuple[str, Constructor]) -> None:
    name, make = constructor
    data = {
        "item": ["q1", "q2", "q3"],
        "model": ["A", "B", "C"],  # the name "model" is just another column here
        "one": ["A", None, "B"],
        "two": ["A", "B", "C"],
        "cat": ["law", "law", "art"],
    }
    records = as_records(make(data), wide=True, target="model")
    assert listed(records) == [
        ("q1", "one", 0, 1.0),
        ("q1", "two", 0, 1.0),
        ("q2", "one", 0, None),
        ("q2", "two", 0, 1.0),
        ("q3", "one", 0, 0.0),
        ("q3", "two", 0, 1.0),
    ], name
    assert records.metric.levels == ("accuracy",)
    assert any("'cat' was not taken as a model" in note for note in records.sources[0].notes)


def test_wide_scores_keep_what_belongs_to_the_item() -> None:
    data = {"id": [1, 2, 3], "w": [0.5, 1, 2], "g": ["x", "x", "y"], "a": [1, 0, 1], "b": [0.5, None, 0.25]}
    records = as_records(data, item="id", model=["a", "b"], weight="w", cluster="g")
    assert len(records) == 6
    assert records.weight is not None
    for row in range(6):
        item = int(records.item.names()[row] or 0)
        assert records.weight[row] == data["w"][item - 1]
        assert records.clusters[0].names()[row] == data["g"][item - 1]
        model = records.model.names()[row] or ""
        expected = data[model][item - 1]
        assert (expected is None and math.isnan(records.score[row])) or records.score[row] == expected


def test_long_predictions_with_a_target() -> None:
    data = {"id": [1, 2, 3, 1, 2], "model": list("aaabb"), "pred": ["x", " y", "", "y", "None"], "gold": list("xyxxy")}
    records = as_records(data, target="gold")
    assert records.score.tolist() == [1.0, 1.0, pytest.approx(math.nan, nan_ok=True), 0.0, 0.0]
    assert records.sources[0].notes == (
        "1 predictions read 'None', 'NA' or the like: wrong; leave them empty if unscored",
    )


def test_a_row_without_a_right_answer_is_unscored() -> None:
    data = {"id": [1, 2, 3], "pred": ["x", "y", "x"], "gold": ["x", "", None]}
    records = as_records(data, target="gold")
    assert records.score.tolist() == [1.0, *[pytest.approx(math.nan, nan_ok=True)] * 2]
    assert any("2 rows have no right answer" in note for note in records.sources[0].notes)


def test_numeric_predictions_match_numbers_as_names() -> None:
    data = {"id": [1, 2, 3], "pred": [1.0, 2.0, 7.0], "gold": ["1", "3", "7"]}
    assert as_records(data, target="gold").score.tolist() == [1.0, 0.0, 1.0]


def test_wrong_target_is_refused() -> None:
    data = {"id": [1, 2, 3], "pred": ["x", "y", "x"], "cat": ["law", "art", "law"]}
    with pytest.raises(RecordsError, match="no prediction ever equals column 'cat'"):
        as_records(data, target="cat")


def test_one_named_model_that_is_never_right_is_kept_with_a_note() -> None:
    data = {"id": [1, 2], "gold": ["x", "y"], "a": ["x", "y"], "b": ["u", "v"]}
    records = as_records(data, model=["a", "b"], target="gold")
    assert records.score.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert any(note.startswith("model 'b' has no right answer") for note in records.sources[0].notes)


@pytest.mark.parametrize(
    "name", ["pandas", "polars", "polars-lazy", "pyarrow", "duckdb", "arrow-stream", "dict", "rows"]
)
def test_nested_columns_are_left_out_with_a_note_or_refused_in_a_role(name: str) -> None:
    make = CONSTRUCTORS[name]
    data = {"item": ["q1", "q2"], "model": ["m", "m"], "score": [1, 0], "resps": [["a", "b"], ["c"]]}
    records = as_records(make(data))
    assert sorted(records.extra) == []
    assert any("'resps' was not kept: it holds lists or objects" in note for note in records.sources[0].notes)
    with pytest.raises(RecordsError, match="'resps' holds"):
        as_records(make(data), item="resps")


def test_guessed_roles_that_cannot_be_meant_become_plain_columns() -> None:
    data = {
        "item": ["q1", "q1", "q2"],
        "model": ["a", "b", "a"],
        "score": [1, 0, 1],
        "label": ["good", "bad", "good"],
        "group": ["x", "y", "x"],
    }
    records = as_records(data)
    assert records.label is None
    assert records.clusters == ()
    assert sorted(records.extra) == ["group", "label"]
    assert [note.split(":")[0] for note in records.sources[0].notes] == [
        "column 'label' was not used as the label",
        "column 'group' was not used as the cluster",
    ]
    with pytest.raises(RecordsError, match="column 'label' holds 'good'"):
        as_records(data, label="label")
    with pytest.raises(RecordsError, match="lies in two clusters"):
        as_records(data, cluster="group")


def test_a_synonym_in_a_role_that_changes_results_is_said() -> None:
    data = {"id": [1, 1], "score": [1, 0], "seed": [7, 9], "dataset": ["x", "x"], "label": [1, 0]}
    notes = as_records(data).sources[0].notes
    assert [note.split(";")[0] for note in notes[1:]] == [
        "column 'seed' was taken as the draw",
        "column 'dataset' was taken as the task",
    ]
    assert as_records(data, draw="seed").sources[0].notes[-1].startswith("no model column")


def test_draws_that_are_not_numbers_are_numbered() -> None:
    data = {"item": ["q"] * 3, "model": ["m"] * 3, "score": [1, 0, 1], "draw": ["x", "z", "y"]}
    assert sorted(as_records(data).draw.tolist()) == [0, 1, 2]
    data["draw"] = [str(2**64), str(2**64 + 1), "3"]
    assert sorted(as_records(data).draw.tolist()) == [0, 1, 2]
    data["draw"] = ["1", "01", "2"]
    assert sorted(as_records(data).draw.tolist()) == [0, 1, 2]
    data["draw"] = [7, 5, 3]
    assert as_records(data).draw.tolist() == [7, 5, 3]


def test_odd_cells_become_names() -> None:
    data = {
        "item": [dt.date(2026, 1, 2), Decimal("1.50"), b"raw", np.int64(7), np.float32(2.0), True, 2.5],
        "score": [1, 0, 1, 0, 1, 0, np.float64(0.5)],
    }
    records = as_records(data)
    assert set(records.item.levels) == {"2026-01-02", "1.50", "raw", "7", "2", "true", "2.5"}
    assert records.score.tolist() == [1, 0, 1, 0, 1, 0, 0.5]
    assert records.model.levels == ("model",)
    assert "no model column" in records.sources[0].notes[0]


def test_frames_with_odd_labels() -> None:
    frame = pd.DataFrame({"item": ["a", "b"], 0: [1.0, 0.0], 1: [0.0, 1.0]})
    assert as_records(frame, item="item", model=["0", "1"]).model.levels == ("0", "1")
    with pytest.raises(RecordsError, match="the same as text"):
        as_records(pd.DataFrame({"0": [1], 0: [2]}))
    with pytest.raises(RecordsError, match="a column name occurs twice"):
        as_records(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(RecordsError, match="the same as text"):
        as_records({0: [1], "0": [2]})


def test_records_pass_through() -> None:
    records = as_records(DATA)
    assert as_records(records) is records
    assert as_records(records, wide=False, score=None) is records
    with pytest.raises(ArgumentError, match="score must be left out for Records"):
        as_records(records, score="s")


@pytest.mark.parametrize("data", [1, None, 3.5, object(), np.zeros((2, 3)), pd.Series([1]), {1, 2}, [], [1, 2]])
def test_what_is_not_a_table(data: object) -> None:
    with pytest.raises((ArgumentTypeError, RecordsError)) as caught:
        as_records(data)
    assert caught.value.fix or "must be" in str(caught.value)


@pytest.mark.parametrize(
    ("column", "fragment"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        ("ab", "a single str"),
        (1.0, "a single float"),
        ([1], "has 1 rows"),
        ([[1], [2]], "holds"),
        ([{}, {}], "holds"),
        ([1j, 2j], "holds"),
        ([1, math.inf], "holds inf"),
        (np.array([1, -math.inf]), "holds -inf"),
    ],
)
def test_columns_that_cannot_be_scores(column: object, fragment: str) -> None:
    with pytest.raises(RecordsError, match=fragment):
        as_records({"item": ["a", "b"], "score": column})


def test_is_frame() -> None:
    assert all(is_frame(make(DATA)) for make in CONSTRUCTORS.values())
    assert not any(is_frame(thing) for thing in ("a", ["a"], 1, None, []))


def test_no_library_is_imported_for_a_dict() -> None:
    code = (
        "import sys; from neff.records import as_records; as_records({'item': [1], 'score': [1]});"
        "print(sorted({'pandas', 'polars', 'pyarrow', 'duckdb', 'torch', 'scipy.stats'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
