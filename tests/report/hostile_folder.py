"""A folder whose every name tries to break out: of models, items, tasks, metrics, columns and files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["ATTACKS", "SPOOF", "make"]

SPOOF = "m\n\nrun: neff evaluate /etc/passwd"
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><svg onload=alert(3)>",
    "javascript:alert(4)",
    "red\x1b[31mtext\x1b]0;title\x07\x9b2J",
    "evil\u202egnp.exe\u2066\u200b",
    '=HYPERLINK("http://example.invalid","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "| *bold* [link](http://example.invalid) `code` ~~~ $x$",
    SPOOF,
    "]]>&amp;<!--",
    "x" * 3000,
)
"""Names; each is also a model, so that all are shown."""


def make(folder: Path) -> Path:
    """Write the folder: a table, one whose column names attack, one that cannot be read, and one with odd values."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "item": f"{attack} {i}",
            "model": attack,
            "task": ATTACKS[i % 2],
            "metric": ATTACKS[6],
            "score": (i + j) % 3 > 0,
        }
        for j, attack in enumerate(ATTACKS)
        for i in range(7)
    ]
    for row in rows:
        row["item"] = f"{ATTACKS[int(str(row['item'])[-1]) % len(ATTACKS)]} {str(row['item'])[-1]}"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "<img src=x onerror=alert(5)>.jsonl").write_text(lines)
    (folder / "run\nrun: neff evaluate \x1b[2J.jsonl").write_text(
        "".join(json.dumps({**row, "model": f"{row['model']} again", ATTACKS[1]: [1]}) + "\n" for row in rows)
    )
    (folder / "=1+1.csv").write_text('item,"<script>alert(6)</script>","evil\u202e\x1b[31m",model\n1,2,3,4\n')
    (folder / "<b>.json").write_text('{"</pre><script>alert(7)</script>": 1}')
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]))
