"""All that is looked at in one study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from petnet.cohort import Cohort
from petnet.ingest.quality.acquisition_facts import acquisition_findings, read_sidecar, stated_unit
from petnet.ingest.quality.body import Bodies, agreement, bodies
from petnet.ingest.quality.drawings import drawings
from petnet.ingest.quality.finding import Drawing, Finding
from petnet.ingest.quality.images import field_of_view, outlines, read_image, voxel_hash
from petnet.ingest.quality.lesion_pairs import doubled_regions, mask_pairs
from petnet.ingest.quality.regions import Delineation, read_regions, region_findings
from petnet.ingest.quality.suv_level import liver, whole_body_mean
from petnet.volume import Volume

__all__ = ["Looked", "check_study", "look_at"]


@dataclass(frozen=True, eq=False)
class Looked:
    """What was seen of one study, without its images.

    Attributes
    ----------
    study : mapping
        Its row of the studies table.
    findings : tuple of Finding
    drawings : tuple of Drawing
    prints : mapping
        "pet", "ct" and "mask REGION" (lesions alone) -> hash of their voxels, where they could be
        read.
    spacing_mm : tuple of float or None
        PET voxel size.
    """

    study: Mapping[str, Any]
    findings: tuple[Finding, ...]
    drawings: tuple[Drawing, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)
    spacing_mm: tuple[float, float, float] | None = None


def check_study(cohort: Cohort, study: dict[str, Any]) -> Iterator[Finding]:
    """Look at one row of the studies table: files, geometry, units, overlap, masks, SUV."""
    rois = cohort.rois[cohort.rois["study"] == study["study"]].to_dict("records")
    yield from look_at(cohort, study, rois, draw=False).findings


def look_at(
    cohort: Cohort,
    study: dict[str, Any],
    rois: Sequence[Mapping[str, Any]],
    draw: bool = True,
) -> Looked:
    """Look at one study; its images are let go of on return.

    Parameters
    ----------
    study : mapping
        A row of the studies table.
    rois : sequence of mapping
        Its rows of the rois table.
    draw : bool
        Whether pictures are wanted.
    """
    name = str(study["study"])
    pet, pet_finding = read_image(cohort, study, "pet")
    ct, ct_finding = read_image(cohort, study, "ct")
    findings = [pet_finding, ct_finding]
    regions, faults = read_regions(cohort, study, rois, {"pet": pet, "ct": ct})
    sound_pet = pet if pet_finding.severity != "error" else None
    sound_ct = ct if ct_finding.severity != "error" else None
    found = None if sound_pet is None else bodies(sound_pet, sound_ct)
    sidecar = read_sidecar(cohort.path(study["pet"])) if isinstance(study["pet"], str) else None
    findings += _of_images(study, sound_pet, sound_ct, found)
    findings += _of_suv(study, found, regions, stated_unit(sidecar))
    if not rois:
        findings.append(Finding(name, "regions", "error", "no region in the rois table"))
    findings += faults
    for region in regions:
        findings += region_findings(name, region, sound_pet, found)
    findings += [*mask_pairs(name, regions), *doubled_regions(name, regions)]
    findings += acquisition_findings(study, sidecar)
    return Looked(
        study,
        tuple(findings),
        drawings(sound_pet, sound_ct, regions) if draw else (),
        _prints(sound_pet, sound_ct, regions),
        None if pet is None else pet.spacing_mm,
    )


def _of_images(
    study: Mapping[str, Any], pet: Volume | None, ct: Volume | None, found: Bodies | None
) -> Iterator[Finding]:
    """Compare PET and CT, where both are sound."""
    name = str(study["study"])
    yield field_of_view(name, pet, ct, found)
    if pet is None or ct is None or found is None:
        text = "there are no PET in SUV and CT in Hounsfield units"
        yield Finding(name, "body outline", "not assessable", text)
    else:
        yield outlines(name, pet, agreement(found))


def _of_suv(
    study: Mapping[str, Any], found: Bodies | None, regions: Sequence[Delineation], unit: str
) -> Iterator[Finding]:
    """Look at the level of SUV, whose limits are those of SUVbw."""
    name = str(study["study"])
    if found is None or unit != "SUVbw":
        text = "there is no PET in SUV" if found is None else f"the PET is in {unit}, not SUVbw"
        for what in ("liver", "whole-body mean"):
            yield Finding(name, what, "not assessable", text)
        return
    yield liver(name, str(study["tracer"]), regions)
    yield whole_body_mean(name, study, found)


def _prints(
    pet: Volume | None, ct: Volume | None, regions: Sequence[Delineation]
) -> dict[str, str]:
    images = {"pet": pet, "ct": ct}
    prints = {k: voxel_hash(v.array) for k, v in images.items() if v is not None}
    return prints | {f"mask {r.name}": r.hash for r in regions if r.is_lesion}
