"""A simulated cohort as the folder tree of DICOM files that several scanners would have sent."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from petnet.simulation.cohort import SimulatedCohort
from petnet.simulation.dicom.study_files import StudyFiles
from petnet.simulation.tables import Rows, write_cohort

__all__ = ["DicomCohort"]

VERSION = 1  # raised whenever the same cohort would give other files


@dataclass(frozen=True)
class DicomCohort:
    """A simulated cohort that is written as DICOM, to practise `petnet convert` on.

    Beside the tree, targets.csv has the labels under the names that `convert` gives the patients,
    and truth.csv says of each series what must become of it.
    """

    cohort: SimulatedCohort

    def write(self, folder: Path | str, workers: int = 2, overwrite: bool = False) -> Path:
        """Write dicom/, targets.csv, truth.csv and cohort.json; else as `SimulatedCohort.write`.

        Columns of truth.csv: `becomes` is pet, ct, regions or excluded, and `reason` says why it is
        excluded; `suv_factor_first` and `suv_factor_last` are SUVbw of a rescaled value of 1 in the
        first and in the last slice.
        """
        cohort = self.cohort
        return write_cohort(
            Path(folder),
            cohort.names,
            settings={**asdict(cohort), "format": "dicom", "dicom_version": VERSION},
            facts={"simulator": cohort.simulator, "version": cohort.version, **cohort.facts()},
            simulate=self.simulate,
            workers=workers,
            overwrite=overwrite,
        )

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the files of patient `index` below `folder` and return its table rows."""
        with tempfile.TemporaryDirectory() as made:
            rows = self.cohort.simulate(index, Path(made))
            truth = [
                row
                for number, study in enumerate(rows["studies"], 1)
                for row in StudyFiles(index, number, study, rows["studies"], rows["rois"]).write(
                    Path(made), folder
                )
            ]
        return {"targets": rows["targets"], "truth": truth}
