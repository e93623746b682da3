"""Saved results: strict JSON that keeps to the published schema and comes back equal."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from neff.errors import ArgumentTypeError, RecordsError
from neff.reasons import Reason
from neff.report import load, render, schema, write
from neff.results import Verdict

KINDS = (
    "five models", "one model", "two models", "judged", "no comparisons", "undefined", "refused", "hostile",
    "tasks and metrics", "nothing",
)  # fmt: skip


def no_constant(word):
    raise ValueError(f"{word} is not strict JSON")


@pytest.fixture(scope="module")
def validator():
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema())
    return kind(schema())


@pytest.mark.parametrize("name", KINDS)
def test_output_is_strict_keeps_to_the_schema_and_comes_back(samples, name, validator, tmp_path):
    result = samples[name]
    path = write(result, tmp_path / "result.json")
    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    validator.validate(data)
    assert load(path) == result
    assert render(load(path), "json") == path.read_text(encoding="utf-8")


def test_the_schema_names_every_field_that_is_written(samples):
    """A field that the schema does not know would validate unseen: the schema is open for later versions."""
    data = json.loads(render(samples["hostile"], "json"))
    published = schema()
    assert set(data) == set(published["properties"]) == set(published["required"])
    for key, kind in (("estimates", "estimate"), ("comparisons", "comparison"), ("unread", "unread")):
        fields = published["$defs"][kind]["properties"]
        assert set(data[key][0]) == set(fields)
    assert set(data["provenance"]) == set(published["$defs"]["provenance"]["properties"])
    assert published["$defs"]["verdict"]["enum"] == [str(v) for v in Verdict]


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", "neff.evaluation/2"), ("level", 95), ("correction", "tukey"), ("estimates", [{}]), ("notes", "none")],
)
def test_the_schema_refuses_what_is_wrong(make, validator, key, value):
    data = make(2, 53).to_dict() | {key: value}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(data)


def test_one_line_per_score_and_pair(make):
    lines = render(make(3, 53), "json").splitlines()
    assert sum(line.lstrip().startswith('{"task"') for line in lines) == 3 + 3


def test_half_a_surrogate_pair_is_carried_by_an_escape(make, tmp_path):
    result = make(2, 53, names=["fine", "half \ud83d"])
    path = write(result, tmp_path / "result.json")
    assert "half \\ud83d" in path.read_text(encoding="ascii")
    assert load(path) == result


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b'{"schema": "neff.evaluation/1",\n "estimates": [}', "line 2: is not JSON"),
        (b"[1, 2]", r"is not a saved result of neff \(schema 'list'"),
        (b'{"schema": "neff.plan/1"}', r"is not a saved result of neff \(schema 'neff.plan/1'"),
        (b'{"schema": "neff.evaluation/1"}', "this saved evaluation is damaged"),
        (b"\xff\xfe\x00", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_result_is_refused_with_the_path_and_the_fix(tmp_path, content, said):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(RecordsError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "neff evaluate" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordsError, match="cannot be read: No such file"):
        load(tmp_path / "missing.json")


def test_a_byte_order_mark_is_no_obstacle(make, tmp_path):
    result = make(2, 53)
    path = tmp_path / "bom.json"
    path.write_text(render(result, "json"), encoding="utf-8-sig")
    assert load(path) == result


def test_what_has_no_dict_is_refused():
    with pytest.raises(ArgumentTypeError, match="result must be a result of neff"):
        render(object(), "json")


def test_provenance_survives(make, tmp_path):
    result = make(2, 53)
    again = load(write(replace(result, notes=("n",)), tmp_path / "r.json"))
    assert again.provenance == result.provenance


def test_the_schema_names_every_reason():
    said = json.dumps(schema())
    assert [str(reason) for reason in Reason if str(reason) not in said] == []
