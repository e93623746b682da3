"""Matplotlib figures of evaluations, for notebooks and papers (extra `plot`); reports draw their own SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.errors import MissingExtraError

if TYPE_CHECKING:
    from neff.evaluate.result import Evaluation

__all__ = ["forest"]


def forest(result: Evaluation, ax: Any = None) -> Any:
    """Draw one point and interval per model of the first (task, metric), best at the top; return the axes."""
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise MissingExtraError("Evaluation.plot()", "plot") from error
        _, ax = plt.subplots(figsize=(7, 1 + 0.3 * len(result.estimates)), layout="constrained")
    task, metric = result.groups()[0]
    rows = [row for row in result.chart_data() if (row["task"], row["metric"]) == (task, metric)]
    for y, row in enumerate(rows):
        filled = bool(row["standing"])
        ax.plot([row["low"], row["high"]], [y, y], color="0.35", lw=1.5, zorder=1)
        ax.plot(row["value"], y, "o", color="C0" if filled else "0.35", mfc="C0" if filled else "white", ms=6, zorder=2)
    ax.set_yticks(range(len(rows)), [row["model"] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel(f"{metric} ({task}), {100 * result.level:g}% interval; filled: best or tied with it")
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax
