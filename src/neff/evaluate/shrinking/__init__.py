"""Parts of `subtask_scores`: the cells as arrays and what is fitted to them, and the result."""
