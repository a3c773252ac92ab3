"""NIfTI and NRRD masks against SimpleITK, which writes them, and against headers typed by hand."""

import bz2
import gzip
import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk
from seg_cases import ORIENTATIONS, RAS, grid

from petnet.ingest.refusal import Refused
from petnet.ingest.regions.label_names import names_beside
from petnet.ingest.regions.mask_files import mask_regions
from petnet.volume import Volume, write_volume

SHAPE = (7, 5, 6)


def labels(values=(1, 2, 5), seed=0, shape=SHAPE):
    generator = np.random.default_rng(seed)
    return generator.choice(
        [0, *values], shape, p=[0.4] + [0.6 / len(values)] * len(values)
    ).astype(np.uint8)


def sitk_image(array, affine):
    """A SimpleITK image of an array (x, y, z) with a RAS affine."""
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    lps = RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


def check(regions, image, affine, shape=SHAPE):
    """Every voxel of the image's grid: is in a region where SimpleITK has that label there."""
    for index in np.ndindex(shape):
        point = (RAS @ affine @ [*index, 1.0])[:3]
        there = image.TransformPhysicalPointToIndex(point.tolist())
        inside = all(0 <= n < size for n, size in zip(there, image.GetSize(), strict=True))
        label = image[there] if inside else 0
        assert [r.number for r in regions if r.mask[index]] == ([label] if label else [])


# --- files that SimpleITK writes -----------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", [".nrrd", "-raw.nrrd", ".nhdr", ".nii.gz", ".nii"])
def test_sitk_writes_and_reads(ending, orientation, tmp_path):
    affine = grid(orientation)
    path = tmp_path / f"mask{ending}"
    sitk.WriteImage(sitk_image(labels(), affine), path, useCompression="raw" not in ending)
    regions = mask_regions(path, SHAPE, affine)
    stem = path.name.removesuffix(ending.removeprefix("-raw"))
    assert [(r.number, r.name) for r in regions] == [(n, f"{stem} {n}") for n in (1, 2, 5)]
    assert {r.source for r in regions} == {"NIfTI" if ".nii" in ending else "NRRD"}
    assert all(r.notes == () for r in regions)
    check(regions, sitk.ReadImage(path), affine)


@pytest.mark.parametrize("code", ["RAS", "LPI", "PIR", "ASL", "IRA", "SPL"])
@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_every_order_and_direction_of_axes(ending, code, tmp_path):
    """The same mask, written by SimpleITK with its axes in another order and direction."""
    affine = grid("axial")
    image = sitk.DICOMOrient(sitk_image(labels(), affine), code)
    path = tmp_path / f"mask{ending}"
    sitk.WriteImage(image, path)
    regions = mask_regions(path, SHAPE, affine)
    found = sum(region.number * region.mask.astype(np.uint8) for region in regions)
    np.testing.assert_array_equal(found, labels())
    check(regions, sitk.ReadImage(path), affine)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_types(kind, tmp_path):
    for ending in (".nrrd", ".nii.gz"):
        path = tmp_path / f"mask{ending}"
        sitk.WriteImage(sitk_image(labels((3, 200)).astype(kind), grid()), path)
        regions = mask_regions(path, SHAPE, grid())
        found = sum(region.number * region.mask.astype(np.uint8) for region in regions)
        np.testing.assert_array_equal(found, labels((3, 200)))


def test_cropped_mask_is_placed_and_noted(tmp_path):
    """3D Slicer can save the part of the grid that holds the segments."""
    affine = grid("oblique")
    whole = np.zeros(SHAPE, np.uint8)
    whole[2:5, 1:4, 3:5] = labels(shape=(3, 3, 2))
    image = sitk_image(whole, affine)[2:5, 1:4, 3:5]
    path = tmp_path / "mask.nrrd"
    sitk.WriteImage(image, path)
    regions = mask_regions(path, SHAPE, affine)
    found = sum(region.number * region.mask.astype(np.uint8) for region in regions)
    np.testing.assert_array_equal(found, whole)
    assert regions[0].notes == ("it is part of the image's grid, not the whole",)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_other_grid_is_refused_with_both(ending, tmp_path):
    affine = grid()
    path = tmp_path / f"mask{ending}"
    sitk.WriteImage(sitk_image(labels(), affine), path)
    shifted, coarser, beyond = affine.copy(), affine.copy(), affine.copy()
    shifted[0, 3] += 0.05  # of a tolerance of 0.01 mm
    coarser[:3, 2] *= 1.01
    beyond[:3, 3] += affine[:3, 0] * 2  # whole voxels, but labels lie outside
    for other in (shifted, coarser, beyond):
        with pytest.raises(Refused) as refused:
            mask_regions(path, SHAPE, other)
        assert refused.value.tag == "grid"
        assert refused.value.expected.startswith("shape (7, 5, 6), spacing (1.5, 2.0, 3.0")
        assert refused.value.found.startswith("shape (7, 5, 6), spacing (1.5, 2.0, 3.0) mm")
    near = affine.copy()
    near[0, 3] += 0.005
    assert len(mask_regions(path, SHAPE, near)) == 3


def test_nifti_without_orientation(tmp_path):
    import nibabel as nib

    image = nib.Nifti1Image(labels(), None)
    image.header.set_zooms((1.5, 2, 3))
    nib.save(image, tmp_path / "m.nii")
    with pytest.raises(Refused, match="neither a qform nor a sform"):
        mask_regions(tmp_path / "m.nii", SHAPE, grid())


# --- names ------------------------------------------------------------------------------------


def saved(tmp_path, values=(1, 2, 5), name="P7_seg.nii.gz"):
    write_volume(tmp_path / name, Volume(labels(values), grid(), "label", "MASK"), np.uint8)
    return tmp_path / name


@pytest.mark.parametrize("values", [(1,), (255,)])
def test_a_single_label_takes_the_name_of_the_file(values, tmp_path):
    (region,) = mask_regions(saved(tmp_path, values), SHAPE, grid())
    assert (region.name, region.number) == ("P7_seg", values[0])


SNAP = """################################################
# ITK-SnAP Label Description File
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "GTV 1"
    2     0  255    0        0.5  1  1    "liver, left"
    5     0    0  255        1  1  1    "node 4R"
"""
TABLES = {
    "itk-snap": (".txt", SNAP),
    "numbers first": (".json", '{"1": "GTV 1", "2": "liver, left", "5": "node 4R"}'),
    "names first": (".json", '{"GTV 1": 1, "liver, left": 2, "node 4R": 5}'),
    "nnu-net": (
        ".json",
        json.dumps({"labels": {"background": 0, "GTV 1": 1, "liver, left": 2, "node 4R": 5}}),
    ),
    "csv": (".csv", 'label,name\n1,GTV 1\n2,"liver, left"\n5,node 4R\n'),
    "csv of others": (
        ".csv",
        "\ufeffstructure;colour;Value\nGTV 1;r;1\nliver, left;g;2\nnode 4R;b;5\n",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_names_beside(case, tmp_path):
    ending, text = TABLES[case]
    path = saved(tmp_path)
    (tmp_path / f"P7_seg{ending}").write_text(text, "utf-8")
    regions = mask_regions(path, SHAPE, grid())
    assert [r.name for r in regions] == ["GTV 1", "liver, left", "node 4R"]
    assert regions[0].notes == ()
    kept = mask_regions(path, SHAPE, grid(), keep=lambda name: "liver" not in name)
    assert [r.number for r in kept] == [1, 5]
    np.testing.assert_array_equal(kept[1].mask, labels() == 5)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".json", '{"Modality": "PT", "EchoTime": 2, "ImageType": ["A", "B"]}'),  # of dcm2niix
        (".json", "{"),
        (".json", "[" * 100_000),
        (".json", '{"1": ""}'),
        (".txt", "drawn by hand on Monday"),
        (".csv", "patient,age\nA,3\n"),
        (".csv", "label,name\none,GTV\n"),
        (".csv", ""),
    ],
)
def test_what_holds_no_names_is_noted(ending, text, tmp_path):
    path = saved(tmp_path)
    (tmp_path / f"P7_seg{ending}").write_text(text, "utf-8")
    regions = mask_regions(path, SHAPE, grid())
    assert [r.name for r in regions] == ["P7_seg 1", "P7_seg 2", "P7_seg 5"]
    assert regions[0].notes == (f"the {ending} file of its name holds no names of labels",)


def test_labels_without_a_name_keep_their_number(tmp_path):
    path = saved(tmp_path)
    (tmp_path / "P7_seg.json").write_text('{"2": "GTV"}')
    assert [r.name for r in mask_regions(path, SHAPE, grid())] == ["P7_seg 1", "GTV", "P7_seg 5"]


def test_names_beside_nothing(tmp_path):
    assert names_beside(tmp_path / "m.seg.nrrd") == ({}, ())


# --- 3D Slicer --------------------------------------------------------------------------------

SLICER = """NRRD0004
# Complete NRRD file format specification at:
# http://teem.sourceforge.net/nrrd/format.html
type: unsigned char
dimension: 4
space: left-posterior-superior
sizes: 2 7 5 6
space directions: none (1.5,0,0) (0,2,0) (0,0,3)
kinds: list domain domain domain
encoding: gzip
space origin: (-31.5,12.25,40)
Segment0_Color:=0.5 0.68 0.5
Segment0_Extent:=0 6 0 4 0 5
Segment0_ID:=Segment_1
Segment0_LabelValue:=1
Segment0_Layer:=0
Segment0_Name:=Läsion 1
Segment0_Tags:=Segmentation.Status:inprogress|TerminologyEntry:x~SCT^85756007^Tissue~~^^~|
Segment1_ID:=Segment_2
Segment1_LabelValue:=4
Segment1_Layer:=1
Segment1_Name:=liver
Segment2_ID:=Segment_3
Segment2_LabelValue:=2
Segment2_Layer:=0
Segment2_Name:=empty
Segmentation_ContainedRepresentationNames:=Binary labelmap|Closed surface|
Segmentation_ReferenceImageExtentOffset:=0 0 0

"""


def slicer(tmp_path, header=SLICER, layers=None, packed=gzip.compress, name="case.seg.nrrd"):
    if layers is None:
        layers = np.stack([labels((1,), 1), labels((4,), 2)])
    content = header.encode() + packed(layers.tobytes(order="F"))
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_slicer_layers(tmp_path):
    path = slicer(tmp_path)
    regions = mask_regions(path, SHAPE, grid())
    assert [(r.number, r.name) for r in regions] == [(1, "Läsion 1"), (2, "liver"), (3, "empty")]
    np.testing.assert_array_equal(regions[0].mask, labels((1,), 1) == 1)
    np.testing.assert_array_equal(regions[1].mask, labels((4,), 2) == 4)
    assert (regions[0].mask & regions[1].mask).any()  # they overlap
    assert not regions[2].mask.any()
    assert regions[2].notes == ("no voxel of the image belongs to it",)
    # SimpleITK reads the layers as a vector of each voxel
    image = sitk.ReadImage(path)
    for index in np.ndindex(SHAPE):
        assert image[index] == (int(regions[0].mask[index]), 4 * int(regions[1].mask[index]))


def test_slicer_before_4_11(tmp_path):
    """A layer for each segment; neither LabelValue nor Layer."""
    header = "\n".join(
        line for line in SLICER.splitlines() if "Segment2" not in line and "Label" not in line
        and "Layer" not in line
    ) + "\n"  # fmt: skip
    layers = np.stack([labels((1,), 1), labels((1,), 2)])
    regions = mask_regions(slicer(tmp_path, header, layers), SHAPE, grid())
    for k, region in enumerate(regions):
        np.testing.assert_array_equal(region.mask, layers[k] == 1)
    assert [r.name for r in regions] == ["Läsion 1", "liver"]


@pytest.mark.parametrize(
    ("encoding", "packed"), [("raw", bytes), ("bz2", bz2.compress), ("bzip2", bz2.compress)]
)
def test_encodings(encoding, packed, tmp_path):
    path = slicer(tmp_path, SLICER.replace("gzip", encoding), packed=packed)
    np.testing.assert_array_equal(mask_regions(path, SHAPE, grid())[0].mask, labels((1,), 1) == 1)


PLAIN = """NRRD0005
type: uint8
dimension: 3
space: {space}
sizes: 7 5 6
space directions: {directions}
space origin: {origin}
encoding: raw

"""


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LAS", (-1, 1, 1)),
    ],
)
@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_spaces(space, signs, orientation, tmp_path):
    """Analytic: axes of a space point right or left, front or back; the file is in its terms."""
    affine = grid(orientation)
    own = np.diag([*signs, 1.0]) @ affine
    rows = [f"({','.join(f'{x:.12g}' for x in column)})" for column in own[:3].T]
    header = PLAIN.format(space=space, directions=" ".join(rows[:3]), origin=rows[3])
    path = tmp_path / "m.nrrd"
    path.write_bytes(header.encode() + labels((1,)).tobytes(order="F"))
    (region,) = mask_regions(path, SHAPE, affine)
    np.testing.assert_array_equal(region.mask, labels((1,)) == 1)


def test_detached_data_must_lie_beside(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    path = folder / "m.nhdr"
    sitk.WriteImage(sitk_image(labels(), grid()), path)
    text = path.read_text()
    assert "data file: m.raw" in text
    (folder / "m.raw").rename(tmp_path / "m.raw")
    (folder / "link.raw").symlink_to(tmp_path / "m.raw")
    for name in (
        "../m.raw", str(tmp_path / "m.raw"), "link.raw", "LIST", "m%03d.raw 1 6 1", "gone.raw",
    ):  # fmt: skip
        path.write_text(text.replace("m.raw", name))
        with pytest.raises(Refused) as refused:
            mask_regions(path, SHAPE, grid())
        assert str(tmp_path) not in str(refused.value)
        if name != "gone.raw":
            assert refused.value.tag == "data file"


REFUSED = {
    "space": ("space: left-posterior-superior\n", ""),
    "space ": ("left-posterior-superior", "scanner-xyz"),
    "space origin": ("space origin: (-31.5,12.25,40)\n", ""),
    "space directions": ("none (1.5,0,0)", "none none"),
    "space directions ": ("(1.5,0,0)", "(0,2,0)"),
    "space directions  ": ("(1.5,0,0) (0,2,0) (0,0,3)", "(1.5,0) (0,2) (0,3)"),
    "space units": ("kinds:", 'space units: "m" "m" "m"\nkinds:'),
    "encoding": ("gzip", "hex"),
    "sizes": ("2 7 5 6", "2 7 0 6"),
    "sizes ": ("2 7 5 6", "200000 70000 50000 60000"),
    "file": ("2 7 5 6", "2 7 5 7"),
    "file ": ("type: unsigned char", "type: block"),
    "file  ": ("dimension: 4", "dimension: 3"),
    "file   ": ("NRRD0004", "NRRD0009"),
    "file    ": ("encoding: gzip", "encoding gzip"),
    "line skip": ("encoding:", "line skip: 999999999999\nencoding:"),
    "Segment_Layer": ("Segment1_Layer:=1", "Segment1_Layer:=7"),
    "Segment_LabelValue": ("Segment1_LabelValue:=4", "Segment1_LabelValue:=0"),
    "Segment_LabelValue ": ("Segment1_LabelValue:=4", "Segment1_LabelValue:=four"),
    "labels": ("Segment1_LabelValue:=4", "Segment1_LabelValue:=3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_malformed_nrrd_is_refused_by_name(case, tmp_path):
    old, new = REFUSED[case]
    assert old in SLICER
    with pytest.raises(Refused) as refused:
        mask_regions(slicer(tmp_path, SLICER.replace(old, new, 1)), SHAPE, grid())
    assert refused.value.tag == case.strip()
    assert str(tmp_path) not in str(refused.value)


def test_colours_and_series_are_no_masks(tmp_path):
    header = "\n".join(line for line in SLICER.splitlines() if "Segment" not in line) + "\n"
    with pytest.raises(Refused, match="segments in layers"):
        mask_regions(slicer(tmp_path, header), SHAPE, grid())


def test_values_that_are_no_labels(tmp_path):
    wrong = {
        "mask": labels().astype(np.float32) + 0.4,
        "labels": labels().astype(np.int16) - 3,
    }
    empty, image = np.zeros(SHAPE, np.uint8), np.arange(2000, dtype=np.int16).reshape(20, 10, 10)
    for ending, (tag, array) in itertools.product(
        (".nii.gz", ".nrrd"),
        [*wrong.items(), ("labels", empty), ("labels", image), ("mask", wrong["mask"] * np.nan)],
    ):
        path = tmp_path / f"m{ending}"
        sitk.WriteImage(sitk_image(array, grid()), path)
        with pytest.raises(Refused) as refused:
            mask_regions(path, array.shape, grid())
        assert refused.value.tag == tag
        assert str(tmp_path) not in str(refused.value)


def test_other_files(tmp_path):
    (tmp_path / "m.png").write_bytes(b"x")
    with pytest.raises(Refused, match="another kind"):
        mask_regions(tmp_path / "m.png", SHAPE, grid())


@pytest.mark.parametrize("name", ["m.nii", "m.nii.gz", "m.nrrd", "m.seg.nrrd"])
def test_mutated_files_are_read_or_refused(name, tmp_path):
    path = tmp_path / name
    if name == "m.seg.nrrd":
        slicer(tmp_path, name=name)
    else:
        sitk.WriteImage(sitk_image(labels(), grid()), path)
    data, messages = path.read_bytes(), []
    generator = np.random.default_rng(2)
    for case in range(150):
        at = int(generator.integers(len(data) if case % 2 else min(len(data), 900)))
        some = generator.bytes(int(generator.integers(1, 5)))
        cut = [0, len(some), len(data)][int(generator.integers(3))]
        path.write_bytes(data[:at] + some * (cut < len(data)) + data[at + cut :])
        try:
            mask_regions(path, SHAPE, grid())
        except Refused as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert str(tmp_path) not in " ".join(messages)
