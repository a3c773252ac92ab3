"""Occult nodal metastasis of lung adenocarcinoma: a simulated FDG PET/CT cohort with known truth.

Three latents carry the label, independent of each other given it, each N(+-d/2, 1) with
d = sqrt 2 * Phi^-1(AUC):

* metabolic: SUVmean of the primary tumour is 5 exp(0.45 m), exactly, in its mask;
* ct: attenuation of the primary is `columns.density_hu` of it, in the CT and in `ct_density_hu`;
* node (no signal by default: the metastasis is occult): SUVmean of the hottest node over that of
  the blood is 1.5 exp(0.3 n).

The ideal observers of each have the AUCs asked for; together, the distances add as the sides of a
right angle. Sizes, outlines, stations, texture, scanner and every other column are blind to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import chest, columns
from petnet.simulation.cohort import SimulatedCohort, patient_name, roi_row, study_row
from petnet.simulation.foci import ExactTarget
from petnet.simulation.latent import combined_auc, ideal_distance
from petnet.simulation.lesion import LesionForm
from petnet.simulation.phantom import FDG_SUV, Anatomy, body_grid, draw_anatomy
from petnet.simulation.scanner import Acquisition, Center, breathe, draw_acquisition
from petnet.simulation.study import PetStudy, PlacedLesion, make_ct, make_pet
from petnet.simulation.tables import Rows
from petnet.simulation.tracers import FDG
from petnet.volume import Volume, write_volume

__all__ = ["NodalCohort", "NodalPatient"]

CARRIERS = ("metabolic", "ct", "node")


@dataclass(frozen=True, eq=False)
class NodalPatient:
    """All that was drawn for one patient before any image is made.

    `lesions` are the primary tumour, then the nodes, the hottest first.
    """

    index: int
    name: str
    positive: bool
    latents: dict[str, float]
    center: Center
    anatomy: Anatomy
    acquisition: Acquisition
    lobe: str
    primary: LesionForm
    nodes: tuple[chest.Node, ...]
    lesions: tuple[PlacedLesion, ...]

    @property
    def blood_label(self) -> int:
        """Label of the blood pool in the label map, after those of the lesions."""
        return len(self.lesions) + 1


@dataclass(frozen=True)
class NodalCohort(SimulatedCohort):
    """Settings of the simulated cohort of occult nodal metastasis.

    Attributes
    ----------
    patients, seed, centers
        As `SimulatedCohort`.
    prevalence : float
        Exactly round(prevalence * patients) have a metastasis.
    metabolic_auc, ct_auc, node_auc : float
        AUC of the ideal observer of each latent; 0.5 plants no signal.
    missing_rate : float
        Chance that a clinical or CT value is missing from the table.
    """

    prevalence: float = 0.2
    metabolic_auc: float = 0.8
    ct_auc: float = 0.8
    node_auc: float = 0.5
    missing_rate: float = 0.03

    simulator: ClassVar[str] = "nodal"
    streams: ClassVar[tuple[str, ...]] = (
        "label", "anatomy", "primary", "nodes", "uptake", "metabolic", "ct", "node", "columns",
        "missing", "acquisition", "field", "noise", "ct_noise",
    )  # fmt: skip
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {
        "prevalence": (0, 1), "metabolic_auc": (0.5, 0.9999), "ct_auc": (0.5, 0.9999),
        "node_auc": (0.5, 0.9999), "missing_rate": (0, 1),
    }  # fmt: skip

    @property
    def ideal_auc(self) -> dict[str, float]:
        """AUC of the observer of each latent and of all."""
        each = {name: float(getattr(self, f"{name}_auc")) for name in CARRIERS}
        return {**each, "combined": combined_auc(list(each.values()))}

    def facts(self) -> dict[str, Any]:
        """Return the ideal observers' figures."""
        return {"ideal_auc": self.ideal_auc}

    def labels(self) -> NDArray[np.bool_]:
        """Return who has a metastasis."""
        return self.exact_labels("label", self.prevalence)

    def distances(self) -> dict[str, float]:
        """Return the distance between the classes along each latent."""
        return {name: ideal_distance(getattr(self, f"{name}_auc")) for name in CARRIERS}

    def latents(self, index: int) -> dict[str, float]:
        """Return the latents of patient `index`, by carrier."""
        side = 0.5 if self.labels()[index] else -0.5
        return {
            name: float(side * distance + self.rng(index, name).normal())
            for name, distance in self.distances().items()
        }

    def draw(self, index: int) -> NodalPatient:
        """Draw patient `index` (0-based) without making images."""
        acquisition_rng = self.rng(index, "acquisition")
        center = self.draw_center(acquisition_rng)
        anatomy = chest.add_airways(draw_anatomy(self.rng(index, "anatomy"), FDG_SUV))
        lobe, primary = chest.draw_primary(self.rng(index, "primary"), anatomy)
        nodes = tuple(chest.draw_nodes(self.rng(index, "nodes")))
        latents = self.latents(index)
        return NodalPatient(
            index=index,
            name=patient_name(index),
            positive=bool(self.labels()[index]),
            latents=latents,
            center=center,
            anatomy=anatomy,
            acquisition=draw_acquisition(acquisition_rng, center, anatomy.scale),
            lobe=lobe,
            primary=primary,
            nodes=nodes,
            lesions=_place(self.rng(index, "uptake"), latents, primary, nodes, anatomy),
        )

    def pet(self, patient: NodalPatient) -> PetStudy:
        """Return the PET and its label map: primary 1, nodes from 2, blood pool last."""
        grid = body_grid(
            patient.anatomy, patient.center.pet_spacing_mm, patient.center.signs, *chest.CHEST_MM
        )
        made = make_pet(
            patient.anatomy, patient.lesions, grid, patient.center, patient.acquisition, FDG.name,
            self.rng(patient.index, "field"), self.rng(patient.index, "noise"),
        )  # fmt: skip
        axes = breathe(grid.axes(), patient.acquisition.breathing_mm)
        blood = chest.BLOOD_POOL.distance(patient.anatomy.reference(axes)) < 0
        labels = np.where(blood & (made.labels.array == 0), patient.blood_label, made.labels.array)
        return replace(made, labels=made.labels.with_array(labels.astype(np.uint8)))

    def ct(self, patient: NodalPatient, primary_edge_mm: float) -> Volume:
        """Return the CT (HU); the primary has the outline found on PET, nodes have their own."""
        grid = body_grid(
            patient.anatomy, patient.center.ct_spacing_mm, patient.center.signs, *chest.CHEST_MM
        )
        edges = [primary_edge_mm, *(node.edge_mm for node in patient.nodes)]
        rng = self.rng(patient.index, "ct_noise")
        return make_ct(patient.anatomy, patient.lesions, edges, grid, rng)

    def simulate(self, index: int, folder: Path) -> Rows:
        """Write the images of patient `index` under `folder` and return its table rows."""
        patient = self.draw(index)
        made = self.pet(patient)
        images = Path("images") / patient.name
        write_volume(folder / images / "pet.nii.gz", made.image, np.float32)
        write_volume(folder / images / "rois.nii.gz", made.labels, np.uint8)
        ct = self.ct(patient, made.voxels[0].edge_mm)
        write_volume(folder / images / "ct.nii.gz", ct, np.int16)
        return self.rows(patient, images.as_posix(), made.volume_ml())

    def rows(self, patient: NodalPatient, images: str, volume_ml: float) -> Rows:
        """Return the patient's table rows; `images` is the folder of the files it names."""
        hu = patient.lesions[0].hu
        largest_mm = max(node.short_axis_mm for node in patient.nodes)
        row = columns.nodal_row(
            self.rng(patient.index, "columns"), hu, patient.primary.volume_ml, patient.lobe,
            largest_mm,
        )  # fmt: skip
        study = study_row(
            patient.name, patient.center, patient.acquisition, FDG, row["sex"], images
        )
        target = {
            "patient": patient.name,
            **columns.with_gaps(self.rng(patient.index, "missing"), row, self.missing_rate),
            "nodal_metastasis": int(patient.positive),
        }
        return {
            "studies": [study],
            "rois": _roi_rows(patient, study["study"], f"{images}/rois.nii.gz"),
            "targets": [target],
            "truth": [self._truth(patient, volume_ml)],
        }

    def _truth(self, patient: NodalPatient, volume_ml: float) -> dict[str, Any]:
        distances = self.distances()
        score = sum(distances[name] * patient.latents[name] for name in CARRIERS)
        primary, hottest = patient.lesions[0], patient.lesions[1]
        return {
            "patient": patient.name, "label": int(patient.positive),
            **{f"{name}_latent": patient.latents[name] for name in CARRIERS},
            "ideal_score": score, "suv_mean": primary.target.mean, "suv_cov": primary.target.cov,
            "lesion_hu": primary.hu, "coarse_share": primary.share, "volume_ml": volume_ml,
            "lobe": patient.lobe, "nodes": len(patient.nodes),
            "node_suv_mean": hottest.target.mean, "blood_suv": patient.anatomy.suv["blood"],
            "stations": " ".join(node.station for node in patient.nodes),
            "short_axes_mm": " ".join(f"{node.short_axis_mm:.2f}" for node in patient.nodes),
            "breathing_mm": patient.acquisition.breathing_mm,
            "relative_counts": patient.acquisition.relative_counts, "center": patient.center.name,
        }  # fmt: skip


def _place(
    rng: np.random.Generator,
    latents: Mapping[str, float],
    primary: LesionForm,
    nodes: tuple[chest.Node, ...],
    anatomy: Anatomy,
) -> tuple[PlacedLesion, ...]:
    """Give every lesion its uptake; what `rng` draws is blind to the label."""
    target = ExactTarget(
        5.0 * float(np.exp(0.45 * latents["metabolic"])),
        float(rng.uniform(0.22, 0.32)),
        float(rng.uniform(0.2, 0.45)),
    )
    hu = columns.density_hu(latents["ct"])
    placed = [PlacedLesion(primary, target, float(rng.uniform(0.1, 0.9)), hu)]
    hottest = 1.5 * float(np.exp(0.3 * latents["node"])) * anatomy.suv["blood"]
    for number, node in enumerate(nodes):
        share = 1.0 if number == 0 else float(rng.uniform(0.6, 0.9))
        placed.append(PlacedLesion(node.form, ExactTarget(share * hottest, 0.15, 0.25), None, 40.0))
    return tuple(placed)


def _roi_rows(patient: NodalPatient, study: str, path: str) -> list[dict[str, Any]]:
    rows = [roi_row(study, "primary", path, "primary", patient.lobe, f"{patient.name}-L1", 1)]
    rows += [
        roi_row(study, f"node-{n.station}", path, "node", n.station, f"{patient.name}-N{i}", i + 1)
        for i, n in enumerate(patient.nodes, 1)
    ]
    reference = roi_row(
        study, "blood-pool", path, "reference", "blood_pool", None, patient.blood_label
    )
    return [*rows, reference]
