"""The logs that are changed: those of the fixtures, and small tables in every format that holds any table."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = ["Seed", "seeds"]

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
ROWS = [
    {"item": f"q{i}", "model": "ab"[j], "draw": k, "score": (i + j + k) % 2, "label": i % 2, "passage": f"p{i % 3}"}
    for i in range(5)
    for j in range(2)
    for k in range(2)
]


@dataclass(frozen=True)
class Seed:
    """A log to change: what it is, how it is read, the files that lie beside it, and whether its rows are counted."""

    name: str
    kind: str
    content: bytes
    options: dict[str, Any] = field(default_factory=dict)
    beside: tuple[Path, ...] = ()
    counted: bool = True


def log(pattern: str, kind: str, *beside: str, counted: bool = True, **options: Any) -> Seed:
    """Return a fixture as a seed."""
    path = min(FIXTURES.glob(pattern))
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    others = tuple(other for each in beside for other in FIXTURES.glob(each))
    return Seed(path.name.removesuffix(".gz"), kind, content, options, others, counted)


def deflated(seed: Seed) -> Seed:
    """Return an archive packed with zstd as one packed with deflate, whose members the standard library can change."""
    import zstandard

    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(seed.content)) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            name, extra = struct.unpack_from("<HH", seed.content, info.header_offset + 26)
            start = info.header_offset + 30 + name + extra
            packed = io.BytesIO(seed.content[start : start + info.compress_size])
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as data:
                new.writestr(info.filename, data.read())
    return replace(seed, content=target.getvalue())


def tables() -> dict[str, list[Seed]]:
    """Return small tables in every format that holds any table."""
    import pyarrow as pa
    from pyarrow import ipc
    from pyarrow import parquet as pq

    lines = [",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]
    table, arrow, parquet = pa.Table.from_pylist(ROWS), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    named = {"cluster": "passage", "label": "label"}
    jsonl = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    return {
        "csv": [
            Seed("t.csv", "csv", "\n".join(lines).encode()),
            Seed("t.csv", "csv", "\n".join(lines).encode(), named),
        ],
        "jsonl": [Seed("t.jsonl", "jsonl", jsonl), Seed("t.jsonl", "jsonl", jsonl * 99, {"score": "score"})],
        "json": [Seed("t.json", "json", json.dumps(ROWS).encode(), named)],
        "parquet": [Seed("t.parquet", "parquet", parquet.getvalue(), named)],
        "arrow": [Seed("t.arrow", "arrow", arrow.getvalue(), named)],
    }


def seeds() -> dict[str, list[Seed]]:
    """Return the seeds of each reader."""
    alpha = "lm_eval/org__alpha"
    return tables() | {
        "inspect": [
            log("inspect/arith_alpha_deflate.eval", "zip", cluster="passage"),
            deflated(log("inspect/words_alpha.eval", "zip")),
            deflated(log("inspect/arith_alpha_chunked.eval", "zip", keep="all")),
            log("inspect/rubric_beta.eval", "zip"),
            log("inspect/arith_alpha.json", "json", label="difficulty"),
        ],
        "lm-eval": [
            log(f"{alpha}/samples_words*", "jsonl", f"{alpha}/results*"),
            log(f"{alpha}/samples_pick*", "jsonl"),
            log("lm_eval/repeats/*/samples*", "jsonl"),
            log("lm_eval/embedded.json", "json", counted=False),
            log(f"{alpha}/results*", "json", f"{alpha}/samples*", counted=False),
        ],
        "helm": [
            log("helm/org_alpha/per_instance_stats.json", "json", "helm/org_alpha/*s*.json"),
            log("helm/org_alpha/display_predictions.json", "json"),
            log("produced/helm/org_beta/per_instance_stats.json.gz", "json", "produced/helm/org_beta/*s*.json"),
        ],
        "opencompass": [log(f"opencompass/results/alpha/{name}.json", "json") for name in ("gpqa", "aime", "piqa")]
        + [log(f"opencompass/results/alpha/{name}.json", "json") for name in ("judged", "equal")]
        + [log(f"produced/opencompass/results/beta/{name}.json", "json") for name in ("sums", "thrice", "pick")],
        "promptfoo": [
            log("promptfoo/sums.json.gz", "json", cluster="passage"),
            log("promptfoo/sums.jsonl.gz", "jsonl"),
        ],
        "alpaca_eval": [
            log("alpaca_eval/alpha/annotations.json", "json", cluster="dataset"),
            log("produced/alpaca_eval/beta/annotations.json", "json"),
        ],
        "every_eval_ever": [
            log("every_eval_ever/*01_samples.jsonl", "jsonl", "every_eval_ever/*01.json", cluster="passage"),
            log("produced/every_eval_ever/*_samples.jsonl", "jsonl"),
            log("every_eval_ever/*01.json", "json", "every_eval_ever/*01_samples.jsonl", counted=False),
        ],
        "verl": [log(f"verl/{name}.jsonl", "jsonl") for name in ("rollouts/3", "named/3", "validation/20", "old/3")]
        + [log("produced/verl/rollouts/7.jsonl", "jsonl")],
        "verifiers": [log(f"verifiers/{name}/traces.jsonl", "jsonl") for name in ("sums", "flat", "pair")]
        + [log("produced/verifiers/traces.jsonl", "jsonl")],
        "trl": [
            log("trl/run-7/completions/completions_00005.parquet", "parquet"),
            log("produced/trl/*/completions/*2.parquet", "parquet"),
        ],
        "lighteval": [
            log("lighteval/details/org/alpha/*/details_*.parquet", "parquet"),
            log("produced/lighteval/details/org/beta/*/details_sums*.parquet", "parquet"),
            log("lighteval/results/org/alpha/results_*.json", "json"),
        ],
    }
