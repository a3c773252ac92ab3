"""Peritoneal spread of ovarian cancer: a simulated FDG and FAPI PET/CT cohort with known truth.

The label of a region is carried by the SUVmean of what the reader delineated there, exactly: on
FDG 1.4 exp(0.3 x), on FAPI 1.1 exp(0.4 x), the latents x ~ N(+-d/2, 1), d = sqrt 2 * Phi^-1(AUC),
independent over tracers and regions given the labels. A deposit and a benign focus differ in
nothing else. The patient's label has a clinical latent of its own, carried by CA125. Who sees a
region's latents, or a patient's, can do no better than `ideal_auc` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import abdomen, columns
from petnet.simulation.abdomen import REGIONS, Reading
from petnet.simulation.cohort import SimulatedCohort, patient_name, roi_row, study_row
from petnet.simulation.foci import ExactTarget
from petnet.simulation.latent import combined_auc, ideal_distance
from petnet.simulation.phantom import (
    FDG_SUV,
    Anatomy,
    body_grid,
    draw_anatomy,
    draw_uptake,
    further_organs,
)
from petnet.simulation.scanner import Acquisition, Center, draw_acquisition
from petnet.simulation.spread import DRAWS, SpreadObserver, draw_pattern
from petnet.simulation.tables import Rows
from petnet.simulation.tracers import FAPI, FDG, Tracer
from petnet.volume import Volume, write_volume

__all__ = ["PeritonealCohort", "PeritonealPatient", "Scan"]

TRACERS = (FDG, FAPI)
SUV_OF_LATENT = {"fdg": (1.4, 0.3), "fapi": (1.1, 0.4)}  # median, and log SUV per unit of latent
UNSEEN = 0.4  # of the regions, where surgery did not reach all
CT_COARSENESS = 1.4  # CT is stored on voxels this much larger than the centre's own


@dataclass(frozen=True, eq=False)
class Scan:
    """One arm of a patient: tracer, body with its uptake, acquisition, SUV of what is read.

    `targets` are those of the 13 reading volumes, then of the primary mass.
    """

    tracer: Tracer
    study: int
    anatomy: Anatomy
    acquisition: Acquisition
    targets: tuple[ExactTarget, ...]


@dataclass(frozen=True, eq=False)
class PeritonealPatient:
    """All that was drawn for one patient before any image is made.

    Attributes
    ----------
    positive : bool
        Whether there is any deposit.
    deposits : (13,) bool array
        Which regions hold one.
    seen : (13,) bool array
        Which of them surgery reached.
    latents : dict
        Tracer's arm to (13,) latents, whether or not that scan was made.
    clinical_latent : float
    anatomy : Anatomy
        As FDG shows it.
    scans : tuple of one or two Scans
    """

    index: int
    name: str
    positive: bool
    deposits: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    latents: dict[str, NDArray[np.float64]]
    clinical_latent: float
    center: Center
    anatomy: Anatomy
    reading: Reading
    scans: tuple[Scan, ...]

    def labels(self) -> dict[str, int | None]:
        """Return the target columns: 1, 0 or None (missing) per region, and of the patient.

        The patient is positive where a deposit was seen, negative only where every region was.
        """
        found = {
            region: int(deposit) if seen else None
            for region, deposit, seen in zip(REGIONS, self.deposits, self.seen, strict=True)
        }
        if bool((self.deposits & self.seen).any()):
            return {"peritoneal": 1, **found}
        return {"peritoneal": 0 if bool(self.seen.all()) else None, **found}


@dataclass(frozen=True)
class PeritonealCohort(SimulatedCohort):
    """Settings of the simulated cohort of peritoneal spread.

    Attributes
    ----------
    patients, seed, centers
        As `SimulatedCohort`.
    prevalence : float
        Exactly round(prevalence * patients) have spread.
    spread : float
        Chance of a region to be positive in them; at least one is.
    fdg_auc, fapi_auc : float
        AUC of the ideal observer of a region on that tracer; 0.5 plants no signal.
    clinical_auc : float
        The same of a patient, for CA125 alone.
    single_arm_rate : float
        Chance that a patient has one of the two scans only; which one is a toss.
    missing_rate : float
        Chance that a clinical value is missing.
    missing_region_rate : float
        Chance that surgery did not reach a region, so that its label is missing. It left out none
        in most patients, and 40 % of the regions in the others.
    """

    prevalence: float = 0.5
    spread: float = 0.4
    fdg_auc: float = 0.75
    fapi_auc: float = 0.85
    clinical_auc: float = 0.65
    single_arm_rate: float = 0.2
    missing_rate: float = 0.05
    missing_region_rate: float = 0.02

    simulator: ClassVar[str] = "peritoneal"
    streams: ClassVar[tuple[str, ...]] = (
        "label", "deposits", "anatomy", "organs", "suv", "regions", "foci", "mass", "uptake", "fdg",
        "fapi", "clinical", "columns", "missing", "unseen", "arms", "acquisition", "noise", "ct",
    )  # fmt: skip
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "prevalence": (0, 1), "spread": (0, 1), "fdg_auc": (0.5, 0.9999),
        "fapi_auc": (0.5, 0.9999), "clinical_auc": (0.5, 0.9999), "single_arm_rate": (0, 1),
        "missing_rate": (0, 1), "missing_region_rate": (0, UNSEEN),
    }  # fmt: skip

    @property
    def observer(self) -> SpreadObserver:
        """The ideal observer of the patient's label."""
        distances = {t.arm: ideal_distance(getattr(self, f"{t.arm}_auc")) for t in TRACERS}
        return SpreadObserver(
            len(REGIONS), self.spread, distances, ideal_distance(self.clinical_auc)
        )

    @property
    def ideal_auc(self) -> dict[str, float | None]:
        """AUC of the ideal observers of a region (exact) and of a patient (Monte Carlo).

        `region_..._whole` is that of a region by who sees the whole patient, CA125 too: what bounds
        a model of all regions. None where all regions are positive, or none is.
        """
        arms = {"fdg": ("fdg",), "fapi": ("fapi",), "both": ("fdg", "fapi")}
        regions = {
            f"region_{name}": combined_auc([getattr(self, f"{arm}_auc") for arm in seen])
            for name, seen in arms.items()
        }
        patients = {
            f"patient_{name}{'_clinical' if clinical else ''}": self.observer.auc(seen, clinical)
            for name, seen in arms.items()
            for clinical in (False, True)
        }
        whole = {
            f"region_{name}_whole": self.observer.region_auc(seen, self.prevalence)
            for name, seen in arms.items()
        }
        return {**regions, **whole, **patients, "patient_clinical": self.clinical_auc}

    def facts(self) -> dict[str, Any]:
        """Return the ideal observers' figures."""
        return {"ideal_auc": self.ideal_auc, "ideal_auc_draws": DRAWS}

    def labels(self) -> NDArray[np.bool_]:
        """Return who has spread."""
        return self.exact_labels("label", self.prevalence)

    def deposits(self, index: int) -> NDArray[np.bool_]:
        """Return (13,): which regions of patient `index` hold a deposit."""
        if not self.labels()[index]:
            return np.zeros(len(REGIONS), dtype=bool)
        pattern = draw_pattern(self.rng(index, "deposits"), self.spread, len(REGIONS))
        return np.asarray(pattern[0])

    def latents(self, index: int) -> tuple[dict[str, NDArray[np.float64]], float]:
        """Return the regions' latents by tracer, and the clinical latent, of patient `index`."""
        side = np.where(self.deposits(index), 0.5, -0.5)
        observer = self.observer
        regions = {
            arm: side * distance + self.rng(index, arm).normal(size=len(REGIONS))
            for arm, distance in observer.distances.items()
        }
        patient_side = 0.5 if self.labels()[index] else -0.5
        marker = self.rng(index, "clinical").normal() + patient_side * observer.clinical_distance
        return regions, float(marker)

    def draw(self, index: int) -> PeritonealPatient:
        """Draw patient `index` (0-based) without making images."""
        center = self.draw_center(self.rng(index, "acquisition"))
        body = draw_anatomy(self.rng(index, "anatomy"), FDG_SUV)
        body = further_organs(body, self.rng(index, "organs"), female=True)
        latents, clinical_latent = self.latents(index)
        return PeritonealPatient(
            index=index,
            name=patient_name(index),
            positive=bool(self.labels()[index]),
            deposits=self.deposits(index),
            seen=self._seen(index),
            latents=latents,
            clinical_latent=clinical_latent,
            center=center,
            anatomy=body,
            reading=abdomen.draw_reading(
                body, self.rng(index, "regions"), self.rng(index, "foci"), self.rng(index, "mass")
            ),
            scans=self._scans(index, center, body, latents),
        )

    def _seen(self, index: int) -> NDArray[np.bool_]:
        rng = self.rng(index, "unseen")
        if rng.random() >= self.missing_region_rate / UNSEEN:
            return np.ones(len(REGIONS), dtype=bool)
        reached: NDArray[np.bool_] = rng.random(len(REGIONS)) >= UNSEEN
        return reached

    def _scans(
        self,
        index: int,
        center: Center,
        body: Anatomy,
        latents: Mapping[str, NDArray[np.float64]],
    ) -> tuple[Scan, ...]:
        first = draw_acquisition(self.rng(index, "acquisition", 1), center, body.scale)
        arms_rng = self.rng(index, "arms")
        left_out = -1
        if arms_rng.random() < self.single_arm_rate:
            left_out = int(arms_rng.integers(len(TRACERS)))
        scans = []
        for study, tracer in enumerate(TRACERS):
            drawn = draw_acquisition(self.rng(index, "acquisition", study + 1), center, body.scale)
            same_person = replace(drawn, weight_kg=first.weight_kg, height_m=first.height_m)
            if study == left_out:
                continue
            suv = draw_uptake(self.rng(index, "suv", study), tracer.uptake)
            targets = _targets(self.rng(index, "uptake", study), tracer.arm, latents[tracer.arm])
            anatomy = replace(body, suv=suv)
            scans.append(Scan(tracer, study, anatomy, tracer.given(same_person), targets))
        return tuple(scans)

    def pet(self, patient: PeritonealPatient, scan: Scan) -> tuple[Volume, Volume]:
        """Return one arm's PET (SUVbw) and label map, as `abdomen.make_pet`."""
        center = patient.center
        grid = body_grid(patient.anatomy, center.pet_spacing_mm, center.signs, *abdomen.ABDOMEN_MM)
        rng = self.rng(patient.index, "noise", scan.study)
        return abdomen.make_pet(
            scan.anatomy, patient.reading, scan.targets, grid, center, scan.acquisition,
            scan.tracer.name, rng,
        )  # fmt: skip

    def ct(self, patient: PeritonealPatient) -> Volume:
        """Return the CT (HU) that both arms share."""
        x, y, z = (CT_COARSENESS * step for step in patient.center.ct_spacing_mm)
        grid = body_grid(patient.anatomy, (x, y, z), patient.center.signs, *abdomen.ABDOMEN_MM)
        rng = self.rng(patient.index, "ct")
        return abdomen.make_ct(patient.anatomy, patient.reading, grid, rng)

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""
        patient = self.draw(index)
        images = Path("images") / patient.name
        for scan in patient.scans:
            pet, labels = self.pet(patient, scan)
            arm = folder / images / scan.tracer.arm
            write_volume(arm / "pet.nii.gz", pet, np.float32)
            write_volume(arm / "rois.nii.gz", labels, np.uint8)
        write_volume(folder / images / "ct.nii.gz", self.ct(patient), np.int16)
        return self.rows(patient, images.as_posix())

    def rows(self, patient: PeritonealPatient, images: str) -> Rows:
        """Return the patient's table rows; `images` is the folder of the files it names."""
        row = columns.ovarian_row(self.rng(patient.index, "columns"), patient.clinical_latent)
        missing_rng = self.rng(patient.index, "missing")
        target = {
            "patient": patient.name, **columns.with_gaps(missing_rng, row, self.missing_rate),
            **patient.labels(),
        }  # fmt: skip
        studies, rois = [], []
        for scan in patient.scans:
            files = f"{images}/{scan.tracer.arm}"
            study = study_row(
                patient.name, patient.center, scan.acquisition, scan.tracer, "F", files
            )
            studies.append({**study, "ct": f"{images}/ct.nii.gz"})
            rois += _roi_rows(patient.name, study["study"], f"{files}/rois.nii.gz")
        truth = [self._truth(patient)]
        return {"studies": studies, "rois": rois, "targets": [target], "truth": truth}

    def _truth(self, patient: PeritonealPatient) -> dict[str, Any]:
        arms = [scan.tracer.arm for scan in patient.scans]
        seen, marker = {arm: patient.latents[arm] for arm in arms}, patient.clinical_latent
        odds = self.observer.region_log_odds(seen, marker, self.prevalence)
        return {
            "patient": patient.name, "label": int(patient.positive), "arms": " ".join(arms),
            "center": patient.center.name, "clinical_latent": marker,
            "ideal_score": float(self.observer.log_ratio(seen)),
            "ideal_score_clinical": float(self.observer.log_ratio(seen, marker)),
            **{f"ideal_score_{r}": float(x) for r, x in zip(REGIONS, odds, strict=True)},
            **{f"label_{r}": int(y) for r, y in zip(REGIONS, patient.deposits, strict=True)},
            **{
                f"{arm}_latent_{r}": float(x)
                for arm, values in patient.latents.items()
                for r, x in zip(REGIONS, values, strict=True)
            },
        }  # fmt: skip


def region_suv(arm: str, latent: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the SUVmean of a reading volume, strictly increasing with its latent."""
    median, slope = SUV_OF_LATENT[arm]
    return np.asarray(median * np.exp(slope * np.asarray(latent)))


def _targets(
    rng: np.random.Generator, arm: str, latents: NDArray[np.float64]
) -> tuple[ExactTarget, ...]:
    """Return the SUV of 13 reading volumes, each a background with a focus, and of the mass."""
    means = region_suv(arm, latents)
    targets = [
        ExactTarget(float(mean), float(rng.uniform(0.45, 0.55)), float(rng.uniform(0.6, 0.75)))
        for mean in means
    ]
    mass = 6.0 * float(np.exp(0.3 * np.clip(rng.normal(), -2, 2)))
    return (*targets, ExactTarget(mass, float(rng.uniform(0.2, 0.3)), float(rng.uniform(0.2, 0.4))))


def _roi_rows(patient: str, study: str, path: str) -> list[dict[str, Any]]:
    rows = [
        roi_row(study, name, path, "region", name, f"{patient}-{name}", label)
        for label, name in enumerate(REGIONS, 1)
    ]
    liver = roi_row(study, "liver", path, "reference", "liver", None, abdomen.LIVER_LABEL)
    mass = roi_row(study, "primary", path, "primary", "ovary", f"{patient}-L1", abdomen.MASS_LABEL)
    return [*rows, liver, mass]
