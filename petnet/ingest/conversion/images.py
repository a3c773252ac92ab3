"""The images of one patient: scans found among the series, their PET and CT written as NIfTI."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from petnet import __version__
from petnet.files import write_json
from petnet.ingest.conversion.account import Account, exclusion_of
from petnet.ingest.conversion.job import STAGE, PatientJob
from petnet.ingest.conversion.pairing import Image, Ranking, choose_pet, pair_ct
from petnet.ingest.conversion.selection import Exclusion, Use, is_pet, states_correction
from petnet.ingest.conversion.timepoints import Scan, name_timepoints
from petnet.ingest.dicom.header_values import text
from petnet.ingest.dicom.images import load_ct, load_pet
from petnet.ingest.dicom.series import read_series
from petnet.ingest.dicom.series_header import TRACER, TRACER_CODE, SeriesHeader
from petnet.ingest.records import Series
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.acquisition import acquisition
from petnet.ingest.suv.moments import parse_date, parse_datetime, parse_time
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.tracers import Tracer, tracer_called
from petnet.volume import write_volume

if TYPE_CHECKING:
    from pydicom import Dataset

    from petnet.volume import Volume

__all__ = ["UsedImage", "convert_images", "scan_day"]

OTHER_PET = Exclusion("choice", "expected one PET a scan, but got several: another was chosen")
OTHER_STUDY = Exclusion(
    "StudyDate (0008,0020)",
    "expected a day of its own for each scan with a tracer, but got another study on the same day, "
    "of which a PET was chosen",
)
OTHER_CT = Exclusion("choice", "expected one CT a PET, but got several: another was paired")
NO_PET = Exclusion("pairing", "expected a PET of this patient that can be used, but got none")
SILENT = "the header does not say whether attenuation is corrected"
SECOND = "taken in the place of a series that comes first by rule but cannot be used"
NO_CT = "no CT: none in the PET's frame of reference, study or day that covers it"


@dataclass(frozen=True, eq=False)
class UsedImage:
    """An image that was written.

    Attributes
    ----------
    series : str
        Its name in the tables.
    header : SeriesHeader
    study : str
    grid : {"pet", "ct"}
    shape, affine
        Its grid.
    frame_of_reference : str
    """

    series: str
    header: SeriesHeader
    study: str
    grid: Literal["pet", "ct"]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    frame_of_reference: str


@dataclass(eq=False)
class _Scan:
    """PET series of one day and tracer."""

    day: date | None
    tracer: Tracer
    series: list[str] = field(default_factory=list)
    timepoint: str = ""


@dataclass(frozen=True, eq=False)
class _Readable:
    """Series whose headers make volumes, and what choosing needs of them."""

    series: Mapping[str, Series]
    images: Mapping[str, Image]
    uses: Mapping[str, Use | Exclusion]

    def of(self, use: Use) -> list[Image]:
        return [image for name, image in self.images.items() if self.uses[name] == use]


def convert_images(
    job: PatientJob,
    uses: Mapping[str, Use | Exclusion],
    delineated: Collection[str],
    account: Account,
) -> list[UsedImage]:
    """Write PET (SUV), CT (HU) and sidecars of a patient's scans, and their rows.

    Parameters
    ----------
    job : PatientJob
    uses : mapping
        Series name to what `selection.classify` says of it.
    delineated : collection of str
        SeriesInstanceUIDs to which structure sets and segmentations refer.
    account : Account
        Is told what becomes of each PET and CT series.

    Returns
    -------
    list of UsedImage
        In the order of the studies, the PET before the CT.
    """
    readable = _read(job, uses, delineated, account)
    used: list[UsedImage] = []
    rankings: list[Ranking] = []
    for scan in _scans(job, uses, account):
        study = f"{job.stem}_{scan.timepoint}_{scan.tracer.arm}"
        pet, notes = _write_pet(job, readable, scan, study, account)
        if pet is None:
            account.refuse_study(study, "no PET series of this scan can be used")
            continue
        ranking = pair_ct(readable.images[pet.series], readable.of("ct"))
        ct = _write_ct(job, readable, ranking, study, account)
        if ct is None:
            account.warn(NO_CT, study, pet.series)
        _write_rows(job, readable, scan, (pet, ct), notes, account)
        rankings.append(ranking)
        used += [pet, *([ct] if ct else [])]
    if not account.status:
        account.refuse_study("", "no PET series of this patient")
    _exclude_unpaired(readable, rankings, account)
    return used


def scan_day(header: SeriesHeader) -> date | None:
    """Return the day of the acquisition, or else of series or study."""
    for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        ordinal = parse_date(header.text(keyword))
        if ordinal:
            return date.fromordinal(ordinal)
    return None


def _read(
    job: PatientJob,
    uses: Mapping[str, Use | Exclusion],
    delineated: Collection[str],
    account: Account,
) -> _Readable:
    """Read the headers of what may be used; what makes no volume is excluded."""
    series, images = {}, {}
    for name, header in job.series.items():
        use = uses[name]
        if use not in ("pet", "ct"):
            continue
        try:
            tilt = job.options.tilt if use == "ct" else "refuse"
            series[name] = read_series(header.files, tilt)
        except Refused as error:
            account.exclude(name, exclusion_of(error))
        else:
            images[name] = _image(name, header, series[name], header.uid in delineated)
    return _Readable(series, images, uses)


def _image(name: str, header: SeriesHeader, series: Series, delineated: bool) -> Image:
    number = header.text("SeriesNumber")
    return Image(
        name=name,
        shape=series.shape,
        affine=series.affine,
        frame_of_reference=series.text("FrameOfReferenceUID"),
        study_uid=header.study_uid,
        start=min((t for t in _starts(series) if t), default=None),
        original="DERIVED" not in header.items("ImageType")[:1],
        delineated=delineated,
        kernel=header.text("ConvolutionKernel"),
        description=header.text("SeriesDescription"),
        number=int(number) if number.isascii() and number.isdigit() else 0,
    )


def _starts(series: Series) -> Iterator[datetime | None]:
    """Yield when each slice was acquired, or else when the series was made."""
    for one in series.slices:
        acquired = _moment(one.header, "AcquisitionDate", "AcquisitionTime")
        stamp = parse_datetime(text(one.header, "AcquisitionDateTime"))
        if acquired is None and stamp and stamp.clock_s is not None:
            acquired = datetime.fromordinal(stamp.day) + timedelta(seconds=stamp.clock_s)
        yield acquired or _moment(one.header, "SeriesDate", "SeriesTime")


def _moment(header: Dataset, day: str, clock: str) -> datetime | None:
    ordinal, seconds = parse_date(text(header, day)), parse_time(text(header, clock))
    if ordinal is None or seconds is None:
        return None
    return datetime.fromordinal(ordinal) + timedelta(seconds=seconds)


def _scans(job: PatientJob, uses: Mapping[str, Use | Exclusion], account: Account) -> list[_Scan]:
    """Put PET series of one day and tracer together, and name their time points.

    Series that are not used count as well, so that a follow-up does not become the baseline where
    the baseline had to be left out; but not beside others of their day (projections name no
    tracer).
    """
    found: dict[tuple[Any, str], _Scan] = {}
    for name, header in job.series.items():
        if is_pet(header):
            day = scan_day(header)
            tracer = tracer_called(header.text(TRACER), header.text(TRACER_CODE))
            key = (day or header.study_uid, tracer.arm)
            found.setdefault(key, _Scan(day, tracer)).series.append(name)
    days = {s.day for s in found.values() if _any_pet(s, uses)}
    scans = [s for s in found.values() if _any_pet(s, uses) or s.day not in days]
    named = [Scan(f"{k:04d}", scan.day, scan.tracer.arm) for k, scan in enumerate(scans)]
    points, notes = name_timepoints(named, job.options.same_timepoint_days)
    for one, scan in zip(named, scans, strict=True):
        scan.timepoint = points[one.name]
        for note in notes.get(one.name, ()):
            account.warn(note, f"{job.stem}_{scan.timepoint}_{scan.tracer.arm}")
    order = sorted(zip(named, scans, strict=True), key=lambda p: _order(p[0]))
    return [scan for _, scan in order]


def _any_pet(scan: _Scan, uses: Mapping[str, Use | Exclusion]) -> bool:
    return any(uses[name] == "pet" for name in scan.series)


def _order(scan: Scan) -> tuple[bool, date, str]:
    return (scan.day is None, scan.day or date.min, scan.name)


def _write_pet(
    job: PatientJob, readable: _Readable, scan: _Scan, study: str, account: Account
) -> tuple[UsedImage | None, dict[str, Any]]:
    """Write the first PET series of a scan from which SUV can be computed, and its sidecar's part.

    The others are excluded: those before it by what is wrong with them, those after it as another
    was chosen.
    """
    ranking = choose_pet([i for i in readable.of("pet") if i.name in scan.series])
    for place, image in enumerate(ranking.order):
        series = readable.series[image.name]
        try:
            header = read_pet_header([one.header for one in series.slices])
            volume, scale = load_pet(series, job.options.suv, header)
            made = acquisition(header, series.header)
        except Refused as error:
            account.exclude(image.name, exclusion_of(error), study)
            continue
        for other in ranking.order[place + 1 :]:
            same = other.study_uid == image.study_uid
            account.exclude(other.name, OTHER_PET if same else OTHER_STUDY, study)
        notes = (*ranking.notes.get(image.name, ()), *series.notes)
        notes += (SECOND,) if place else ()
        notes += () if states_correction(job.series[image.name]) else (SILENT,)
        for note in (*notes, *scale.warnings):
            account.warn(note, study, image.name)
        part = {
            "series": image.name,
            "suv": scale.record(dates=job.options.keep_identifiers),
            "acquisition": {key: _plain(value) for key, value in made.items()},
            "notes": list(notes),
        }
        return _written(job, readable, image, study, "pet", volume, account), part
    return None, {}


def _write_ct(
    job: PatientJob, readable: _Readable, ranking: Ranking, study: str, account: Account
) -> UsedImage | None:
    """Write the first CT of a ranking whose pixels can be read."""
    for image in ranking.order:
        if account.is_excluded(image.name):
            continue
        try:
            volume = load_ct(readable.series[image.name])
        except Refused as error:
            account.exclude(image.name, exclusion_of(error), study)
            continue
        for note in (*ranking.notes.get(image.name, ()), *readable.series[image.name].notes):
            account.warn(note, study, image.name)
        return _written(job, readable, image, study, "ct", volume, account)
    return None


def _written(
    job: PatientJob,
    readable: _Readable,
    image: Image,
    study: str,
    grid: Literal["pet", "ct"],
    volume: Volume,
    account: Account,
) -> UsedImage:
    path = account.add_file(f"images/{job.stem}/{study}_{grid}.nii.gz")
    write_volume(job.out / path, volume, volume.array.dtype)
    account.use(image.name, grid, study)
    return UsedImage(
        series=image.name,
        header=job.series[image.name],
        study=study,
        grid=grid,
        shape=readable.series[image.name].shape,
        affine=volume.affine,
        frame_of_reference=image.frame_of_reference,
    )


def _write_rows(
    job: PatientJob,
    readable: _Readable,
    scan: _Scan,
    written: tuple[UsedImage, UsedImage | None],
    part: dict[str, Any],
    account: Account,
) -> None:
    """Write the sidecar beside the PET, and the row of the studies table."""
    pet, ct = written
    named = {
        "patient": job.patient,
        "study": pet.study,
        "timepoint": scan.timepoint,
        "arm": scan.tracer.arm,
        "tracer": scan.tracer.name,
        "modality": "PT/CT" if ct else "PT",
    }
    folder = f"images/{job.stem}/{pet.study}"
    institution = pet.header.text("InstitutionName")
    row = named | {
        "pet": f"{folder}_pet.nii.gz",
        "ct": f"{folder}_ct.nii.gz" if ct else None,
        **account.scrubber.value(part["acquisition"]),
        "center": job.centers.get(institution) or None,
    }
    account.studies.append(row)
    account.status.append(
        {"patient": job.patient, "study": pet.study, "status": "ok", "reason": ""}
    )
    sidecar = named | part | {"petnet": __version__, "stage": STAGE, "ct": None}
    if ct:
        series = readable.series[ct.series]
        sidecar["ct"] = {"series": ct.series, "notes": list(series.notes)}
    path = account.add_file(f"{folder}_pet.json")
    write_json(job.out / path, account.scrubber.value(sidecar))


def _exclude_unpaired(readable: _Readable, rankings: list[Ranking], account: Account) -> None:
    for image in readable.of("ct"):
        if account.is_settled(image.name):
            continue
        if any(image in ranking.order for ranking in rankings):
            account.exclude(image.name, OTHER_CT)
            continue
        why = [r.excluded[image.name] for r in rankings if image.name in r.excluded]
        account.exclude(image.name, why[0] if why else NO_PET)


def _plain(value: Any) -> Any:
    """Return None for numbers that are unknown (NaN) or not above 0, which the tables refuse."""
    return None if isinstance(value, float) and not value > 0 else value
