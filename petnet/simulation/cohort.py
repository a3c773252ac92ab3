"""What every simulated cohort shares: seeded streams, exact shares, centres, table rows, writing.

A cohort is a frozen dataclass of settings. Whatever is drawn for a patient comes from a stream of
its own, named by what it decides, so that a new draw in one place changes no other, and patient k
of a seed is the same person in a cohort of any size, written by any number of processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.simulation.scanner import CENTERS, Acquisition, Center
from petnet.simulation.tables import Rows, write_cohort
from petnet.simulation.tracers import Tracer

__all__ = ["SimulatedCohort", "roi_row", "study_row"]


@dataclass(frozen=True)
class SimulatedCohort(ABC):
    """Settings of a simulated cohort; a disease adds its own and says how a patient is made.

    Attributes
    ----------
    patients : int
    seed : int
    centers : tuple of Center
        Scanners; a patient's centre is drawn by their shares, blind to every label.
    simulator : str
        Name of the simulator in cohort.json.
    version : int
        Raised whenever the same settings would give other files.
    streams : tuple of str
        Names of the random streams; new ones are appended, as their place is part of the seed.
    bounds : mapping of str to (lowest, highest)
        Allowed values of further settings.
    """

    patients: int = 60
    seed: int = 1
    centers: tuple[Center, ...] = CENTERS

    simulator: ClassVar[str]
    version: ClassVar[int] = 1
    streams: ClassVar[tuple[str, ...]]
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __post_init__(self) -> None:
        object.__setattr__(self, "centers", tuple(self.centers))
        source = type(self).__name__
        limits = {"patients": (1, 99_999), "seed": (0, 2**63), **self.bounds}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                found = str(getattr(self, name))
                raise InputError(source, name, f"a value in [{low}, {high}]", found)
        if not self.centers:
            raise InputError(source, "centers", "at least one", "none")

    def positive_shares(self, name: str, counts: Container[int]) -> tuple[float, ...]:
        """Return a setting that holds shares above 0, as many as `counts` allows."""
        shares = tuple(float(share) for share in getattr(self, name))
        if len(shares) not in counts or min(shares) <= 0:
            expected = f"shares above 0, as many as in {counts}"
            raise InputError(type(self).__name__, name, expected, f"{list(shares)}")
        return shares

    def rng(self, index: int, stream: str, study: int = 0) -> np.random.Generator:
        """Return the stream of one patient; `study` counts the patient's further studies."""
        key = (index, self.streams.index(stream), *((study,) if study else ()))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def exact_labels(self, stream: str, prevalence: float) -> NDArray[np.bool_]:
        """Label exactly round(prevalence * patients) patients: those of the lowest draws."""
        key = (self.streams.index(stream),)
        seeds = np.random.SeedSequence(self.seed, spawn_key=key)
        draws = np.random.default_rng(seeds).random(self.patients)  # a prefix stays the same
        positive = np.zeros(self.patients, dtype=bool)
        positive[np.argsort(draws)[: round(prevalence * self.patients)]] = True
        return positive

    def draw_center(self, rng: np.random.Generator) -> Center:
        """Draw a patient's centre by the centres' shares."""
        shares = np.array([c.share for c in self.centers])
        return self.centers[int(rng.choice(len(shares), p=shares / shares.sum()))]

    @property
    def names(self) -> list[str]:
        """Names of the patients, in order."""
        return [patient_name(i) for i in range(self.patients)]

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what cohort.json says beside the settings: the ideal observers' figures."""

    @abstractmethod
    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""

    def write(self, folder: Path | str, workers: int = 2, overwrite: bool = False) -> Path:
        """Write images, studies.csv, rois.csv, targets.csv, truth.csv and cohort.json.

        The same settings on a finished folder do nothing; on a half-written one they finish it.

        Raises
        ------
        InputError
            The folder holds a cohort of other settings (unless `overwrite`) or other files.
        """
        return write_cohort(
            Path(folder),
            self.names,
            settings=asdict(self),
            facts={"simulator": self.simulator, "version": self.version, **self.facts()},
            simulate=self.simulate,
            workers=workers,
            overwrite=overwrite,
        )


def patient_name(index: int) -> str:
    """Return the name of patient `index` (0-based)."""
    return f"P{index + 1:04d}"


def study_row(
    patient: str,
    center: Center,
    acquisition: Acquisition,
    tracer: Tracer,
    sex: object,
    files: str,
    timepoint: str = "baseline",
    study: str | None = None,
) -> dict[str, Any]:
    """Return a row of the studies table.

    Parameters
    ----------
    files : str
        Folder of pet.nii.gz and ct.nii.gz, relative to the cohort's.
    study : str, optional
        Default: patient and timepoint, with the arm between where it is not FDG.
    """
    return {
        "patient": patient, "study": study or study_name(patient, tracer, timepoint),
        "timepoint": timepoint, "arm": tracer.arm, "tracer": tracer.name, "modality": "PT/CT",
        "pet": f"{files}/pet.nii.gz", "ct": f"{files}/ct.nii.gz",
        "weight_kg": acquisition.weight_kg, "height_m": acquisition.height_m, "sex": sex,
        "dose_bq": int(acquisition.dose_bq), "uptake_min": acquisition.uptake_min,
        "scanner": center.scanner, "reconstruction": center.reconstruction,
        "center": center.name, "split": None,
    }  # fmt: skip


def study_name(patient: str, tracer: Tracer, timepoint: str = "baseline") -> str:
    """Return the id of a study."""
    parts = (patient, *(() if tracer.arm == "fdg" else (tracer.arm,)), timepoint)
    return "-".join(parts)


def roi_row(
    study: str, roi: str, path: str, role: str, region: str, lesion_uid: str | None, label: int = 1
) -> dict[str, Any]:
    """Return a row of the rois table; `roi` is its name within the study."""
    return {
        "study": study, "roi": f"{study}-{roi}", "lesion_uid": lesion_uid, "role": role,
        "region": region, "path": path, "label": label, "grid": "pet", "reader": "simulator",
        "method": "simulated",
    }  # fmt: skip
