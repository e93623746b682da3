"""Self-certainty from what engines give: transformers' logits, and the log-probabilities in Inspect logs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.sampling.selection.certainty import BLOCK, CertaintyBound, VocabularySums, certainty_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["inspect_certainty", "transformers_certainty"]


def transformers_certainty(
    output: Any, *, prompt_length: int, pad_token_id: int | None = None, eos_token_id: int | Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Return the self-certainty of each sequence of a transformers `generate` call.

    Parameters
    ----------
    output
        Of `model.generate(..., output_logits=True, return_dict_in_generate=True)`: `logits` are the raw ones, `scores`
        those after temperature and top-k, which would be infinite.
    prompt_length
        Tokens of the prompt in `sequences`.
    pad_token_id
        Token that fills sequences that ended before the longest one. Without it (and without `eos_token_id`) every step
        counts, as it should for one sequence only.
    eos_token_id
        Token, or tokens, that end a sequence, and still count; what follows does not. Give it where it is another one
        than the padding: by default padding is taken to be the end, and the first of it counts.

    Returns
    -------
    ndarray
        Shape (n_sequences,), nats.

    Raises
    ------
    ArgumentError
        If the output has no raw logits.

    Notes
    -----
    The logits of step t predict token t, so that there is no position to shift. One step at a time is brought to the
    CPU in float32.
    """
    steps = getattr(output, "logits", None)
    if not steps:
        fix = "Call generate with output_logits=True and return_dict_in_generate=True."
        raise ArgumentError(
            "output", "a generation with raw logits", type(output).__name__, fix, call="transformers_certainty"
        )
    drawn = output.sequences[:, prompt_length:].cpu().numpy()
    total, count = np.zeros(len(drawn)), np.zeros(len(drawn))
    alive = np.ones(len(drawn), bool)
    ends = np.atleast_1d([] if eos_token_id is None else eos_token_id)
    padding_ends = eos_token_id is None or pad_token_id in ends
    for t, step in enumerate(steps):
        z = step.detach().float().cpu().numpy()
        values = np.empty(len(z))
        rows = max(1, BLOCK // z.shape[1])
        for start in range(0, len(z), rows):
            values[start : start + rows] = VocabularySums.of(z[start : start + rows]).certainty()
        padded = drawn[:, t] == pad_token_id if pad_token_id is not None else np.zeros(len(drawn), bool)
        if not padding_ends:
            alive &= ~padded
        total[alive] += values[alive]
        count[alive] += 1
        alive &= ~(padded | np.isin(drawn[:, t], ends))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def inspect_certainty(log: str | Path | dict[str, Any], *, vocabulary: int) -> dict[tuple[str, int], CertaintyBound]:
    """Bound the self-certainty of every sample of an Inspect log from the log-probabilities that it keeps.

    Parameters
    ----------
    log
        An Inspect log in JSON: a path, or its content. Written with `GenerateConfig(logprobs=True, top_logprobs=k)`.
    vocabulary
        V of the model, which the log does not hold.

    Returns
    -------
    dict
        By (sample id, epoch). A sample without top log-probabilities is left out.

    Raises
    ------
    RecordsError
        If the file is no such log.

    Examples
    --------
    >>> top = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -3.0}]
    >>> content = [{"token": "a", "logprob": -0.1, "top_logprobs": top}]
    >>> sample = {"id": "q", "epoch": 1, "output": {"choices": [{"logprobs": {"content": content}}]}}
    >>> round(inspect_certainty({"samples": [sample]}, vocabulary=100)[("q", 1)].lower, 3)
    2.95
    """
    data = log if isinstance(log, dict) else _loaded(Path(log))
    samples = data.get("samples")
    if not isinstance(samples, list):
        raise RecordsError("no samples in the log.", "Give an Inspect log in JSON; `inspect log convert` makes one.")
    found = {}
    for sample in samples:
        rows = [row for row in _top(sample) if row]
        if rows:
            k = min(map(len, rows))
            ranked = np.array([sorted(row, reverse=True)[:k] for row in rows])
            found[str(sample.get("id")), int(sample.get("epoch", 1))] = certainty_bound(ranked, vocabulary=vocabulary)
    return found


def _loaded(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordsError(f"{path} is not JSON: {error}.", "Give an Inspect log in JSON.", path=str(path)) from error
    return data if isinstance(data, dict) else {}


def _top(sample: Any) -> Iterator[list[float]]:
    """Yield the top log-probabilities at each token of a sample; nothing where the log has another shape."""
    try:
        content = sample["output"]["choices"][0]["logprobs"]["content"]
    except (KeyError, IndexError, TypeError):
        return
    for token in content or ():
        top = token.get("top_logprobs") if isinstance(token, dict) else None
        values = [entry.get("logprob") for entry in top or () if isinstance(entry, dict)]
        yield [float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
