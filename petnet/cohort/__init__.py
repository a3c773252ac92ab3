"""The cohort: its tables (studies, rois, targets) and the splits made from it."""

from petnet.cohort.reading import read_table
from petnet.cohort.splits import Splits, inner_folds, make_splits, splits_from_column
from petnet.cohort.tables import Cohort, read_cohort

__all__ = [
    "Cohort",
    "Splits",
    "inner_folds",
    "make_splits",
    "read_cohort",
    "read_table",
    "splits_from_column",
]
