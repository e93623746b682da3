"""Reports: a result as one document, and the document as terminal text, HTML, Markdown, JSON, JUnit, CSV or Parquet.

Examples
--------
>>> from neff.report import formats
>>> formats()
('text', 'html', 'markdown', 'json', 'junit', 'csv', 'eee', 'parquet')
"""

from neff.report.audits import audit_document
from neff.report.build import evaluation_document
from neff.report.converting import Converted, convert
from neff.report.document import Document, Gate, document
from neff.report.output import formats, render, show, write
from neff.report.plans import audit_plan_document, budget_plan_document, plan_document
from neff.report.saved import load, schema
from neff.report.subtasks import subtasks_document

__all__ = [
    "Converted",
    "Document",
    "Gate",
    "audit_document",
    "audit_plan_document",
    "budget_plan_document",
    "convert",
    "document",
    "evaluation_document",
    "formats",
    "load",
    "plan_document",
    "render",
    "schema",
    "show",
    "subtasks_document",
    "write",
]
