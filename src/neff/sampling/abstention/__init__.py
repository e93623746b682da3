"""When to abstain: similarity-distance-magnitude estimators, their peers, and one table that holds all of them."""
