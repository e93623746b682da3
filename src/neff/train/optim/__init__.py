"""Wrappers of any torch optimizer: how far this step, of which size, from which batch."""
