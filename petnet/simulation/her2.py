"""A simulated HER2 gastric-cancer FDG PET/CT cohort with known truth.

Two independent latents carry the label: z ~ N(+-d_t/2, 1) sets the lesion's texture (`texture`),
c ~ N(+-d_c/2, 1) sets CEA (`clinical`), with d = sqrt 2 * Phi^-1(AUC). Their ideal observers, who
see the latents themselves, have exactly the AUCs asked for; together sqrt(d_t^2 + d_c^2). Volume,
first-order statistics, anatomy, scanner and every other column are drawn blind to the label.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.simulation import clinical, texture
from petnet.simulation.lesion import (
    LesionForm,
    LesionVoxels,
    draw_form,
    lesion_voxels,
    paint_lesion,
)
from petnet.simulation.phantom import (
    BOTTOM_MM,
    FDG_SUV,
    TOP_MM,
    TORSO,
    Anatomy,
    draw_anatomy,
    paint_body,
)
from petnet.simulation.scanner import (
    CENTERS,
    Acquisition,
    Center,
    add_ct_noise,
    add_pet_noise,
    blur,
    breathe,
    draw_acquisition,
)
from petnet.simulation.shapes import Grid
from petnet.simulation.tables import Rows, write_cohort
from petnet.volume import Volume, write_volume

__all__ = ["Her2Cohort", "Patient"]

VERSION = 1  # raised whenever the same settings would give other files
STREAMS = (
    "label", "anatomy", "lesion", "texture", "clinical", "columns", "missing", "acquisition",
    "field", "noise", "ct",
)  # fmt: skip
LESION_HU = 44.0


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


@dataclass(frozen=True)
class Her2Cohort:
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

    patients: int = 60
    seed: int = 1
    prevalence: float = 0.3
    texture_auc: float = 0.93
    clinical_auc: float = 0.65
    missing_rate: float = 0.05
    missing_label_rate: float = 0.0
    centers: tuple[Center, ...] = CENTERS

    def __post_init__(self) -> None:
        object.__setattr__(self, "centers", tuple(self.centers))
        bounds = {
            "patients": (1, 99_999), "seed": (0, 2**63), "prevalence": (0, 1),
            "texture_auc": (0.5, 0.9999), "clinical_auc": (0.5, 0.9999),
            "missing_rate": (0, 1), "missing_label_rate": (0, 1),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                found = str(getattr(self, name))
                raise InputError("Her2Cohort", name, f"a value in [{low}, {high}]", found)
        if not self.centers:
            raise InputError("Her2Cohort", "centers", "at least one", "none")

    @property
    def ideal_auc(self) -> dict[str, float]:
        """AUC of the observer of each latent and of both."""
        from scipy.special import ndtr

        pair = [texture.ideal_distance(a) for a in (self.texture_auc, self.clinical_auc)]
        both = float(ndtr(np.hypot(pair[0], pair[1]) / np.sqrt(2)))
        return {"texture": self.texture_auc, "clinical": self.clinical_auc, "combined": both}

    def _rng(self, index: int, stream: str) -> np.random.Generator:
        key = (index, STREAMS.index(stream))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def labels(self) -> NDArray[np.bool_]:
        """Return the true HER2 status of every patient: the lowest draws are positive."""
        stream = np.random.SeedSequence(self.seed, spawn_key=(STREAMS.index("label"),))
        draws = np.random.default_rng(stream).random(self.patients)  # a prefix stays the same
        positive = np.zeros(self.patients, dtype=bool)
        positive[np.argsort(draws)[: round(self.prevalence * self.patients)]] = True
        return positive

    def latents(self, index: int) -> tuple[float, float]:
        """Return the texture latent and the clinical latent of patient `index`."""
        side = 0.5 if self.labels()[index] else -0.5
        texture_latent = side * texture.ideal_distance(self.texture_auc)
        clinical_latent = side * texture.ideal_distance(self.clinical_auc)
        return (
            float(texture_latent + self._rng(index, "texture").normal()),
            float(clinical_latent + self._rng(index, "clinical").normal()),
        )

    def draw(self, index: int) -> Patient:
        """Draw patient `index` (0-based) without making images."""
        texture_latent, clinical_latent = self.latents(index)
        acquisition_rng = self._rng(index, "acquisition")
        shares = np.array([c.share for c in self.centers])
        center = self.centers[int(acquisition_rng.choice(len(shares), p=shares / shares.sum()))]
        anatomy = draw_anatomy(self._rng(index, "anatomy"), FDG_SUV)
        lesion_rng = self._rng(index, "lesion")
        site = clinical.draw_site(lesion_rng)
        return Patient(
            index=index,
            name=f"P{index + 1:04d}",
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
        center, anatomy = patient.center, patient.anatomy
        grid = _grid(anatomy, center.pet_spacing_mm, center.signs)
        axes = breathe(grid.axes(), patient.acquisition.breathing_mm)
        activity = paint_body(anatomy, axes, anatomy.suv, max(grid.spacing_mm))
        voxels = lesion_voxels(patient.form, anatomy.reference(axes), grid.spacing_mm)
        part = activity[voxels.window]
        part += voxels.extent * (np.float32(patient.target.mean) - part)
        seen = blur(activity, center.psf_fwhm_mm, grid.spacing_mm)
        field = texture.heterogeneity(
            self._rng(patient.index, "field"),
            voxels.extent,
            voxels.mask,
            float(texture.coarse_share(patient.texture_latent)),
            center.psf_fwhm_mm,
            grid.spacing_mm,
        )
        spread = np.float32(patient.target.mean * patient.target.cov)
        seen[voxels.window] = np.maximum(seen[voxels.window] + spread * field, 0.05)
        counts = patient.acquisition.relative_counts
        image = add_pet_noise(seen, self._rng(patient.index, "noise"), center, grid, counts)
        image[voxels.window] = texture.match_quantiles(
            image[voxels.window], voxels.mask, patient.target, grid.spacing_mm
        )
        mask = np.zeros(grid.shape, dtype=np.uint8)
        mask[voxels.window] = voxels.mask
        return (
            Volume(image, grid.affine, "SUVbw", "PT", "FDG"),
            Volume(mask, grid.affine, "label", "MASK"),
            voxels,
        )

    def ct(self, patient: Patient, edge_mm: float) -> Volume:
        """Return the patient's CT (HU), breathing held where the anatomy was drawn."""
        anatomy, center = patient.anatomy, patient.center
        grid = _grid(anatomy, center.ct_spacing_mm, center.signs)
        axes = grid.axes()
        image = paint_body(anatomy, axes, anatomy.hu, max(grid.spacing_mm))
        reference, soft_mm = anatomy.reference(axes), max(grid.spacing_mm)
        paint_lesion(image, patient.form, reference, LESION_HU, edge_mm, soft_mm)
        image = add_ct_noise(image, self._rng(patient.index, "ct"), grid)
        return Volume(np.rint(image).astype(np.int16), grid.affine, "HU", "CT")

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
            self._rng(patient.index, "columns"),
            patient.clinical_latent, patient.form.volume_ml, patient.site,
        )  # fmt: skip
        missing_rng = self._rng(patient.index, "missing")
        unresolved = bool(missing_rng.random() < self.missing_label_rate)
        found = clinical.pathology_row(missing_rng, patient.positive, unresolved)
        study = f"{patient.name}-baseline"
        studies = {
            "patient": patient.name, "study": study, "timepoint": "baseline", "arm": "fdg",
            "tracer": "FDG", "modality": "PT/CT", "pet": f"{images}/pet.nii.gz",
            "ct": f"{images}/ct.nii.gz", "weight_kg": acquisition.weight_kg,
            "height_m": acquisition.height_m, "sex": row["sex"],
            "dose_bq": int(acquisition.dose_bq), "uptake_min": acquisition.uptake_min,
            "scanner": center.scanner, "reconstruction": center.reconstruction,
            "center": center.name, "split": None,
        }  # fmt: skip
        roi = {
            "study": study, "roi": f"{study}-primary", "lesion_uid": f"{patient.name}-L1",
            "role": "primary", "region": "stomach", "path": f"{images}/lesion.nii.gz", "label": 1,
            "grid": "pet", "reader": "simulator", "method": "simulated",
        }  # fmt: skip
        target = {
            "patient": patient.name, **clinical.blank(missing_rng, row, self.missing_rate), **found,
            "her2": clinical.her2_label(found["ihc"], found["ish"]),
        }  # fmt: skip
        truth = self._truth(patient, volume_ml)
        return {"studies": [studies], "rois": [roi], "targets": [target], "truth": [truth]}

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
            [f"P{i + 1:04d}" for i in range(self.patients)],
            settings=asdict(self),
            facts={"simulator": "her2", "version": VERSION, "ideal_auc": self.ideal_auc},
            simulate=self.simulate,
            workers=workers,
            overwrite=overwrite,
        )


def _grid(anatomy: Anatomy, spacing_mm: tuple[float, float, float], signs: str) -> Grid:
    """Return a grid that covers the body with a margin, its origin away from round numbers."""
    scale = np.asarray(anatomy.scale)
    half = np.array([TORSO[:, 1].max(), TORSO[:, 2].max()]) * scale[:2] + 14
    low = np.array([-half[0] + 0.7, -half[1] - 0.4, BOTTOM_MM * scale[2]])
    high = np.array([half[0], half[1], TOP_MM * scale[2]])
    return Grid.covering(low, high, spacing_mm, signs)
