"""The command line: one thin file per verb; the work is done in the rooms below."""
