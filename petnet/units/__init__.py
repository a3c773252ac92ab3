"""From a cohort and a task to the units of prediction: images, regions, labels, columns."""

from petnet.units.select import Region, Series, Unit, UnitTable, select_units
from petnet.units.studies import ROW_COLUMNS, RowKind, Study, StudyRow, select_studies

__all__ = [
    "ROW_COLUMNS",
    "Region",
    "RowKind",
    "Series",
    "Study",
    "StudyRow",
    "Unit",
    "UnitTable",
    "select_studies",
    "select_units",
]
