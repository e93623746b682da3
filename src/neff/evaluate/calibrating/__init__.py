"""From a judge's score to the oracle's scale: curves, folds that keep them honest, and how well they fit."""
