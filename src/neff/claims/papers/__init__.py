"""One module per paper: its headline as a claim, at the scale of a laptop, and what that scale cannot show."""
