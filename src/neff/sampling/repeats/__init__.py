"""What k answers give: pass@k, pass^k, votes and best of k, exactly from recorded answers."""
