"""`neff report`."""

from __future__ import annotations

from neff.cli.options import NO_GATES, NO_OUTPUT, Flag, Gates, Input, Output

__all__ = ["report"]


def report(
    result: Input | None = None,
    /,
    *,
    schema: Flag = False,
    output: Output = NO_OUTPUT,
    gates: Gates = NO_GATES,
) -> int:
    """Show a saved result or a training run, in any format, and hold it against gates; nothing is computed anew.

    For example:
      neff report result.json
      neff report result.json -o report.html -o scores.csv
      neff report result.json --fail-if 'lower(diff[new,old]) < -0.01'
      neff report run.jsonl -o training.html
      neff report --schema

    Parameters
    ----------
    result
        A file written by `neff evaluate -o result.json` or `--json`, or the steps of a training run, as neff's
        JSONL sink writes them; - is stdin.
    schema
        Print the JSON schema of a saved result.
    """
    import json

    from neff.cli.delivery import prepare
    from neff.cli.records import STDIN
    from neff.cli.streams import show
    from neff.errors import ArgumentError
    from neff.evaluate.result import Evaluation
    from neff.report import load
    from neff.report import schema as published

    if schema:
        show(json.dumps(published(), indent=1, ensure_ascii=False))
        return 0
    if result is None:
        raise ArgumentError("result", "a saved result", "none", "For example: neff report result.json -o report.html.")
    delivery = prepare(output, gates, inputs=[result])
    found = load("/dev/stdin" if str(result) == STDIN else result)
    if isinstance(found, Evaluation):
        return delivery.hand_over(found)
    if delivery.conditions or delivery.strict:
        given = gates.fail_if[0] if gates.fail_if else "--strict"
        raise ArgumentError("fail-if", "left out for a training run", given, "Gates are for evaluations.")
    delivery.put_out(found, [f"note: {note}" for note in found.notes])
    return 0
