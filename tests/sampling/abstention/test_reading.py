"""`read_abstention`: CSV, Parquet and npz say the same, and what is wrong is named."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from neff.errors import RecordsError
from neff.sampling import abstention_table, read_abstention

N = 97


def parts(seed=1):
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=N)
    x = rng.normal(size=(N, 3)) + label[:, None]
    logits = np.stack([-x.sum(axis=1), x.sum(axis=1)], axis=1).round(6)
    split = np.repeat(["train", "calibration", "test"], [31, 37, 29])
    return logits, np.array(["no", "yes"])[label], split, x.round(6)


def text(delimiter=","):
    logits, label, split, x = parts()
    names = ["label", "split", "logit_no", "logit_yes", "emb_1", "emb_2", "emb_3"]
    rows = [[label[i], split[i], *logits[i], *x[i]] for i in range(N)]
    return "\n".join(delimiter.join(map(str, row)) for row in [names, *rows]) + "\n"


def check(data):
    logits, label, split, x = parts()
    np.testing.assert_allclose(data.logits, logits)
    np.testing.assert_allclose(data.features, x)
    assert data.labels == label.tolist()
    assert data.split == split.tolist()
    assert data.classes == ("no", "yes")
    assert not data.probabilities


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimited(tmp_path, delimiter):
    path = tmp_path / "outputs.csv"
    path.write_text(text(delimiter))
    check(read_abstention(path))


def test_gzip(tmp_path):
    path = tmp_path / "outputs.csv.gz"
    path.write_bytes(gzip.compress(text().encode()))
    check(read_abstention(path))


def test_parquet_with_columns_and_with_lists(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("duckdb")
    logits, label, split, x = parts()
    common = {"label": label.tolist(), "split": split.tolist()}
    wide = common | {f"logit_{n}": logits[:, i] for i, n in enumerate(("no", "yes"))}
    wide |= {f"emb_{i}": x[:, i] for i in range(3)}
    pq.write_table(pa.table(wide), tmp_path / "wide.parquet")
    check(read_abstention(tmp_path / "wide.parquet"))
    lists = common | {"logits": logits.tolist(), "embedding": x.tolist()}
    pq.write_table(pa.table(lists), tmp_path / "lists.parquet")
    found = read_abstention(tmp_path / "lists.parquet")
    np.testing.assert_allclose(found.logits, logits)
    np.testing.assert_allclose(found.features, x)
    assert found.classes is None


def test_npz_and_npy(tmp_path):
    logits, label, split, x = parts()
    np.savez(tmp_path / "a.npz", logits=logits, label=label, split=split, embeddings=x, classes=["no", "yes"])
    check(read_abstention(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", logits=logits, label=label, split=split, classes=["no", "yes"])
    np.save(tmp_path / "x.npy", x)
    check(read_abstention(tmp_path / "b.npz", embeddings=tmp_path / "x.npy"))


def test_other_names_weights_probabilities_and_empty_labels(tmp_path):
    path = tmp_path / "outputs.csv"
    path.write_text("truth,where,p_a,p_b,w\na,calibration,0.75,0.25,0\n,far,0.5,0.5,-1\n")
    found = read_abstention(path, label="truth", split="where", log_weight="w")
    assert found.probabilities
    assert found.classes == ("a", "b")
    assert found.labels == ["a", ""]
    assert found.log_weights.tolist() == [0, -1]
    assert found.features is None
    table = abstention_table(found.logits, found.labels, found.split, **found.arguments(), methods=["softmax"])
    assert table.row("far", "softmax").n_unlabelled == 1
    named = read_abstention(path, label="truth", split="where", probabilities="p_*")
    np.testing.assert_array_equal(named.logits, found.logits)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("label,split,logit_a,logit_b\n", {}, "there are no rows"),
        ("label,split,score\n1,test,2\n", {}, "no columns of logits or probabilities"),
        ("split,logit_a,logit_b\ntest,1,2\n", {}, "no column of the label"),
        ("label,logit_a,logit_b\n1,1,2\n", {}, "no column of the split"),
        ("label,split,logit_a,logit_b\n1,test,1\n", {}, "3 fields, the header 4"),
        ("label,split,logit_a,logit_b\n1,test,1,x\n", {}, "column 'logit_b' holds 'x' in row 1"),
        ("label,label,split\n1,2,3\n", {}, "same name"),
        ("label,split,logit_a,logit_b\n1,test,1,2\n", {"label": "labl"}, "Did you mean 'label'"),
        ("label,split,logit_a,logit_b\n1,test,1,2\n", {"logits": "z_*"}, "no column is like 'z_"),
        ("label,split,logit_a,logit_b\n1,test,1,2\n", {"embedding": "e_*"}, "no column is like 'e_"),
        ("\0\1", {}, "is no text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, options, message):
    path = tmp_path / "outputs.csv"
    path.write_text(content)
    with pytest.raises(RecordsError, match=message):
        read_abstention(path, **options)


def test_files_that_are_not_there_or_hold_objects(tmp_path):
    with pytest.raises(RecordsError, match="no such file"):
        read_abstention(tmp_path / "none.csv")
    np.savez(tmp_path / "o.npz", label=np.array([{}], object))
    with pytest.raises(RecordsError, match="plain arrays"):
        read_abstention(tmp_path / "o.npz")
    (tmp_path / "a.csv").write_text("label,split,logit_a,logit_b\n1,test,1,2\n")
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(RecordsError, match="the table has 1 rows"):
        read_abstention(tmp_path / "a.csv", embeddings=tmp_path / "x.npy")
    (tmp_path / "bad.npy").write_text("nothing")
    with pytest.raises(RecordsError, match="no plain array"):
        read_abstention(tmp_path / "a.csv", embeddings=tmp_path / "bad.npy")
    with pytest.raises(RecordsError, match="no such file"):
        read_abstention(tmp_path / "a.csv", embeddings=tmp_path / "none.npy")
