"""Results of the sampling room as documents."""
