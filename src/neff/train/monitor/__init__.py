"""Watching a run of reinforcement learning: what each optimizer step's batch was worth, and what is wrong with it.

`Monitor` collects per micro-batch and reports per optimizer step; `checks` refuse or warn before and during a run;
`sinks` hand the reports to TensorBoard, a tracker, or a JSON Lines file that `neff report` shows.
"""
