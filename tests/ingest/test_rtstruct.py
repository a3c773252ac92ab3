"""Structure sets written with pydicom, whole, odd and broken; real ones against published masks."""

import random
import tarfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Outline
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.regions.rtstruct import Structure, read_rtstruct, structure_region

FRAME, SERIES, IMAGE = "1.2.3.10", "1.2.3.20", "1.2.3.30"
SQUARE = [[2.0, 3.0], [8.0, 3.0], [8.0, 7.0], [2.0, 7.0]]
SHAPE, AFFINE = (12, 12, 5), np.diag([-1.0, -1.0, 3.0, 1.0])  # DICOM's axes, seen from RAS+


def item(**attributes):
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, Sequence(value) if isinstance(value, list | tuple) else value)
    return made


def contour(z, points=SQUARE, kind="CLOSED_PLANAR"):
    made = item(ContourGeometricType=kind, NumberOfContourPoints=len(points))
    made.ContourData = [round(float(v), 6) for x, y in points for v in (x, y, z)]
    image = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.128")
    image.ReferencedSOPInstanceUID = f"{IMAGE}.{round(z)}"
    made.ContourImageSequence = Sequence([image])
    return made


def structure_set(names=("GTV",), drawn=None):
    """Return a structure set; `drawn` gives the contours of each name."""
    drawn = drawn or [[contour(3.0), contour(6.0)] for _ in names]
    made = Dataset()
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    made.SOPInstanceUID = "1.2.3.1"
    made.Modality = "RTSTRUCT"
    series = item(
        SeriesInstanceUID=SERIES, ContourImageSequence=[item(ReferencedSOPInstanceUID=IMAGE)]
    )
    study = item(ReferencedSOPInstanceUID="1.2.3.5", RTReferencedSeriesSequence=[series])
    frame = item(FrameOfReferenceUID=FRAME, RTReferencedStudySequence=[study])
    made.ReferencedFrameOfReferenceSequence = Sequence([frame])
    made.StructureSetROISequence = Sequence(
        item(
            ROINumber=n,
            ROIName=name,
            ReferencedFrameOfReferenceUID=FRAME,
            ROIGenerationAlgorithm="MANUAL",
        )
        for n, name in enumerate(names, 1)
    )
    made.ROIContourSequence = Sequence(
        item(ReferencedROINumber=n, ContourSequence=contours) for n, contours in enumerate(drawn, 1)
    )
    made.RTROIObservationsSequence = Sequence(
        item(ObservationNumber=n, ReferencedROINumber=n, ROIInterpreter="Curie^Marie")
        for n in range(1, len(names) + 1)
    )
    return made


def write(path, dataset, syntax=pydicom.uid.ExplicitVRLittleEndian):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    file = FileDataset(None, dataset, file_meta=meta, preamble=bytes(128))
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(path, file, enforce_file_format=True)
    return path


def only(path):
    (structure,) = read_rtstruct(path).structures
    return structure


SYNTAXES = {
    "implicit": pydicom.uid.ImplicitVRLittleEndian,
    "explicit": pydicom.uid.ExplicitVRLittleEndian,
    "big endian": pydicom.uid.ExplicitVRBigEndian,
    "deflated": pydicom.uid.DeflatedExplicitVRLittleEndian,
}


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_a_structure_set_is_read_whole(tmp_path, syntax):
    path = write(tmp_path / "rs", structure_set(("GTV", "liver")), syntax)
    found = read_rtstruct(path)
    assert found.frame_of_reference == FRAME
    assert found.series_uids == (SERIES,)
    assert found.sop_uids == (IMAGE, f"{IMAGE}.3", f"{IMAGE}.6")
    gtv, liver = found.structures
    assert (gtv.name, gtv.number, liver.name, liver.number) == ("GTV", 1, "liver", 2)
    assert (gtv.method, gtv.reader, gtv.kinds) == ("MANUAL", "Curie^Marie", ("CLOSED_PLANAR",))
    assert (gtv.notes, gtv.refusal, gtv.sop_uids) == ((), None, (f"{IMAGE}.3", f"{IMAGE}.6"))
    expected = np.column_stack([-np.array(SQUARE), [3.0] * 4])
    np.testing.assert_array_equal(gtv.contours[0], expected)
    region = structure_region(gtv, SHAPE, AFFINE)
    mask = np.zeros(SHAPE, bool)
    mask[2:8, 3:7, 1:3] = True
    np.testing.assert_array_equal(region.mask, mask)
    assert (region.name, region.number, region.source) == ("GTV", 1, "RTSTRUCT")
    assert (region.method, region.reader) == ("MANUAL", "Curie^Marie")


def test_holes_of_either_kind_are_holes(tmp_path):
    inner = [[4.0, 4.0], [6.0, 4.0], [6.0, 6.0], [4.0, 6.0]]
    mask = np.zeros(SHAPE, bool)
    mask[2:8, 3:7, 1] = True
    mask[4:6, 4:6, 1] = False
    for kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
        dataset = structure_set(drawn=[[contour(3.0, SQUARE, kind), contour(3.0, inner, kind)]])
        structure = only(write(tmp_path / kind, dataset))
        assert structure.kinds == (kind,)
        np.testing.assert_array_equal(structure_region(structure, SHAPE, AFFINE).mask, mask)


def test_points_and_open_contours_are_left_out_with_a_note(tmp_path):
    kinds = ("POINT", "OPEN_PLANAR", "POINT", "CLOSED_PLANAR")
    dataset = structure_set(drawn=[[contour(3.0, SQUARE, kind) for kind in kinds]])
    structure = only(write(tmp_path / "rs", dataset))
    assert structure.kinds == ("CLOSED_PLANAR", "OPEN_PLANAR", "POINT")
    assert len(structure.contours) == 1
    region = structure_region(structure, SHAPE, AFFINE)
    assert region.notes == (
        "2 contours of type POINT left out",
        "1 contours of type OPEN_PLANAR left out",
    )


def first_roi(dataset):
    return dataset.StructureSetROISequence[0]


def first_contour(dataset):
    return dataset.ROIContourSequence[0].ContourSequence[0]


def without(place, *keywords):
    def change(dataset):
        for keyword in keywords:
            delattr(place(dataset), keyword)

    return change


def same(dataset):
    return dataset


def given(place, keyword, value):
    def change(dataset):
        setattr(place(dataset), keyword, value)

    return change


def text_value(place, keyword, text):
    """Write bytes that the VR of the attribute does not allow."""

    def change(dataset):
        found = place(dataset)
        tag = pydicom.tag.Tag(keyword)
        vr = pydicom.datadict.dictionary_VR(tag)
        raw = pydicom.dataelem.RawDataElement(tag, vr, len(text), text, 0, False, True)
        found[tag] = raw

    return change


def first_image(dataset):
    return first_contour(dataset).ContourImageSequence[0]


HARMLESS = {
    "nothing": lambda dataset: None,
    "no references": without(same, "ReferencedFrameOfReferenceSequence"),
    "no observations": without(same, "RTROIObservationsSequence"),
    "no number of points": without(first_contour, "NumberOfContourPoints"),
    "no frame in the structure": without(first_roi, "ReferencedFrameOfReferenceUID"),
    "no method": without(first_roi, "ROIGenerationAlgorithm"),
    "no name": without(first_roi, "ROIName"),
    "no images": without(first_contour, "ContourImageSequence"),
    "no image UID": without(first_image, "ReferencedSOPInstanceUID"),
    "lower case": text_value(first_contour, "ContourGeometricType", b"closed_planar"),
    "padded numbers": text_value(
        first_contour, "ContourData", b" 2 \\3.0\\3\\+8\\3\\3\\8e0\\7\\3\\2\\7\\3 \0"
    ),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_is_not_needed_may_be_missing(tmp_path, change):
    dataset = structure_set()
    change(dataset)
    structure = only(write(tmp_path / "rs", dataset))
    expected = only(write(tmp_path / "whole", structure_set()))
    assert structure.refusal is None
    for found, wanted in zip(structure.contours, expected.contours, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert structure.frame_of_reference in ("", FRAME)


POINTS = b"2\\3\\3\\8\\3\\3\\8\\7\\3\\2\\7\\3"
REFUSED = {
    "no points": (without(first_contour, "ContourData"), "ContourData"),
    "empty points": (given(first_contour, "ContourData", None), "ContourData"),
    "not three each": (
        text_value(first_contour, "ContourData", POINTS + b"\\1"),
        "ContourData",
    ),
    "points fewer than stated": (
        text_value(first_contour, "ContourData", POINTS[: POINTS.rindex(b"\\2\\")]),
        "ContourData",
    ),
    "NaN": (text_value(first_contour, "ContourData", POINTS[:-1] + b"nan"), "ContourData"),
    "infinity": (text_value(first_contour, "ContourData", POINTS[:-1] + b"inf"), "ContourData"),
    "huge": (text_value(first_contour, "ContourData", POINTS[:-1] + b"1e300"), "ContourData"),
    "words": (text_value(first_contour, "ContourData", POINTS[:-1] + b"three"), "ContourData"),
    "commas": (text_value(first_contour, "ContourData", POINTS[:-1] + b"3,5"), "ContourData"),
    "no digits": (text_value(first_contour, "ContourData", POINTS + b"\xb2"), "ContourData"),
    "underscores": (text_value(first_contour, "ContourData", POINTS[:-1] + b"1_0"), "ContourData"),
    "no type": (without(first_contour, "ContourGeometricType"), "ContourGeometricType"),
    "unknown type": (
        text_value(first_contour, "ContourGeometricType", b"CLOSED_CURVED "),
        "ContourGeometricType",
    ),
    "points alone": (
        lambda dataset: [
            setattr(c, "ContourGeometricType", "POINT")
            for c in dataset.ROIContourSequence[0].ContourSequence
        ],
        "ContourGeometricType",
    ),
    "no contours": (
        lambda dataset: delattr(dataset.ROIContourSequence[0], "ContourSequence"),
        "ContourSequence",
    ),
    "nothing drawn": (without(same, "ROIContourSequence"), "ContourSequence"),
    "number of points is no number": (
        text_value(first_contour, "NumberOfContourPoints", b"few "),
        "NumberOfContourPoints",
    ),
}


@pytest.mark.parametrize(("change", "keyword"), REFUSED.values(), ids=REFUSED)
def test_a_structure_that_cannot_be_read_names_why(tmp_path, change, keyword):
    """Its neighbour in the same file is used all the same."""
    dataset = structure_set(("GTV", "liver"))
    change(dataset)
    if "ROIContourSequence" in dataset:
        structure, other = read_rtstruct(write(tmp_path / "rs", dataset)).structures
        assert other.refusal is None
    else:
        structure, _ = read_rtstruct(write(tmp_path / "rs", dataset)).structures
    assert structure.refusal.tag == tag_name(keyword)
    with pytest.raises(Refused) as caught:
        structure_region(structure, SHAPE, AFFINE)
    assert caught.value.tag == tag_name(keyword)


FILES = {
    "another class": (given(same, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.128"), "SOPClassUID"),
    "no class": (without(same, "SOPClassUID"), "SOPClassUID"),
    "no structures": (
        without(same, "StructureSetROISequence", "ROIContourSequence"),
        "StructureSetROISequence",
    ),
    "contours of no number": (
        lambda dataset: delattr(dataset.ROIContourSequence[0], "ReferencedROINumber"),
        "ReferencedROINumber",
    ),
}


@pytest.mark.parametrize(("change", "keyword"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, change, keyword):
    dataset = structure_set()
    change(dataset)
    with pytest.raises(Refused) as caught:
        read_rtstruct(write(tmp_path / "rs", dataset))
    assert caught.value.tag == tag_name(keyword)


def test_numbers_names_and_frames_that_do_not_match(tmp_path):
    dataset = structure_set(("a", "a", "b", "c"))
    rois = dataset.StructureSetROISequence
    rois[2].ROINumber = 4  # twice, then; and contours of number 3 have no structure
    rois[1].ReferencedFrameOfReferenceUID = "1.2.3.11"
    found = read_rtstruct(write(tmp_path / "rs", dataset))
    assert found.frame_of_reference == ""
    by_name = [(s.name, s.number, s.refusal.tag if s.refusal else None) for s in found.structures]
    assert by_name == [
        ("a", 1, None),
        ("a", 2, None),
        ("b", 4, tag_name("ROINumber")),
        ("c", 4, tag_name("ROINumber")),
        ("ROI 3", 3, tag_name("ReferencedROINumber")),
    ]
    assert [s.frame_of_reference for s in found.structures[:2]] == [FRAME, "1.2.3.11"]
    without(first_roi, "ROINumber")(dataset)
    first = read_rtstruct(write(tmp_path / "rs", dataset)).structures[0]
    assert (first.name, first.refusal.tag) == ("a", tag_name("ROINumber"))


def test_several_items_of_one_number_are_one_structure(tmp_path):
    dataset = structure_set(("a",), [[contour(3.0)], [contour(6.0)]])
    dataset.ROIContourSequence[1].ReferencedROINumber = 1
    assert len(only(write(tmp_path / "rs", dataset)).contours) == 2


def test_what_is_too_small_for_the_grid_is_refused(tmp_path):
    small = [[2.2, 3.2], [2.8, 3.2], [2.8, 3.8]]
    structure = only(write(tmp_path / "rs", structure_set(drawn=[[contour(3.0, small)]])))
    with pytest.raises(Refused, match="no voxel centre inside"):
        structure_region(structure, SHAPE, AFFINE)
    fine = np.diag([-0.1, -0.1, 3.0, 1.0])
    assert structure_region(structure, (60, 60, 3), fine).mask.sum() == 6 + 5 + 4 + 3 + 2 + 1


def outcome(path):
    """Return contours by name, or None for each that is refused; nothing else may happen."""
    try:
        structures = read_rtstruct(path).structures
    except Refused:
        return {}
    found = {}
    for structure in structures:
        assert isinstance(structure, Structure)
        try:
            structure_region(structure, SHAPE, AFFINE)
        except Refused as refusal:
            found[structure.name] = refusal
        else:
            found[structure.name] = [points.tolist() for points in structure.contours]
    return found


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_a_cut_file_gives_all_contours_or_none(tmp_path, undefined):
    dataset = structure_set(("GTV", "liver"))
    for sequence in dataset.iterall():
        if sequence.VR == "SQ":
            sequence.is_undefined_length = undefined
            for one in sequence.value:
                one.is_undefined_length_sequence_item = undefined
    path = write(tmp_path / "rs", dataset)
    raw, whole = path.read_bytes(), outcome(path)
    assert len(whole) == 2
    assert all(isinstance(contours, list) for contours in whole.values())
    kept = 0
    for end in range(140, len(raw), 7):
        path.write_bytes(raw[:end])
        for name, contours in outcome(path).items():
            if isinstance(contours, list):
                assert contours == whole[name]
                kept += 1
    assert kept  # cut within what follows the contours, they are all there


def places(dataset, path=()):
    """Return where every element of a dataset is: sequence and item numbers, then its keyword."""
    found = []
    for element in dataset:
        found.append((*path, element.keyword))
        if element.VR == "SQ":
            for n, one in enumerate(element.value):
                found += places(one, (*path, element.keyword, n))
    return found


def inside(dataset, path):
    for step in path:
        dataset = dataset[step] if isinstance(step, int) else getattr(dataset, step)
    return dataset


ELEMENTS = places(structure_set(("GTV", "liver")))


@pytest.mark.parametrize("place", ELEMENTS, ids=lambda p: ".".join(map(str, p)))
def test_an_attribute_that_is_deleted_is_not_needed_or_is_missed(tmp_path, place):
    """Never other contours than those that were drawn, and none of a neighbour's are lost."""
    dataset = structure_set(("GTV", "liver"))
    drawn = outcome(write(tmp_path / "whole", dataset))
    *parent, keyword = place
    delattr(inside(dataset, parent), keyword)
    found = outcome(write(tmp_path / "rs", dataset))
    for name, contours in found.items():
        if isinstance(contours, list):
            assert contours == drawn[{"ROI 1": "GTV", "ROI 2": "liver"}.get(name, name)]
    needed = {"SOPClassUID", "StructureSetROISequence", "ROIContourSequence", "ROINumber"}
    needed |= {"ContourSequence", "ContourData", "ContourGeometricType"}
    if keyword in needed or (keyword == "ReferencedROINumber" and "ROIContourSequence" in place):
        assert not all(isinstance(contours, list) for contours in found.values()) or not found
    else:
        assert [type(contours) for contours in found.values()] == [list, list]


def mutated(raw, chance):
    raw = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, length = chance.randrange(132, len(raw)), chance.choice((1, 1, 2, 4))
        raw[at : at + length] = chance.choice(
            (bytes(length), b"\xff" * length, chance.randbytes(length), b"", chance.randbytes(9))
        )
    return bytes(raw)


@pytest.mark.parametrize(
    "rounds", [250, pytest.param(5000, marks=pytest.mark.full)], ids=["some", "many"]
)
def test_mutated_files_end_in_structures_or_in_refusals(tmp_path, rounds):
    chance = random.Random(5)
    path = write(tmp_path / "rs", structure_set(("GTV", "liver")))
    raw = path.read_bytes()
    outcomes = set()
    for _ in range(rounds):
        path.write_bytes(mutated(raw, chance))
        outcomes |= {type(value) for value in outcome(path).values()}
    assert outcomes == {list, Refused}


def slices(folder):
    """Return a series' datasets in order and its grid in RAS+, straight from the definition."""
    found = [pydicom.dcmread(path) for path in sorted(folder.iterdir()) if path.suffix != ".md"]
    found.sort(key=lambda header: float(header.ImagePositionPatient[2]))
    first, last = found[0], found[-1]
    assert list(first.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    between_rows, between_columns = map(float, first.PixelSpacing)
    positions = np.array([first.ImagePositionPatient, last.ImagePositionPatient], float)
    affine = np.eye(4)
    affine[0, 0], affine[1, 1] = -between_columns, -between_rows
    affine[2, 2] = (positions[1, 2] - positions[0, 2]) / (len(found) - 1)
    affine[:3, 3] = positions[0] * [-1, -1, 1]
    return found, affine, (int(first.Columns), int(first.Rows), len(found))


def by_matplotlib(structure, shape, affine, clearance=1e-4):
    """Return the mask of axial contours that lie on slices, and which centres are near an edge."""
    mask, near = np.zeros(shape, bool), np.zeros(shape, bool)
    for points in structure.contours:
        index = (points - affine[:3, 3]) / np.diag(affine)[:3]
        first, last = np.floor(index[:, :2].min(0)), np.ceil(index[:, :2].max(0)) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        within = (*box, round(index[0, 2]))
        pixels = np.argwhere(np.ones(mask[within].shape, bool)) + first
        outline = Outline(np.concatenate([index[:, :2], index[:1, :2]]))
        mask[within] ^= outline.contains_points(pixels).reshape(mask[within].shape)
        near[within] |= near_edges(index[:, :2], pixels, clearance).reshape(mask[within].shape)
    return mask, near


def near_edges(points, pixels, clearance):
    near = np.zeros(len(pixels), bool)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        low, high = np.minimum(a, b) - clearance, np.maximum(a, b) + clearance
        close = np.flatnonzero(((pixels >= low) & (pixels <= high)).all(axis=1))
        along = b - a
        share = np.clip((pixels[close] - a) @ along / max(along @ along, 1e-30), 0, 1)
        gap = pixels[close] - a - share[:, None] * along
        near[close[np.hypot(*gap.T) < clearance]] = True
    return near


@pytest.mark.parametrize("modality", ["PET", "CT"])
def test_masks_of_sts_002_are_those_of_mirp(reference, modality):
    """Every voxel: Dice 1, so that no difference is left to explain."""
    folder = reference / "dicom" / "STS_002_petct_cropped" / modality
    structure = only(folder / "mask" / "RS.dcm")
    _, affine, shape = slices(folder / "image")
    region = structure_region(structure, shape, affine)
    published = nib.load(reference / "sts" / "STS_002" / f"{modality}_mask.nii.gz")
    np.testing.assert_allclose(affine, published.affine, atol=1e-2)
    expected = np.asarray(published.dataobj) > 0
    assert expected.sum() == {"PET": 555, "CT": 17090}[modality]
    np.testing.assert_array_equal(region.mask, expected)
    independent, near = by_matplotlib(structure, shape, affine)
    np.testing.assert_array_equal(region.mask | near, independent | near)


def test_sts_001_in_suv_within_the_gtv(reference):
    """2.429030e-4 and the three figures of GTV_Mass were computed with MIRP."""
    folder = reference / "dicom" / "STS_001_wholebody_pet"
    found, affine, shape = slices(folder / "image")
    structures = read_rtstruct(folder / "mask" / "1-1.dcm").structures
    mass, edema = (structure_region(structure, shape, affine) for structure in structures)
    assert (mass.name, edema.name) == ("GTV_Mass", "GTV_Edema")
    values = np.concatenate(
        [
            found[k].pixel_array.T[mass.mask[:, :, k]] * float(found[k].RescaleSlope)
            for k in np.flatnonzero(mass.mask.any(axis=(0, 1)))
        ]
    )
    suv = values * 2.429030e-4
    figures = [round(float(figure), 3) for figure in (suv.max(), suv.mean(), suv.min())]
    assert figures == [7.911, 2.555, 0.169]


@pytest.fixture(scope="session")
def reference_objects(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suv_dro")
    with tarfile.open(reference / "suv_dro" / "dro.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_contours_of_the_dro_lie_within_its_mask(reference_objects):
    """The objects' contours are drawn a voxel inside of their masks, and on 16 of 18 slices.

    So the two cannot be equal; the contours' voxels are what matplotlib says, all in the mask, and
    what the mask has besides lies outside of the contours.
    """
    (path,) = (reference_objects / "DRO_0_0" / "RS").iterdir()
    found, affine, shape = slices(reference_objects / "DRO_0_0" / "PT")
    structure = only(path)
    mask = structure_region(structure, shape, affine).mask
    published = nib.load(reference_objects / "DRO_0_0" / "mask" / "DRO_mask.nii.gz")
    np.testing.assert_array_equal(affine, published.affine)
    expected = np.asarray(published.dataobj) > 0
    independent, near = by_matplotlib(structure, shape, affine)
    np.testing.assert_array_equal(mask | near, independent | near)
    assert not (mask & ~expected).any()
    assert not (expected & ~mask & independent & ~near).any()
    values = np.stack([s.pixel_array.T * float(s.RescaleSlope) for s in found], axis=-1)
    for inside in (mask, expected):  # SUV 0.2, 1 and 4 in either, as expected.csv says
        ratios = np.array([values[inside].min(), values[inside].max()]) / np.median(values[inside])
        np.testing.assert_allclose(ratios, [0.2, 4.0], atol=5e-3)


def test_all_dro_share_their_contours(reference_objects):
    folders = sorted(reference_objects.glob("DRO_*"))
    assert len(folders) == 12
    first, *others = (only(next(Path(folder / "RS").iterdir())) for folder in folders)
    for other in others:
        for a, b in zip(first.contours, other.contours, strict=True):
            np.testing.assert_array_equal(a, b)
