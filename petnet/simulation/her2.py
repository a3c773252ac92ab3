"""A simulated HER2 gastric-cancer FDG PET/CT cohort with known truth.

Two independent latents carry the label: z ~ N(+-d_t/2, 1) sets the lesion's texture (`texture`),
c ~ N(+-d_c/2, 1) sets CEA (`clinical`), with d = sqrt 2 * Phi^-1(AUC). Their ideal observers, who
see the latents themselves, have exactly the AUCs asked for; together sqrt(d_t^2 + d_c^2). Volume,
first-order statistics, anatomy, scanner and every other column are drawn blind to the label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import clinical, texture
from petnet.simulation.cohort import SimulatedCohort, patient_name, roi_row, study_row
from petnet.simulation.lesion import LesionForm, LesionVoxels, draw_form
from petnet.simulation.phantom import FDG_SUV, Anatomy, body_grid, draw_anatomy
from petnet.simulation.scanner import Acquisition, Center, draw_acquisition
from petnet.simulation.study import PlacedLesion, make_ct, make_pet
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

    @property
    def lesion(self) -> PlacedLesion:
        """The tumour as the images show it."""
        share = float(texture.coarse_share(self.texture_latent))
        return PlacedLesion(self.form, self.target, share)


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
    centers : tuple of Center
        Scanners; a patient's centre is drawn by their shares, blind to the label.
    """

    prevalence: float = 0.3
    texture_auc: float = 0.93
    clinical_auc: float = 0.65
    missing_rate: float = 0.05
    missing_label_rate: float = 0.0

    simulator: ClassVar[str] = "her2"
    streams: ClassVar[tuple[str, ...]] = (
        "label", "anatomy", "lesion", "texture", "clinical", "columns", "missing", "acquisition",
        "field", "noise", "ct",
    )  # fmt: skip
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "prevalence": (0, 1), "texture_auc": (0.5, 0.9999), "clinical_auc": (0.5, 0.9999),
        "missing_rate": (0, 1), "missing_label_rate": (0, 1),
    }  # fmt: skip

    @property
    def ideal_auc(self) -> dict[str, float]:
        """AUC of the observer of each latent and of both."""
        from scipy.special import ndtr

        pair = [texture.ideal_distance(a) for a in (self.texture_auc, self.clinical_auc)]
        both = float(ndtr(np.hypot(pair[0], pair[1]) / np.sqrt(2)))
        return {"texture": self.texture_auc, "clinical": self.clinical_auc, "combined": both}

    def labels(self) -> NDArray[np.bool_]:
        """Return the true HER2 status of every patient: the lowest draws are positive."""
        return self.exact_labels("label", self.prevalence)

    def latents(self, index: int) -> tuple[float, float]:
        """Return the texture latent and the clinical latent of patient `index`."""
        side = 0.5 if self.labels()[index] else -0.5
        texture_latent = side * texture.ideal_distance(self.texture_auc)
        clinical_latent = side * texture.ideal_distance(self.clinical_auc)
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
            form=draw_form(lesion_rng, anatomy.stomach, site),
            target=texture.draw_target(lesion_rng),
        )

    def pet(self, patient: Patient) -> tuple[Volume, Volume, LesionVoxels]:
        """Return the patient's PET (SUVbw), lesion mask on its grid, and the lesion's voxels."""
        grid = body_grid(patient.anatomy, patient.center.pet_spacing_mm, patient.center.signs)
        made = make_pet(
            patient.anatomy, [patient.lesion], grid, patient.center, patient.acquisition, FDG.name,
            self.rng(patient.index, "field"), self.rng(patient.index, "noise"),
        )  # fmt: skip
        return made.image, made.labels, made.voxels[0]

    def ct(self, patient: Patient, edge_mm: float) -> Volume:
        """Return the patient's CT (HU), breathing held where the anatomy was drawn."""
        grid = body_grid(patient.anatomy, patient.center.ct_spacing_mm, patient.center.signs)
        ct_rng = self.rng(patient.index, "ct")
        return make_ct(patient.anatomy, [patient.lesion], [edge_mm], grid, ct_rng)

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""
        patient = self.draw(index)
        pet, mask, voxels = self.pet(patient)
        images = Path("images") / patient.name
        write_volume(folder / images / "pet.nii.gz", pet, np.float32)
        write_volume(folder / images / "lesion.nii.gz", mask, np.uint8)
        ct = self.ct(patient, voxels.edge_mm)
        write_volume(folder / images / "ct.nii.gz", ct, np.int16)
        return self.rows(patient, images.as_posix(), int(mask.array.sum()) * mask.voxel_volume_ml)

    def rows(self, patient: Patient, images: str, volume_ml: float) -> Rows:
        """Return the patient's table rows; `images` is the folder of the files it names."""
        acquisition, center = patient.acquisition, patient.center
        row = clinical.clinical_row(
            self.rng(patient.index, "columns"),
            patient.clinical_latent, patient.form.volume_ml, patient.site,
        )  # fmt: skip
        missing_rng = self.rng(patient.index, "missing")
        unresolved = bool(missing_rng.random() < self.missing_label_rate)
        found = clinical.pathology_row(missing_rng, patient.positive, unresolved)
        study = study_row(patient.name, center, acquisition, FDG, row["sex"], images)
        roi = roi_row(
            study["study"], "primary", f"{images}/lesion.nii.gz", "primary", "stomach",
            f"{patient.name}-L1",
        )  # fmt: skip
        target = {
            "patient": patient.name, **clinical.blank(missing_rng, row, self.missing_rate), **found,
            "her2": clinical.her2_label(found["ihc"], found["ish"]),
        }  # fmt: skip
        truth = self._truth(patient, volume_ml)
        return {"studies": [study], "rois": [roi], "targets": [target], "truth": [truth]}

    def _truth(self, patient: Patient, volume_ml: float) -> dict[str, Any]:
        center, target = patient.center, patient.target
        return {
            "patient": patient.name, "label": int(patient.positive),
            "texture_latent": patient.texture_latent,
            "coarse_share": float(texture.coarse_share(patient.texture_latent)),
            "clinical_latent": patient.clinical_latent, "volume_ml": volume_ml,
            "suv_mean": target.mean, "suv_cov": target.cov, "suv_skew": target.skew,
            "site": patient.site, "breathing_mm": patient.acquisition.breathing_mm,
            "relative_counts": patient.acquisition.relative_counts, "center": center.name,
            "psf_fwhm_mm": center.psf_fwhm_mm, "liver_cov": center.liver_cov,
            "liver_suv": patient.anatomy.suv["liver"], "liver_hu": patient.anatomy.hu["liver"],
            "lung_hu": patient.anatomy.hu["lung"],
            **{f"ideal_auc_{name}": auc for name, auc in self.ideal_auc.items()},
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Return the ideal observers' figures."""
        return {"ideal_auc": self.ideal_auc}
