"""A simulated cohort of benign and malignant lesions, seen with FDG and with FAPI.

Each lesion has two latents, x ~ N(+-d/2, 1) given the label and independent of each other given it:
one is its FDG uptake, one its FAPI uptake, as ln(SUVmean / SUV of the patient's liver) = a + b x.
The distributions overlap as in life: some tumours take up little FDG, some inflammation takes up
much, and fibrosis takes up FAPI. The ideal observers of either tracer have the AUCs asked for, who
sees both that of sqrt(d_fdg^2 + d_fapi^2). Site, size, texture, anatomy, scanner, age and sex are
drawn blind to the label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import texture
from petnet.simulation.cohort import SimulatedCohort, patient_name, roi_row, study_row
from petnet.simulation.latent import combined_auc, ideal_distance, ordered_share
from petnet.simulation.lesion_patient import (
    BLOOD_POOL,
    TRACERS,
    DrawnLesion,
    LesionPatient,
    truth_row,
)
from petnet.simulation.lesion_sites import LesionPlaces
from petnet.simulation.phantom import (
    Anatomy,
    draw_anatomy,
    draw_uptake,
    further_organs,
    liver_middle,
)
from petnet.simulation.scanner import CENTERS, Center, draw_acquisition, draw_follow_up
from petnet.simulation.study import PetStudy, make_ct, make_pet, sphere_mask
from petnet.simulation.tables import Rows
from petnet.simulation.tracers import FAPI, FDG, Tracer
from petnet.volume import Volume, write_volume

__all__ = ["LesionCohort"]

EAST = Center(
    "east", "Sim PET/CT C", "OSEM", psf_fwhm_mm=6.4, liver_cov=0.13,
    pet_spacing_mm=(4.3, 4.3, 3.6), ct_spacing_mm=(2.5, 2.5, 2.8), signs="--+",
    dose_mbq_per_kg=4.0, share=0.3,
)  # fmt: skip


# SUVmean over liver at latent 0, and standard deviation of its logarithm given the label.
UPTAKE = {"fdg": (2.0, 0.5), "fapi": (4.5, 0.6)}
REFERENCES = {"liver": 30.0, "blood_pool": 16.0}  # diameters in mm


@dataclass(frozen=True)
class LesionCohort(SimulatedCohort):
    """Settings of the cohort of benign and malignant lesions.

    Attributes
    ----------
    prevalence : float
        Exactly round(prevalence * lesions) of the cohort's lesions are malignant.
    fdg_auc, fapi_auc : float
        AUC of the ideal observer of each tracer; 0.5 plants no signal.
    lesion_shares : sequence of float
        Shares of patients with 1, 2, ... lesions.
    single_arm_rate : float
        Chance that a patient was imaged with one of the tracers only, either as often.
    missing_rate : float
        Chance that age or sex is missing.
    missing_label_rate : float
        Chance that a lesion has neither histology nor follow-up, so that `malignant` is missing.
    """

    patients: int = 100
    centers: tuple[Center, ...] = (*CENTERS, EAST)
    prevalence: float = 0.6
    fdg_auc: float = 0.75
    fapi_auc: float = 0.85
    lesion_shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    single_arm_rate: float = 0.1
    missing_rate: float = 0.05
    missing_label_rate: float = 0.03

    simulator: ClassVar[str] = "lesions"
    streams: ClassVar[tuple[str, ...]] = (
        "label", "anatomy", "lesions", "latents", "columns", "missing", "arms", "acquisition",
        "uptake", "field", "noise", "ct",
    )  # fmt: skip
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "prevalence": (0, 1), "fdg_auc": (0.5, 0.9999), "fapi_auc": (0.5, 0.9999),
        "single_arm_rate": (0, 1), "missing_rate": (0, 1), "missing_label_rate": (0, 1),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.positive_shares("lesion_shares", range(1, 9))
        object.__setattr__(self, "lesion_shares", shares)

    @property
    def ideal_auc(self) -> dict[str, float]:
        """AUC of the observer of each tracer, and of both where a lesion has both."""
        both = combined_auc((self.fdg_auc, self.fapi_auc))
        return {"fdg": self.fdg_auc, "fapi": self.fapi_auc, "combined": both}

    def count(self, index: int) -> int:
        """Return how many lesions patient `index` has."""
        shares = np.array(self.lesion_shares)
        return int(self.rng(index, "lesions").choice(len(shares), p=shares / shares.sum())) + 1

    def labels(self, index: int) -> NDArray[np.bool_]:
        """Tell which lesions of patient `index` are malignant."""
        return _malignant(self)[index]

    def draw(self, index: int) -> LesionPatient:
        """Draw patient `index` (0-based) without making images."""
        columns_rng, acquisition_rng = self.rng(index, "columns"), self.rng(index, "acquisition")
        age = int(np.clip(round(columns_rng.normal(60, 12)), 20, 92))
        sex = "M" if columns_rng.random() < 0.55 else "F"
        center = self.draw_center(acquisition_rng)
        anatomy_rng = self.rng(index, "anatomy")
        body = further_organs(draw_anatomy(anatomy_rng, FDG.uptake), anatomy_rng, sex == "F")
        fapi = replace(body, suv=draw_uptake(self.rng(index, "uptake"), FAPI.uptake))
        bodies = {"fdg": body, "fapi": fapi}
        first = draw_acquisition(acquisition_rng, center, body.scale)
        second = draw_follow_up(acquisition_rng, center, body.scale, first)
        arms_rng = self.rng(index, "arms")
        single, which = arms_rng.random(2)
        done = TRACERS if single >= self.single_arm_rate else (TRACERS[int(which < 0.5)],)
        return LesionPatient(
            index=index,
            name=patient_name(index),
            age=age,
            sex=sex,
            center=center,
            bodies=bodies,
            acquisitions={"fdg": FDG.given(first), "fapi": FAPI.given(second)},
            lesions=self._lesions(index, bodies),
            studies=done,
        )

    def _lesions(self, index: int, bodies: Mapping[str, Anatomy]) -> tuple[DrawnLesion, ...]:
        rng, latents_rng = self.rng(index, "lesions", 1), self.rng(index, "latents")
        taken = [(liver_middle(bodies["fdg"]), 15.0), (BLOOD_POOL, 8.0)]
        places, lesions = LesionPlaces(rng, taken), []
        for number, malignant in enumerate(self.labels(index), 1):
            site, form = places.draw()
            latents, targets = {}, {}
            for tracer, auc in zip(TRACERS, (self.fdg_auc, self.fapi_auc), strict=True):
                side = 0.5 if malignant else -0.5
                latent = float(side * ideal_distance(auc) + latents_rng.normal())
                ratio, spread = UPTAKE[tracer.arm]
                mean = bodies[tracer.arm].suv["liver"] * ratio * np.exp(spread * latent)
                latents[tracer.arm] = latent
                targets[tracer.arm] = replace(texture.draw_target(rng), mean=float(mean))
            share = float(texture.coarse_share(rng.normal()))
            uid = f"{patient_name(index)}-L{number}"
            lesions.append(DrawnLesion(uid, site, bool(malignant), form, share, latents, targets))
        return tuple(lesions)

    def pet(self, patient: LesionPatient, tracer: Tracer) -> PetStudy:
        """Return a study's PET (SUVbw) and the label map of its lesions, in order."""
        number = TRACERS.index(tracer)
        return make_pet(
            patient.bodies[tracer.arm],
            [lesion.placed(tracer.arm) for lesion in patient.lesions],
            patient.grid(patient.center.pet_spacing_mm),
            patient.center, patient.acquisitions[tracer.arm], tracer.name,
            self.rng(patient.index, "field", number), self.rng(patient.index, "noise", number),
        )  # fmt: skip

    def references(self, patient: LesionPatient, tracer: Tracer) -> Volume:
        """Return the label map of the reference regions, numbered in the order of REFERENCES."""
        grid, breathing = (
            patient.grid(patient.center.pet_spacing_mm),
            patient.acquisitions[tracer.arm].breathing_mm,
        )
        labels = np.zeros(grid.shape, dtype=np.uint8)
        middles = patient.references(tracer.arm)
        for number, (region, diameter) in enumerate(REFERENCES.items(), 1):
            ball = sphere_mask(
                patient.bodies[tracer.arm], grid, breathing, middles[region], diameter
            )
            labels[ball.array > 0] = number
        return Volume(labels, grid.affine, "label", "MASK")

    def ct(self, patient: LesionPatient, tracer: Tracer, pet: PetStudy) -> Volume:
        """Return a study's CT (HU)."""
        return make_ct(
            patient.bodies[tracer.arm],
            [lesion.placed(tracer.arm) for lesion in patient.lesions],
            [voxels.edge_mm for voxels in pet.voxels],
            patient.grid(patient.center.ct_spacing_mm),
            self.rng(patient.index, "ct", TRACERS.index(tracer)),
        )

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""
        patient = self.draw(index)
        volumes_ml: dict[str, float] = {}
        for tracer in patient.studies:
            files = folder / _files(patient, tracer)
            pet = self.pet(patient, tracer)
            write_volume(files / "pet.nii.gz", pet.image, np.float32)
            write_volume(files / "lesions.nii.gz", pet.labels, np.uint8)
            write_volume(files / "references.nii.gz", self.references(patient, tracer), np.uint8)
            write_volume(files / "ct.nii.gz", self.ct(patient, tracer, pet), np.int16)
            for number, lesion in enumerate(patient.lesions):
                volumes_ml[lesion.uid] = pet.volume_ml(number)
        return self.rows(patient, volumes_ml)

    def rows(self, patient: LesionPatient, volumes_ml: Mapping[str, float]) -> Rows:
        """Return the patient's table rows, given the volume of each lesion's mask."""
        missing_rng = self.rng(patient.index, "missing")
        known = missing_rng.random(2) >= self.missing_rate
        clinical = {
            "age": patient.age if known[0] else None, "sex": patient.sex if known[1] else None,
        }  # fmt: skip
        studies, rois = [], []
        for tracer in patient.studies:
            files = _files(patient, tracer)
            acquisition = patient.acquisitions[tracer.arm]
            row = study_row(patient.name, patient.center, acquisition, tracer, patient.sex, files)
            studies.append(row)
            rois += _roi_rows(patient, row["study"], files)
        targets = []
        for lesion in patient.lesions:
            unknown = bool(missing_rng.random() < self.missing_label_rate)
            label = None if unknown else int(lesion.malignant)
            targets.append(
                {
                    "patient": patient.name, "lesion_uid": lesion.uid, "site": lesion.site,
                    **clinical, "malignant": label,
                }
            )  # fmt: skip
        truth = [truth_row(patient, x, volumes_ml[x.uid]) for x in patient.lesions]
        return {"studies": studies, "rois": rois, "targets": targets, "truth": truth}

    def facts(self) -> dict[str, Any]:
        """Return the ideal observers' figures: expected, and in the very lesions drawn."""
        return {"ideal_auc": self.ideal_auc, "ideal_drawn": self.drawn_figures()}

    def drawn_figures(self) -> dict[str, float | None]:
        """Return what each observer achieves on this cohort's lesions; None where undefined.

        `fdg`, `fapi` and `combined` judge the lesions imaged so; `available` judges every lesion by
        whatever was done.
        """
        weights = {"fdg": ideal_distance(self.fdg_auc), "fapi": ideal_distance(self.fapi_auc)}
        rows: dict[str, list[tuple[bool, float]]] = {
            name: [] for name in ("fdg", "fapi", "combined", "available")
        }
        for patient in (self.draw(i) for i in range(self.patients)):
            arms = [tracer.arm for tracer in patient.studies]
            for lesion in patient.lesions:
                ratio = {arm: weights[arm] * lesion.latents[arm] for arm in arms}
                for arm in arms:
                    rows[arm].append((lesion.malignant, lesion.latents[arm]))
                rows["available"].append((lesion.malignant, sum(ratio.values())))
                if len(arms) == len(TRACERS):
                    rows["combined"].append((lesion.malignant, sum(ratio.values())))
        found = {
            name: ordered_share([y for y, _ in r], [x for _, x in r]) for name, r in rows.items()
        }
        known = {name: value for name, value in found.items() if not np.isnan(value)}
        return {name: known.get(name) for name in rows}


@lru_cache(maxsize=8)  # a pure function of the settings, asked for with every patient
def _malignant(cohort: LesionCohort) -> tuple[NDArray[np.bool_], ...]:
    """Label the lesions of the lowest draws, patient by patient; draws are blind to the size."""
    draws = [cohort.rng(i, "label").random(cohort.count(i)) for i in range(cohort.patients)]
    every = np.concatenate(draws)
    malignant = np.zeros(len(every), dtype=bool)
    malignant[np.argsort(every)[: round(cohort.prevalence * len(every))]] = True
    return tuple(np.split(malignant, np.cumsum([len(d) for d in draws])[:-1]))


def _files(patient: LesionPatient, tracer: Tracer) -> str:
    return f"images/{patient.name}/{tracer.arm}"


def _roi_rows(patient: LesionPatient, study: str, files: str) -> list[dict[str, Any]]:
    lesions = [
        roi_row(
            study, f"lesion{number}", f"{files}/lesions.nii.gz", "lesion", lesion.site,
            lesion.uid, number,
        )
        for number, lesion in enumerate(patient.lesions, 1)
    ]  # fmt: skip
    references = [
        roi_row(study, region, f"{files}/references.nii.gz", "reference", region, None, number)
        for number, region in enumerate(REFERENCES, 1)
    ]
    return [*lesions, *references]
