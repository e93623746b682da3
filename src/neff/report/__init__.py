"""Reports: a result as one document, and the document as terminal text, HTML, Markdown, JSON, JUnit, CSV or Parquet.

Examples
--------
>>> from neff.report import formats
>>> formats()
('text', 'html', 'markdown', 'json', 'junit', 'csv', 'eee', 'parquet')
"""

from neff.report.build import evaluation_document
from neff.report.document import Document, Gate, document
from neff.report.output import formats, render, show, write
from neff.report.saved import load, schema

__all__ = [
    "Document",
    "Gate",
    "document",
    "evaluation_document",
    "formats",
    "load",
    "render",
    "schema",
    "show",
    "write",
]
