"""From a cohort and a task to the units of prediction: images, regions, labels, columns."""

from petnet.units.select import Region, Series, Unit, UnitTable, select_units

__all__ = ["Region", "Series", "Unit", "UnitTable", "select_units"]
