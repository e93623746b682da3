"""Mutations of log files that know their structure: bytes, lines, JSON values, members of a zip, columns of a table."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import struct
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from plans import Plan

__all__ = ["mutate"]

LARGE = 1 << 16
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e=1+1,'\"|\n"
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e-320, 1e308),
    *(math.nan, math.inf, -math.inf, "", "0", "1.0", "NaN", "inf", "C", "I", "true", "1_0", " 1 ", "1,5"),
    *("\ud800", "\0", "é", HOSTILE, "x" * 70_000, [], {}, [[]], [None], [1, 0], ["a"], {"": 0}, {"a": {"b": [1]}}),
)
"""What takes the place of a value."""

SPECIAL = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"null",
    b"\xff\xfe",
    b"\0",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\r\n",
)
SPECIAL += (b"[" * 3000, b'{"a":' * 3000, b"{}", b"[]", b'""', b"\xef\xbb\xbf", b"PK\x03\x04", b"PAR1", b"\x1f\x8b")


def mutate(content: bytes, kind: str, plan: Plan) -> bytes:
    """Return the content with one to four changes; most of them keep the structure of the kind."""
    ways = {"json": [_json, _json, _json, _bytes], "jsonl": [_line_json, _line_json, _lines, _bytes]}
    ways |= {"csv": [_lines, _cells, _cells, _bytes], "zip": [_member, _member, _member, _bytes]}
    ways |= {"parquet": [_columns, _columns, _bytes], "arrow": [_bytes]}
    for _ in range(1 + plan.number(4)):
        way: Callable[[bytes, Plan], bytes] = plan.choice(ways[kind])
        content = way(content, plan)
    if kind not in ("parquet", "arrow", "zip") and plan.chance(6):
        content = _encoded(content, plan)
    return content


# ------------------------------------------------------------------------------------------------ bytes


def _bytes(content: bytes, plan: Plan) -> bytes:
    at, to = sorted((plan.number(len(content) + 1), plan.number(len(content) + 1)))
    to = min(to, at + 1 + plan.number(64)) if plan.chance(70) else to
    match plan.number(8):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[to:]
        case 2:
            return content[:to] + content[at:]
        case 3:
            return content[:at] + plan.choice(SPECIAL) + content[at:]
        case 4:
            return content[:at] + plan.choice(SPECIAL) + content[to:]
        case 5:
            return content[:at] + plan.text(9) + content[to:]
        case 6:
            return content[:at] + bytes([plan.number(256)]) + content[at + 1 :]
        case _:
            return _with_number(content, plan)


def _with_number(content: bytes, plan: Plan) -> bytes:
    """Replace a number in the text by something else."""
    places = [match.span() for match in re.finditer(rb"-?\d+(?:\.\d+)?", content[:100_000])]
    if not places:
        return content
    start, stop = plan.choice(places)
    new = plan.choice((b"NaN", b"-Infinity", b"1e999", b"-0", b"00", b"1.", b"9" * 400, b"null", b"true", b'"1"'))
    return content[:start] + new + content[stop:]


def _encoded(content: bytes, plan: Plan) -> bytes:
    text = content.decode("utf-8", "replace")
    match plan.number(6):
        case 0:
            return b"\xef\xbb\xbf" + content
        case 1:
            return text.encode("utf-16", "replace")
        case 2:
            return text.encode("utf-16-le", "replace")
        case 3:
            return text.encode("latin-1", "replace")
        case 4:
            return gzip.compress(content, 1)
        case _:
            packed = gzip.compress(content, 1)
            return packed[: plan.number(len(packed) + 1)]


# ------------------------------------------------------------------------------------------------ lines


def _lines(content: bytes, plan: Plan) -> bytes:
    lines = content.split(b"\n")
    at, other = plan.number(len(lines)), plan.number(len(lines))
    match plan.number(9):
        case 0:
            lines.insert(at, lines[other])
        case 1:
            del lines[at]
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines.insert(at, plan.choice((b"", b"  ", b"\r", b"null", b"[]", b"{}")))
        case 4:
            lines[at : at + 2] = [b"".join(lines[at : at + 2])]
        case 5:
            lines[at : at + 2] = [b" ".join(lines[at : at + 2]), b""]
        case 6:
            cut = plan.number(len(lines[at]) + 1)
            lines[at : at + 1] = [lines[at][:cut], lines[at][cut:]]
        case 7:
            lines[at] = lines[at][: plan.number(len(lines[at]) + 1)]
        case _:
            lines *= (2 + 200 * plan.chance(10)) if len(content) < LARGE else 1  # also more than one block of lines
    return (b"\r\n" if plan.chance(10) else b"\n").join(lines)


def _line_json(content: bytes, plan: Plan) -> bytes:
    lines = content.split(b"\n")
    at = plan.number(max(1, len(lines) - 1))
    lines[at] = _json(lines[at], plan)
    return b"\n".join(lines)


def _cells(content: bytes, plan: Plan) -> bytes:
    """Replace a cell of a delimited file."""
    lines = content.split(b"\n")
    at = plan.number(len(lines))
    cells = lines[at].split(b",")
    new = plan.choice(VALUES)
    text = new if isinstance(new, str) else json.dumps(new)
    quoted = '"' + text.replace('"', '""') + '"' if plan.chance(50) else text
    cells[plan.number(len(cells))] = quoted.encode("utf-8", "replace")
    lines[at] = b",".join(cells)
    return b"\n".join(lines)


# ------------------------------------------------------------------------------------------------- JSON


def _json(content: bytes, plan: Plan) -> bytes:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _bytes(content, plan)
    try:
        return json.dumps(_changed(value, plan), ensure_ascii=plan.chance(50)).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return content


def _changed(value: Any, plan: Plan) -> Any:
    """Return the value with one change, at a place that is chosen step by step."""
    inner, depth = value, 0
    parent: Any = None
    key: Any = None
    while isinstance(inner, (dict, list)) and inner and (depth == 0 or plan.chance(80)):
        parent = inner
        key = plan.choice(list(inner)) if isinstance(inner, dict) else plan.number(len(inner))
        inner, depth = inner[key], depth + 1
    if parent is None:
        return plan.choice(VALUES)
    match plan.number(9):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[plan.choice(["", "score", "item", str(key).upper(), HOSTILE, "a\0b", "\ud800"])] = parent.pop(key)
        case 2 if isinstance(parent, list):
            parent.insert(key, json.loads(json.dumps(inner)))
        case 3:
            parent[key] = [inner] if plan.chance(50) else {"value": inner}
        case 4:
            parent[key] = str(inner)[:200]
        case 5:
            parent[key] = _nested(plan.choice((3, 40, 600)), plan)
        case 6:
            other = plan.choice(list(parent)) if isinstance(parent, dict) else plan.number(len(parent))
            parent[key], parent[other] = parent[other], parent[key]
        case _:
            parent[key] = plan.choice(VALUES)
    return value


def _nested(depth: int, plan: Plan) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value] if plan.number(2) else {"a": value}
    return value


# -------------------------------------------------------------------------------------------------- zip


def _member(content: bytes, plan: Plan) -> bytes:
    """Change a member of an archive (stored or deflated), or its entry in the directory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001  (whatever an archive that was changed before raises)
        return _bytes(content, plan)
    if not members:
        return content
    at = plan.number(len(members))
    name, data = members[at]
    match plan.number(9):
        case 0:
            del members[at]
        case 1:
            members.append((name, _json(data, plan)))
        case 2:
            members[at] = (
                plan.choice(("../../evil", "/etc/evil", "header.json", "a\\b", name.upper(), "x" * 300)),
                data,
            )
        case 3:
            members[at] = (name, _bytes(data, plan))
        case 4:
            members[at] = (name, b"")
        case 5:
            return _lie(_zipped(members), plan)
        case _:
            members[at] = (name, _json(data, plan))
    return _zipped(members, zipfile.ZIP_DEFLATED if plan.chance(50) else zipfile.ZIP_STORED)


def _zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = method
            archive.writestr(info, data)
    return target.getvalue()


def _lie(content: bytes, plan: Plan) -> bytes:
    """Change a field of an entry of the directory: method, flags, checksum, sizes, place."""
    changed = bytearray(content)
    entries = [match.start() for match in re.finditer(b"PK\x01\x02", content)]
    at, size = plan.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (42, 4)))
    number = plan.choice((0, 1, 8, 93, 99, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF))
    place = plan.choice(entries) + at
    changed[place : place + size] = struct.pack("<Q", number)[:size]
    return bytes(changed)


# ---------------------------------------------------------------------------------------------- columns


def _columns(content: bytes, plan: Plan) -> bytes:
    """Change a column or rows of a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        names = table.column_names
        at = plan.number(len(names))
        column = table.column(at)
        match plan.number(9):
            case 0:
                table = table.remove_column(at)
            case 1:
                table = table.set_column(at, names[at], pa.nulls(len(table), column.type))
            case 2:
                table = table.set_column(at, names[at], pa.array([plan.choice(VALUES[:30])] * len(table)))
            case 3:
                table = table.rename_columns([*names[:at], HOSTILE, *names[at + 1 :]])
            case 4:
                table = table.slice(plan.number(len(table) + 1), plan.number(len(table) + 1))
            case 5:
                table = pa.concat_tables([table, table])
            case 6:
                table = table.set_column(at, names[at], pa.array([[i] for i in range(len(table))]))
            case 7:
                table = table.select([*names[at:], *names[:at]])
            case _:
                table = table.set_column(at, names[at], pa.array([str(value)[:99] for value in column.to_pylist()]))
        target = io.BytesIO()
        pq.write_table(table, target, compression=plan.choice(("none", "zstd", "snappy", "gzip")))
    except (pa.ArrowException, ValueError, TypeError, OSError, OverflowError, IndexError):
        return _bytes(content, plan)
    return target.getvalue()
