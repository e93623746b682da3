"""Which column is what: names, synonyms, patterns, ambiguity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError, RecordsError
from neff.records.columns import SYNONYMS, ColumnMap


@pytest.mark.parametrize("role", ["item", "model", "score", "draw", "task", "metric", "cluster", "label", "weight"])
def test_every_synonym_is_found_whatever_its_case(role: str) -> None:
    for name in (role, *SYNONYMS[role]):
        for written in (name, name.upper(), name.title(), name.replace("_", " "), f" {name} ", name.replace("_", "-")):
            others = [other for other in ("item", "model", "score") if other != role]
            layout = ColumnMap().resolve([*others, written])
            found = layout.clusters[0] if role == "cluster" else getattr(layout, role)
            assert found == written


def test_own_name_comes_before_synonyms_and_exact_case_before_others() -> None:
    layout = ColumnMap().resolve(["id", "item", "policy", "model", "acc", "Score", "score"])
    assert (layout.item, layout.model, layout.score) == ("item", "model", "score")


@pytest.mark.parametrize(
    ("names", "role", "flag"),
    [
        (["id", "question_id", "model", "score"], "item", "--item id"),
        (["item", "policy", "system", "score"], "model", "--model policy"),
        (["item", "model", "acc", "correct"], "score", "--score acc"),
        (["item", "model", "score", "epoch", "trial"], "draw", "--draw epoch"),
        (["item", "model", "score", "dataset", "subset"], "task", "--task dataset"),
        (["item", "model", "score", "passage", "group"], "cluster", "--cluster passage"),
        (["Item", "ITEM", "model", "score"], "item", "--item Item"),
    ],
)
def test_two_candidates_are_an_error_that_names_them_and_the_flag(names: list[str], role: str, flag: str) -> None:
    with pytest.raises(RecordsError, match=f"more than one column could be the {role}") as caught:
        ColumnMap().resolve(names)
    assert flag in str(caught.value)
    chosen = flag.split()[1]
    assert ColumnMap(**{role: chosen}).resolve(names).roles()[chosen] == role


def test_task_is_the_item_only_as_a_last_resort() -> None:
    assert ColumnMap().resolve(["task", "draw", "correct"]).item == "task"
    assert ColumnMap().resolve(["task_id", "score"]).item == "task_id"
    layout = ColumnMap().resolve(["task", "id", "score"])
    assert (layout.item, layout.task) == ("id", "task")


def test_naming_any_column_stops_the_search_for_the_others() -> None:
    names = ["question_id", "policy", "acc", "task", "draw", "cluster", "label", "weight", "metric", "epoch"]
    layout = ColumnMap(score="acc").resolve(names)
    assert (layout.item, layout.model, layout.score) == ("question_id", "policy", "acc")
    assert (layout.task, layout.draw, layout.clusters, layout.label, layout.weight) == (None, None, (), None, None)
    assert layout.notes == (
        "column 'task' was not used; add --task task for one result per task",
        "column 'draw' was not used; add --draw draw to number the repeats",
        "column 'cluster' was not used; add --cluster cluster to group the items",
        "column 'label' was not used; add --label label to use the oracle labels",
        "column 'weight' was not used; add --weight weight to weight the rows",
        "column 'metric' was not used; add --metric metric for one result per metric",
    )


def test_a_named_column_is_not_found_for_another_role() -> None:
    with pytest.raises(RecordsError, match="no column looks like the item"):
        ColumnMap(cluster="id").resolve(["id", "model", "score"])


def test_unknown_column_names_the_near_ones_and_all_columns() -> None:
    with pytest.raises(RecordsError) as caught:
        ColumnMap(score="acuracy").resolve(["item", "model", "accuracy", "Acuracy"], path="runs.csv")
    text = str(caught.value)
    assert text.startswith("runs.csv: there is no column 'acuracy' (--score).")
    assert "Did you mean 'accuracy', 'Acuracy'?" in text
    assert "The columns are 'item', 'model', 'accuracy', 'Acuracy'." in text


def test_a_long_list_of_columns_is_capped() -> None:
    with pytest.raises(RecordsError, match="and 89 more") as caught:
        ColumnMap().resolve([f"c{i}" for i in range(101)])
    assert len(str(caught.value)) < 400


def test_wide_by_names_patterns_and_flag() -> None:
    names = ["id", "gold", "gpt-4", "gpt-5", "llama", "[odd]"]
    two = ColumnMap(model=["llama", "gpt-4"], item="id").resolve(names)
    assert two.models == ("gpt-4", "llama")
    assert two.loose == frozenset()
    assert two.extra == ("gold", "gpt-5", "[odd]")
    pattern = ColumnMap(model="gpt-*").resolve(names)
    assert pattern.models == ("gpt-4", "gpt-5")
    assert pattern.loose == {"gpt-4", "gpt-5"}
    assert ColumnMap(model=["gpt-*", "gpt-4"]).resolve(names).loose == {"gpt-5"}
    rest = ColumnMap(wide=True, target="gold").resolve(names)
    assert rest.models == ("gpt-4", "gpt-5", "llama", "[odd]")
    assert ColumnMap(model="llama", wide=True).resolve(names).models == ("llama",)
    assert ColumnMap(model=["[odd]", "llama"]).resolve(names).models == ("llama", "[odd]")


def test_one_model_column_without_wide_holds_names() -> None:
    layout = ColumnMap(model="llama").resolve(["id", "score", "llama"])
    assert (layout.model, layout.models) == ("llama", ())


def test_predictions_are_looked_for_with_a_target() -> None:
    layout = ColumnMap(target="gold").resolve(["id", "gold", "prediction", "score"])
    assert (layout.score, layout.roles()["prediction"]) == ("prediction", "prediction")
    assert ColumnMap(target="gold").resolve(["id", "gold", "score"]).score == "score"


@pytest.mark.parametrize(
    ("options", "names", "fragment"),
    [
        ({"model": "x-*"}, ["id", "a"], "no column fits the pattern"),
        ({"model": ["a", "b"]}, ["id", "a"], "there is no column 'b' \\(--model\\)"),
        ({"wide": True}, ["id"], "no column looks like the scores of a model"),
        ({}, ["id", "a", "b"], "no column looks like the score"),
        ({}, ["a", "b"], "no column looks like the score|the item"),
        ({}, [], "there are no columns"),
        ({}, ["item", "score", "score"], "'score' occurs 2 times"),
    ],
)
def test_what_cannot_be_resolved(options: dict[str, object], names: list[str], fragment: str) -> None:
    with pytest.raises(RecordsError, match=fragment) as caught:
        ColumnMap(**options).resolve(names)  # type: ignore[arg-type]
    assert caught.value.fix


def test_roles_and_uses() -> None:
    columns = ColumnMap(
        item="q", model="m", score="s", draw="d", task="t", metric="k", cluster=["t", "c"], label="y", weight="w"
    )
    layout = columns.resolve(["q", "m", "s", "d", "t", "k", "c", "y", "w", "z"])
    assert layout.roles()["t"] == "cluster, task"
    assert layout.clusters == ("t", "c")
    assert layout.uses() == {
        **dict.fromkeys("qmdtkc", "key"),
        **dict.fromkeys("syw", "number"),
        "z": "any",
    }
    assert ColumnMap().resolve(["id", "score", "label"]).uses()["label"] == "any"


def test_keep() -> None:
    names = ["id", "score", "a", "b"]
    assert ColumnMap().resolve(names).extra == ("a", "b")
    assert ColumnMap().resolve(names, keep="mapped").extra == ()
    assert ColumnMap().resolve(names, keep=("b",)).extra == ("b",)
    with pytest.raises(RecordsError, match="no column 'c'\\. The columns are"):
        ColumnMap().resolve(names, keep=("c",))


@pytest.mark.parametrize(
    ("options", "error", "fragment"),
    [
        ({"item": 3}, ArgumentTypeError, "item must be the name of a column"),
        ({"item": ""}, ArgumentTypeError, "item must be the name of a column"),
        ({"model": [1, 2]}, ArgumentTypeError, "or several names"),
        ({"cluster": ["a", "b", "c"]}, ArgumentError, "cluster must be one or two columns"),
        ({"wide": "yes"}, ArgumentTypeError, "wide must be True or False"),
        ({"item": "a", "score": "a"}, ArgumentError, "score must be another column than item"),
        ({"model": ["a", "b"], "weight": "b"}, ArgumentError, "weight must be another column than model"),
        ({"score": "a", "target": "a"}, ArgumentError, "target must be another column than score"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], error: type[ArgumentError], fragment: str) -> None:
    with pytest.raises(error, match=fragment):
        ColumnMap(**options)  # type: ignore[arg-type]


def test_a_score_column_and_wide_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match="score must be left out"):
        ColumnMap(score="s", model=["a", "b"]).resolve(["id", "s", "a", "b"])


def test_flags_give_the_command_line_back() -> None:
    columns = ColumnMap(model=["a b", "c"], target="gold", cluster="t", wide=True)
    assert columns.flags() == ["--model", "a b", "--model", "c", "--cluster", "t", "--target", "gold", "--wide"]
    assert ColumnMap().flags() == []


@given(st.lists(st.text(max_size=7), max_size=13))
def test_any_header_resolves_or_is_refused_in_a_sentence(names: list[str]) -> None:
    try:
        layout = ColumnMap().resolve(names)
    except RecordsError as error:
        fix = error.fix
    else:
        fix = "none needed"
        assert set(layout.roles()) | set(layout.extra) == set(names)
        assert not set(layout.roles()) & set(layout.extra)
    assert fix
