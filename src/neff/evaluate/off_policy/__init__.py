"""Off-policy evaluation: a target policy judged by answers that another policy gave, where their overlap allows it."""
