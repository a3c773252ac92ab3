"""A simulated HER2 gastric-cancer FDG PET/CT cohort with known truth.

Two independent latents carry the label: z ~ N(+-d_t/2, 1) sets the lesion's texture (`texture`),
c ~ N(+-d_c/2, 1) sets CEA (`clinical`), with d = sqrt 2 * Phi^-1(AUC). Their ideal observers, who
see the latents themselves, have exactly the AUCs asked for; together sqrt(d_t^2 + d_c^2). Volume,
first-order statistics, anatomy, scanner and every other column are drawn blind to the label.

The cohort's other outcomes (VEGFR-2, response, survival) are those of `her2_course`; they change
no image of the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import clinical, texture
from petnet.simulation.cohort import SimulatedCohort, patient_name, roi_row, study_row
from petnet.simulation.columns import with_gaps
from petnet.simulation.her2_course import (
    RESPONSES,
    Course,
    draw_response,
    draw_survival,
    draw_vegfr2,
    figures,
    hazards,
    odds,
)
from petnet.simulation.latent import combined_auc, ideal_distance, ordered_share
from petnet.simulation.lesion import LesionForm, LesionVoxels, draw_form
from petnet.simulation.phantom import FDG_SUV, Anatomy, body_grid, draw_anatomy, liver_middle
from petnet.simulation.scanner import Acquisition, Center, draw_acquisition, draw_follow_up
from petnet.simulation.shapes import Grid
from petnet.simulation.study import PlacedLesion, make_ct, make_pet, sphere_mask
from petnet.simulation.tables import Rows
from petnet.simulation.tracers import FDG
from petnet.volume import Volume, write_volume

__all__ = ["Her2Cohort", "Patient"]


@dataclass(frozen=True, eq=False)
class Patient:
    """All that was drawn for one patient before any image is made."""

    index: int
    name: str
    positive: bool
    texture_latent: float
    clinical_latent: float
    center: Center
    anatomy: Anatomy
    acquisition: Acquisition
    site: str
    form: LesionForm
    target: texture.Target
    course: Course


@dataclass(frozen=True, eq=False)
class Scan:
    """One study of a patient: how it was made, and the tumour as it shows it.

    `number` is that of the patient's studies, 0 at baseline.
    """

    number: int
    timepoint: str
    acquisition: Acquisition
    lesion: PlacedLesion


@dataclass(frozen=True)
class Her2Cohort(SimulatedCohort):
    """Settings of the simulated HER2 cohort.

    Attributes
    ----------
    patients : int
    seed : int
        Patient k of a seed is the same person in cohorts of any size and any number of workers;
        only the label, and what it shifts, may differ with size and prevalence.
    prevalence : float
        Exactly round(prevalence * patients) are positive.
    texture_auc, clinical_auc : float
        AUC of the ideal observer of each latent; 0.5 plants no signal.
    missing_rate : float
        Chance that a clinical value is missing.
    missing_label_rate : float
        Chance that the tumour is IHC 2+ without ISH, so that `her2` is missing.
    vegfr2_auc, vegfr2_prevalence : float
        Of the ideal observer of SUVmean, and the chance of expression.
    survival_c, censored : float
        C-index of the ideal observer of the volume were nobody censored, and the chance that
        somebody is. Harrell's C under censoring is that of the comparable pairs: cohort.json has
        its expectation, and what the ideal observer has in the very patients that were drawn.
    response_c, response_shares : float, four floats
        C-index of the ideal observer of the change of uptake (pairs of different classes), and
        the shares of PD, SD, PR and CR.
    interim : bool
        Whether every patient has a second study during treatment.
    """

    prevalence: float = 0.15
    texture_auc: float = 0.93
    clinical_auc: float = 0.65
    missing_rate: float = 0.05
    missing_label_rate: float = 0.0
    vegfr2_auc: float = 0.85
    vegfr2_prevalence: float = 0.4
    survival_c: float = 0.75
    censored: float = 0.3
    response_c: float = 0.85
    response_shares: tuple[float, ...] = (0.15, 0.3, 0.4, 0.15)
    interim: bool = False

    simulator: ClassVar[str] = "her2"
    version: ClassVar[int] = 2
    streams: ClassVar[tuple[str, ...]] = (
        "label", "anatomy", "lesion", "texture", "clinical", "columns", "missing", "acquisition",
        "field", "noise", "ct", "vegfr2", "survival", "response",
    )  # fmt: skip
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "prevalence": (0, 1), "texture_auc": (0.5, 0.9999), "clinical_auc": (0.5, 0.9999),
        "missing_rate": (0, 1), "missing_label_rate": (0, 1), "vegfr2_auc": (0.5, 0.9999),
        "vegfr2_prevalence": (0, 1), "survival_c": (0.5, 0.98), "censored": (0, 0.95),
        "response_c": (0.5, 0.98),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.positive_shares("response_shares", (len(RESPONSES),))
        object.__setattr__(self, "response_shares", shares)

    @property
    def ideal_auc(self) -> dict[str, float]:
        """AUC of the observer of each latent and of both."""
        both = combined_auc((self.texture_auc, self.clinical_auc))
        return {"texture": self.texture_auc, "clinical": self.clinical_auc, "combined": both}

    def labels(self) -> NDArray[np.bool_]:
        """Return the true HER2 status of every patient: the lowest draws are positive."""
        return self.exact_labels("label", self.prevalence)

    def latents(self, index: int) -> tuple[float, float]:
        """Return the texture latent and the clinical latent of patient `index`."""
        side = 0.5 if self.labels()[index] else -0.5
        texture_latent = side * ideal_distance(self.texture_auc)
        clinical_latent = side * ideal_distance(self.clinical_auc)
        return (
            float(texture_latent + self.rng(index, "texture").normal()),
            float(clinical_latent + self.rng(index, "clinical").normal()),
        )

    def draw(self, index: int) -> Patient:
        """Draw patient `index` (0-based) without making images."""
        texture_latent, clinical_latent = self.latents(index)
        acquisition_rng = self.rng(index, "acquisition")
        center = self.draw_center(acquisition_rng)
        anatomy = draw_anatomy(self.rng(index, "anatomy"), FDG_SUV)
        lesion_rng = self.rng(index, "lesion")
        site = clinical.draw_site(lesion_rng)
        form = draw_form(lesion_rng, anatomy.stomach, site)
        target = texture.draw_target(lesion_rng)
        return Patient(
            index=index,
            name=patient_name(index),
            positive=bool(self.labels()[index]),
            texture_latent=texture_latent,
            clinical_latent=clinical_latent,
            center=center,
            anatomy=anatomy,
            acquisition=draw_acquisition(acquisition_rng, center, anatomy.scale),
            site=site,
            form=form,
            target=target,
            course=self._course(index, form, target),
        )

    def _course(self, index: int, form: LesionForm, target: texture.Target) -> Course:
        """Draw the further outcomes, given what the baseline images will show."""
        vegfr2 = draw_vegfr2(
            self.rng(index, "vegfr2"), target, self.vegfr2_auc, self.vegfr2_prevalence
        )
        model = hazards(self.survival_c, self.censored)
        risk, months, died = draw_survival(self.rng(index, "survival"), form.volume_ml, model)
        response = draw_response(
            self.rng(index, "response"), odds(self.response_shares, self.response_c)
        )
        return Course(*vegfr2, risk, months, died, *response)

    def scans(self, patient: Patient) -> list[Scan]:
        """Return the patient's studies: baseline and, where wanted, interim."""
        share = float(texture.coarse_share(patient.texture_latent))
        lesion = PlacedLesion(patient.form, patient.target, share)
        baseline = Scan(0, "baseline", patient.acquisition, lesion)
        if not self.interim:
            return [baseline]
        course = patient.course
        again = draw_follow_up(
            self.rng(patient.index, "acquisition", study=1),
            patient.center, patient.anatomy.scale, patient.acquisition,
        )  # fmt: skip
        after = PlacedLesion(course.form(patient.form), course.target(patient.target), share)
        return [baseline, Scan(1, "interim", again, after)]

    def pet(self, patient: Patient, number: int = 0) -> tuple[Volume, Volume, LesionVoxels]:
        """Return a study's PET (SUVbw), lesion mask on its grid, and the lesion's voxels."""
        scan = self.scans(patient)[number]
        made = make_pet(
            patient.anatomy, [scan.lesion], _pet_grid(patient), patient.center, scan.acquisition,
            FDG.name, self.rng(patient.index, "field", number),
            self.rng(patient.index, "noise", number),
        )  # fmt: skip
        return made.image, made.labels, made.voxels[0]

    def ct(self, patient: Patient, edge_mm: float, number: int = 0) -> Volume:
        """Return a study's CT (HU), breathing held where the anatomy was drawn."""
        grid = body_grid(patient.anatomy, patient.center.ct_spacing_mm, patient.center.signs)
        ct_rng = self.rng(patient.index, "ct", number)
        lesion = self.scans(patient)[number].lesion
        return make_ct(patient.anatomy, [lesion], [edge_mm], grid, ct_rng)

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""
        patient = self.draw(index)
        volumes_ml = []
        for scan in self.scans(patient):
            pet, mask, voxels = self.pet(patient, scan.number)
            files = folder / _files(patient, scan)
            write_volume(files / "pet.nii.gz", pet, np.float32)
            write_volume(files / "lesion.nii.gz", mask, np.uint8)
            write_volume(files / "liver.nii.gz", _liver(patient, scan), np.uint8)
            ct = self.ct(patient, voxels.edge_mm, scan.number)
            write_volume(files / "ct.nii.gz", ct, np.int16)
            volumes_ml.append(int(mask.array.sum()) * mask.voxel_volume_ml)
        return self.rows(patient, volumes_ml)

    def rows(self, patient: Patient, volumes_ml: Sequence[float]) -> Rows:
        """Return the patient's table rows, given the volume of the lesion's mask in each study."""
        row = clinical.clinical_row(
            self.rng(patient.index, "columns"),
            patient.clinical_latent, patient.form.volume_ml, patient.site,
        )  # fmt: skip
        missing_rng = self.rng(patient.index, "missing")
        unresolved = bool(missing_rng.random() < self.missing_label_rate)
        found = clinical.pathology_row(missing_rng, patient.positive, unresolved)
        studies, rois = [], []
        for scan in self.scans(patient):
            files = _files(patient, scan)
            studies.append(
                study_row(
                    patient.name, patient.center, scan.acquisition, FDG, row["sex"], files,
                    scan.timepoint,
                )
            )  # fmt: skip
            study, lesion_uid = studies[-1]["study"], f"{patient.name}-L1"
            rois += [
                roi_row(
                    study, "primary", f"{files}/lesion.nii.gz", "primary", "stomach", lesion_uid
                ),
                roi_row(study, "liver", f"{files}/liver.nii.gz", "reference", "liver", None),
            ]
        target = {
            "patient": patient.name, **with_gaps(missing_rng, row, self.missing_rate), **found,
            "her2": clinical.her2_label(found["ihc"], found["ish"]), **patient.course.columns(),
        }  # fmt: skip
        truth = self._truth(patient, volumes_ml)
        return {"studies": studies, "rois": rois, "targets": [target], "truth": [truth]}

    def _truth(self, patient: Patient, volumes_ml: Sequence[float]) -> dict[str, Any]:
        center, target = patient.center, patient.target
        return {
            "patient": patient.name, "label": int(patient.positive),
            "texture_latent": patient.texture_latent,
            "coarse_share": float(texture.coarse_share(patient.texture_latent)),
            "clinical_latent": patient.clinical_latent, "volume_ml": volumes_ml[0],
            "suv_mean": target.mean, "suv_cov": target.cov, "suv_skew": target.skew,
            "site": patient.site, "breathing_mm": patient.acquisition.breathing_mm,
            "relative_counts": patient.acquisition.relative_counts, "center": center.name,
            "psf_fwhm_mm": center.psf_fwhm_mm, "liver_cov": center.liver_cov,
            "liver_suv": patient.anatomy.suv["liver"], "liver_hu": patient.anatomy.hu["liver"],
            "lung_hu": patient.anatomy.hu["lung"],
            **patient.course.truth(),
            "interim_volume_ml": volumes_ml[1] if self.interim else None,
            **{f"ideal_auc_{name}": auc for name, auc in self.ideal_auc.items()},
        }  # fmt: skip

    @property
    def ideal(self) -> dict[str, float]:
        """Figure of the ideal observer of each outcome."""
        survival = hazards(self.survival_c, self.censored)
        response = odds(self.response_shares, self.response_c)
        return {
            **self.ideal_auc, "vegfr2": self.vegfr2_auc, "survival": survival.c_index,
            "survival_comparable": survival.comparable_c_index, "response": response.c_index,
            "response_binary": response.dichotomy(RESPONSES.index("PR")),
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Return the ideal observers' figures: expected, and in the very patients drawn."""
        drawn = self.drawn_figures()
        return {"ideal_auc": self.ideal_auc, "ideal": self.ideal, "ideal_drawn": drawn}

    def drawn_figures(self) -> dict[str, float | None]:
        """Return what each latent achieves in this cohort's patients; None where undefined."""
        patients = [self.draw(i) for i in range(self.patients)]
        positive = [p.positive for p in patients]
        found = {
            "texture": ordered_share(positive, [p.texture_latent for p in patients]),
            "clinical": ordered_share(positive, [p.clinical_latent for p in patients]),
            **figures([p.course for p in patients]),
        }
        return {name: None if np.isnan(figure) else figure for name, figure in found.items()}


def _pet_grid(patient: Patient) -> Grid:
    return body_grid(patient.anatomy, patient.center.pet_spacing_mm, patient.center.signs)


def _files(patient: Patient, scan: Scan) -> str:
    """Return the folder of a study's files."""
    return f"images/{patient.name}" + (f"/{scan.timepoint}" if scan.number else "")


def _liver(patient: Patient, scan: Scan) -> Volume:
    """Return a sphere in the right lobe of the liver, the lesion's reference."""
    anatomy, breathing_mm = patient.anatomy, scan.acquisition.breathing_mm
    return sphere_mask(anatomy, _pet_grid(patient), breathing_mm, liver_middle(anatomy))
