"""First floor: one table of draws, and a reader for every log format."""

from neff.records.columns import ColumnMap
from neff.records.doctor import Diagnosis, diagnose
from neff.records.factor import Factor
from neff.records.read import as_records, read
from neff.records.reader import Reader
from neff.records.summary import ItemSums
from neff.records.sums import summarise
from neff.records.table import Records, Source

__all__ = [
    "ColumnMap",
    "Diagnosis",
    "Factor",
    "ItemSums",
    "Reader",
    "Records",
    "Source",
    "as_records",
    "diagnose",
    "read",
    "summarise",
]
