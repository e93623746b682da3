"""First floor: one table of draws, and a reader for every log format."""

from neff.records.columns import ColumnMap
from neff.records.factor import Factor
from neff.records.reader import Reader
from neff.records.table import Records, Source

__all__ = ["ColumnMap", "Factor", "Reader", "Records", "Source"]
