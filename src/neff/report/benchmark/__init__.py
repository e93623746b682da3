"""Results of the benchmark room as documents."""
