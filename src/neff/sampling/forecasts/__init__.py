"""Pass rates down to 1e-5, the task scaling law, and coverage beyond the recorded answers."""
