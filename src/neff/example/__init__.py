"""The bundled example: real measurements with a known truth, small enough to ship.

Six classifiers read 500 handwritten digits and draw their answers; a cheap judge scores all of them, labels
cover a quarter of the images, and the accuracy of every model is known exactly. The columns are described in
`data/README.md`.
"""

from neff.example.demonstration import Demonstration, demonstrate
from neff.example.files import load, oracle, path, truth

__all__ = ["Demonstration", "demonstrate", "load", "oracle", "path", "truth"]
