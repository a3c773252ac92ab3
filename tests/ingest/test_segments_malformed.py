"""Segmentations that are not as the standard has them: mended, refused by name, never a crash."""

import numpy as np
import pydicom
import pytest
from seg_cases import (
    SPACING,
    as_pixels,
    edited,
    label_pixels,
    on_grid,
    read,
    run_length,
    truth,
    write,
)

from petnet.ingest.refusal import Refused


@pytest.fixture
def binary(tmp_path):
    return write(tmp_path / "seg.dcm", as_pixels(truth()))


def shared(ds):
    return ds.SharedFunctionalGroupsSequence[0]


def first(ds):
    return ds.PerFrameFunctionalGroupsSequence[0]


def to_top(ds):
    """Geometry at the top level, as some old writers have it."""
    ds.ImageOrientationPatient = shared(ds).PlaneOrientationSequence[0].ImageOrientationPatient
    ds.PixelSpacing = shared(ds).PixelMeasuresSequence[0].PixelSpacing
    ds.SpacingBetweenSlices = SPACING[2]
    del ds.SharedFunctionalGroupsSequence


def without_formalities(ds):
    """What PS3.3 demands and no voxel depends on."""
    for keyword in (
        "DimensionIndexSequence",
        "DimensionOrganizationSequence",
        "ReferencedSeriesSequence",
        "SegmentationType",
        "SegmentsOverlap",
        "ContentLabel",
        "SeriesNumber",
        "StudyID",
        "LossyImageCompression",
        "ContentCreatorName",
        "FrameOfReferenceUID",
    ):
        if keyword in ds:
            delattr(ds, keyword)
    for item in ds.SegmentSequence:
        for keyword in ("SegmentLabel", "SegmentAlgorithmType", "SegmentAlgorithmName"):
            delattr(item, keyword)
    for item in ds.PerFrameFunctionalGroupsSequence:
        del item.FrameContentSequence


@pytest.mark.parametrize("change", [to_top, without_formalities])
def test_mended(change, binary):
    edited(binary, change)
    for n, region in enumerate(read(binary)):
        np.testing.assert_array_equal(region.mask, on_grid(truth()[n]))
    if change is without_formalities:
        assert region.name == "Segment 3"


def number_of_first(ds, number):
    first(ds).SegmentIdentificationSequence[0].ReferencedSegmentNumber = number


def spacing(ds, values):
    shared(ds).PixelMeasuresSequence[0].PixelSpacing = values


def direction(ds, values):
    shared(ds).PlaneOrientationSequence[0].ImageOrientationPatient = values


def position(ds, values):
    first(ds).PlanePositionSequence[0].ImagePositionPatient = values


def cut(ds):
    ds.PixelData = ds.PixelData[:20]


def unplaned(ds):
    for item in ds.PerFrameFunctionalGroupsSequence:
        del item.PlanePositionSequence


MALFORMED = {
    "not a segmentation": ("SOPClassUID", lambda ds: setattr(ds, "SOPClassUID", "1.2.3")),
    "unknown type": ("SegmentationType", lambda ds: setattr(ds, "SegmentationType", "FUZZY")),
    "no segments": ("SegmentSequence", lambda ds: delattr(ds, "SegmentSequence")),
    "number twice": (
        "SegmentNumber",
        lambda ds: setattr(ds.SegmentSequence[1], "SegmentNumber", 1),
    ),
    "no number": ("SegmentNumber", lambda ds: delattr(ds.SegmentSequence[1], "SegmentNumber")),
    "no frames": (
        "PerFrameFunctionalGroupsSequence",
        lambda ds: delattr(ds, "PerFrameFunctionalGroupsSequence"),
    ),
    "frame too many": ("NumberOfFrames", lambda ds: setattr(ds, "NumberOfFrames", 99)),
    "unknown segment": ("ReferencedSegmentNumber", lambda ds: number_of_first(ds, 9)),
    "no segment": (
        "SegmentIdentificationSequence",
        lambda ds: delattr(first(ds), "SegmentIdentificationSequence"),
    ),
    "no position": ("PlanePositionSequence", unplaned),
    "no orientation": (
        "PlaneOrientationSequence",
        lambda ds: delattr(shared(ds), "PlaneOrientationSequence"),
    ),
    "no spacing": (
        "PixelMeasuresSequence",
        lambda ds: delattr(shared(ds), "PixelMeasuresSequence"),
    ),
    "flat pixels": ("PixelSpacing", lambda ds: spacing(ds, [0, 1])),
    "negative pixels": ("PixelSpacing", lambda ds: spacing(ds, [-2, 1])),
    "one spacing": ("PixelSpacing", lambda ds: spacing(ds, [2])),
    "skew": ("ImageOrientationPatient", lambda ds: direction(ds, [1, 0, 0, 0.6, 0.8, 0])),
    "long": ("ImageOrientationPatient", lambda ds: direction(ds, [2, 0, 0, 0, 1, 0])),
    "far": ("ImagePositionPatient", lambda ds: position(ds, [1e9, 0, 0])),
    "two coordinates": ("ImagePositionPatient", lambda ds: position(ds, [1, 0])),
    "no rows": ("Rows", lambda ds: setattr(ds, "Rows", 0)),
    "other rows": ("PixelData", lambda ds: setattr(ds, "Rows", 3000)),
    "cut off": ("PixelData", cut),
    "no pixels": ("PixelData", lambda ds: delattr(ds, "PixelData")),
    "three samples": ("SamplesPerPixel", lambda ds: setattr(ds, "SamplesPerPixel", 3)),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_is_refused_by_name(case, binary):
    keyword, change = MALFORMED[case]
    edited(binary, change)
    with pytest.raises(Refused) as refused:
        read(binary)
    assert refused.value.tag.startswith(f"{keyword} (")


def test_fractional_without_maximum(tmp_path):
    path = write(tmp_path / "s.dcm", as_pixels(truth()) / 1.0, "FRACTIONAL")
    edited(path, lambda ds: delattr(ds, "MaximumFractionalValue"))
    with pytest.raises(Refused, match="MaximumFractionalValue"):
        read(path)


def test_label_without_description(tmp_path):
    path = write(tmp_path / "s.dcm", label_pixels(truth(overlap=False)), "LABELMAP")
    edited(path, lambda ds: ds.SegmentSequence.pop())
    with pytest.raises(Refused, match="values that SegmentSequence describes"):
        read(path)


def test_label_map_with_a_background_of_its_own(tmp_path):
    """PixelPaddingValue says which value belongs to nothing (PS3.3 C.8.20.2)."""
    drawn = truth(overlap=False)
    path = write(tmp_path / "s.dcm", label_pixels(drawn), "LABELMAP")

    def swap(ds):
        """Let 2 be the background, and 0 be segment 2."""
        values = np.array([2, 1, 0, 3], np.uint8)[ds.pixel_array]
        ds.PixelData = values.tobytes() + b"\0" * (values.size % 2)
        ds.PixelPaddingValue = 2
        numbers = [int(item.SegmentNumber) for item in ds.SegmentSequence]
        ds.SegmentSequence[numbers.index(2)].SegmentNumber = 9
        for item in ds.SegmentSequence:
            item.SegmentNumber = {9: 0, 0: 2}.get(int(item.SegmentNumber), item.SegmentNumber)

    edited(path, swap)
    found = {region.number: region.mask for region in read(path)}
    assert sorted(found) == [0, 1, 3]
    np.testing.assert_array_equal(found[0], on_grid(drawn[1]))
    np.testing.assert_array_equal(found[3], on_grid(drawn[2]))


def test_planes_turned_against_each_other(tmp_path):
    path = write(tmp_path / "s.dcm", as_pixels(truth()))

    def turn(ds):
        item = pydicom.Dataset()
        item.ImageOrientationPatient = [0, 1, 0, -1, 0, 0]
        first(ds).PlaneOrientationSequence = [item]

    edited(path, turn)
    with pytest.raises(Refused, match="one orientation"):
        read(path)


def mutations(data, count, seed):
    """Yield copies of a file that are cut off, or in which bytes are others, more or fewer."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        kind, at = generator.integers(4), int(generator.integers(len(data)))
        some = generator.bytes(int(generator.integers(1, 9)))
        yield {
            0: data[:at],
            1: data[:at] + some + data[at + len(some) :],
            2: data[:at] + some + data[at:],
            3: data[:at] + data[at + len(some) :],
        }[int(kind)]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_mutated_files_are_read_or_refused(kind, tmp_path):
    drawn = truth(overlap=False)
    pixels = as_pixels(drawn) if kind == "BINARY" else label_pixels(drawn)
    path = write(tmp_path / "seg.dcm", pixels, kind)
    if kind == "LABELMAP":
        edited(path, run_length)
    messages = []
    for changed in mutations(path.read_bytes(), 150, 5):
        path.write_bytes(changed)
        try:
            read(path)
        except Refused as error:
            messages.append(str(error))
    assert len(messages) > 10  # the other changes are in what nothing depends on
    assert str(tmp_path) not in " ".join(messages)
