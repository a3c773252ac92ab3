"""The regions of one patient: put on the images, numbered, and written as label maps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from petnet.errors import InputError
from petnet.files import read_json, write_json
from petnet.ingest.conversion.account import Account, exclusion_of
from petnet.ingest.conversion.images import UsedImage
from petnet.ingest.conversion.job import PatientJob
from petnet.ingest.conversion.region_sources import Placed, RegionSource, images_of, taken
from petnet.ingest.conversion.selection import Exclusion
from petnet.ingest.records import Region
from petnet.ingest.regions.label_maps import pack, split_components
from petnet.ingest.regions.rules import distinct_names, number_lesions, safe_name
from petnet.volume import Volume, write_volume

__all__ = ["convert_regions"]

Grid = Literal["pet", "ct"]
GRID_ENDINGS: dict[Grid, str] = {"pet": "(pet|pt)", "ct": "ct"}
EMPTY = Exclusion("voxels", "expected at least one in the image, but got none")
SEVERAL_STUDIES = Exclusion("grid", "expected the grid of one study, but got that of several")


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A region on the grid of an image, and the series or mask that it comes from."""

    source: str
    region: Region
    role: str
    place: str | None

    @property
    def is_lesion(self) -> bool:
        return self.role != "reference"


def convert_regions(
    job: PatientJob,
    sources: Sequence[RegionSource],
    images: Sequence[UsedImage],
    account: Account,
) -> None:
    """Write the label maps of a patient's studies, and the rows of the rois table.

    Parameters
    ----------
    job : PatientJob
    sources : sequence of RegionSource
        Structure sets and segmentations; the masks are those of `job`.
    images : sequence of UsedImage
    account : Account
        Is told what becomes of each source and region.
    """
    drawn: dict[tuple[str, Grid], list[_Drawn]] = defaultdict(list)
    for source, image, region in _placed(job, sources, images, account):
        rule = job.options.rules.rule(region.name)
        one = _Drawn(source, region, str(rule.role), rule.region)
        drawn[image.study, image.grid] += _parts(job, one, image)
    numbered = {
        _lesion_name(job, key, one): None for key, d in drawn.items() for one in d if one.is_lesion
    }
    known = _known_lesions(job)
    lesions = number_lesions(job.stem, numbered, known)
    _keep_numbers(job, {**known, **lesions})
    names: dict[str, dict[str, Grid]] = defaultdict(dict)
    for image in images:
        key = (image.study, image.grid)
        if key in drawn:
            _write(job, image, drawn[key], lesions, names[image.study], account)


def _lesions_file(job: PatientJob) -> Path:
    return job.key / "lesions" / f"{job.stem}.json"


def _known_lesions(job: PatientJob) -> dict[str, str]:
    """Return the names of lesions that were numbered before; they keep their numbers."""
    path = _lesions_file(job)
    return dict(read_json(path)) if path.is_file() else {}


def _keep_numbers(job: PatientJob, lesions: Mapping[str, str]) -> None:
    """Put the numbers into the key before they are used, since names may identify someone."""
    if lesions and lesions != _known_lesions(job):
        write_json(_lesions_file(job), lesions)


def _placed(
    job: PatientJob,
    sources: Sequence[RegionSource],
    images: Sequence[UsedImage],
    account: Account,
) -> Iterator[tuple[str, UsedImage, Region]]:
    """Yield each region that lies on the grid of an image; the others are excluded by name."""
    for source in sources:
        found = images_of(source, images, job.series.values())
        if isinstance(found, Exclusion):
            for region in source.names:
                account.exclude_region(source.name, region, found)
            if not source.names:
                account.fail_part(source.name, found)
            continue
        mine, notes = found
        try:
            placed = source.regions(mine[0].shape, mine[0].affine)
        except InputError as error:
            account.fail_part(source.name, exclusion_of(error))
            continue
        yield from _told(source.name, mine, placed, notes, account)
    for name, path in job.masks.items():
        located = _on_grid(job, path, images)
        if isinstance(located, Exclusion):
            account.fail_part(name, located)
            continue
        image, placed = located
        yield from _told(name, [image], placed, (), account)


def _told(
    source: str,
    images: Sequence[UsedImage],
    placed: Placed,
    notes: Sequence[str],
    account: Account,
) -> Iterator[tuple[str, UsedImage, Region]]:
    regions, failed = placed
    regions = [region for region in regions if not region.is_empty]
    failed = [*failed, *((r.name, EMPTY) for r in placed[0] if r.is_empty)]
    for name, why in failed:
        account.exclude_region(source, name, why, images[0].study)
    for image in images:
        if regions:
            account.use(source, "regions", image.study)
            for note in notes:
                account.warn(note, image.study, source)
        for region in distinct_names(regions):
            for note in region.notes:
                account.warn(note, image.study, source, region.name)
            yield source, image, region


def _on_grid(
    job: PatientJob, path: Path, images: Sequence[UsedImage]
) -> tuple[UsedImage, Placed] | Exclusion:
    """Find the image on whose grid a mask lies: of several the nearest by folder, then the PET."""
    from petnet.ingest.regions.mask_files import mask_regions

    why = Exclusion("grid", "expected the grid of an image of the patient, but got no image")
    found: list[tuple[int, UsedImage, Sequence[Region]]] = []
    read: dict[str, Sequence[Region]] = {}
    for image in images:
        try:
            if image.series not in read:
                read[image.series] = mask_regions(path, image.shape, image.affine)
        except InputError as error:
            why = exclusion_of(error)
            continue
        near = max(common_depth(path, file.path) for file in image.header.files)
        found.append((near, image, read[image.series]))
    if not found:
        return why
    nearest = [f for f in found if f[0] == max(near for near, _, _ in found)]
    if len({image.study for _, image, _ in nearest}) > 1:
        return SEVERAL_STUDIES
    _, image, regions = nearest[0]
    return image, taken(regions, job.options.rules)


def common_depth(a: Path, b: Path) -> int:
    """Return how many folders two files have in common, from the top."""
    pairs = zip(a.parent.parts, b.parent.parts, strict=False)
    depth = 0
    for one, other in pairs:
        if one != other:
            break
        depth += 1
    return depth


def _parts(job: PatientJob, one: _Drawn, image: UsedImage) -> list[_Drawn]:
    if not (job.options.split_components and one.is_lesion):
        return [one]
    parts = split_components(one.region, image.affine)
    return [replace(one, region=part) for part in parts]


def _lesion_name(job: PatientJob, key: tuple[str, Grid], one: _Drawn) -> str:
    """Return what a lesion is numbered by: its name, in all studies and on both grids.

    An ending that repeats what it was drawn on says nothing of the lesion: GTV_PET on the PET and
    GTV_CT on the CT are one. A component's number says nothing of another study's components, nor
    of another grid's.
    """
    study, grid = key
    if job.options.split_components:
        return f"{one.region.name} in {study} {grid}"
    return re.sub(rf"[\s_-]+{GRID_ENDINGS[grid]}$", "", one.region.name, flags=re.IGNORECASE)


def _write(
    job: PatientJob,
    image: UsedImage,
    drawn: Sequence[_Drawn],
    lesions: Mapping[str, str],
    names: dict[str, Grid],
    account: Account,
) -> None:
    """Write the label maps of one image, and a row for each region; `names` are the study's."""
    study, grid = image.study, image.grid
    maps = pack([one.region for one in drawn])
    at: dict[int, tuple[str, int]] = {}
    for number, packed in enumerate(maps, 1):
        more = f"_{number}" if number > 1 else ""
        path = account.add_file(f"images/{job.stem}/{study}_{grid}_regions{more}.nii.gz")
        volume = Volume(packed.array, image.affine, "label", "MASK")
        write_volume(job.out / path, volume, packed.array.dtype)
        at |= {member: (path, label) for label, member in enumerate(packed.members, 1)}
    for k, one in enumerate(drawn):
        path, label = at[k]
        lesion = lesions[_lesion_name(job, (study, grid), one)] if one.is_lesion else None
        row: dict[str, Any] = {
            "study": study,
            "roi": _roi_name(one.region.name, grid, names, account),
            "lesion_uid": lesion,
            "role": one.role,
            "region": one.place,
            "path": path,
            "label": label,
            "grid": grid,
            "reader": job.readers.get(one.region.reader) or None,
            "method": account.scrubber.text(one.region.method) or None,
            "series": one.source,
        }
        names[row["roi"]] = grid
        account.rois.append(row)


def _roi_name(name: str, grid: Grid, names: Mapping[str, Grid], account: Account) -> str:
    """Return a name that is unique in the study: a number, or the grid if it is the other one's."""
    plain = safe_name(account.scrubber.text(name))
    elsewhere = {other.casefold() for other, its in names.items() if its != grid}
    return safe_name(f"{plain}_{grid}" if plain.casefold() in elsewhere else plain, names)
