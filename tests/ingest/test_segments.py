"""DICOM segmentations against what was planted, pydicom alone, highdicom and SimpleITK."""

import tracemalloc

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from seg_cases import (
    COLUMNS,
    ORIENTATIONS,
    ORIGIN,
    PLANES,
    RAS,
    ROWS,
    SHAPE,
    SPACING,
    as_pixels,
    brute_force,
    by_highdicom,
    edited,
    grid,
    label_pixels,
    on_grid,
    read,
    run_length,
    sources,
    truth,
    write,
)

from petnet.errors import InputError
from petnet.ingest.regions.segments import read_segmentation, segment_regions
from petnet.volume import Volume, write_volume


@pytest.fixture
def binary(tmp_path):
    return write(tmp_path / "seg.dcm", as_pixels(truth()))


# --- the three types, in four orientations, against three readings -----------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_planted_brute_force_highdicom(kind, orientation, tmp_path):
    drawn = truth(overlap=kind != "LABELMAP")
    least, options = 1, {}
    pixels = as_pixels(drawn)
    if kind == "LABELMAP":
        pixels = label_pixels(drawn)
    if kind == "FRACTIONAL":
        shares = np.random.default_rng(1).integers(1, 201, drawn.shape) * drawn
        pixels = np.moveaxis(shares, 0, -1) / 200
        options = {"max_fractional_value": 200, "fractional_type": "PROBABILITY"}
        least = 100
        drawn = shares >= least
    path = write(tmp_path / "seg.dcm", pixels, kind, orientation, **options)
    affine = grid(orientation)
    regions = read(path, affine=affine)
    assert [(r.number, r.name) for r in regions] == [(n, f"lesion {n}") for n in (1, 2, 3)]
    brute = brute_force(path, SHAPE, affine, least)
    if kind != "LABELMAP":  # its volume has another axis of values
        others = by_highdicom(path, SHAPE, affine, least)
    for n, region in enumerate(regions):
        assert region.mask.any()
        np.testing.assert_array_equal(region.mask, on_grid(drawn[n]))
        np.testing.assert_array_equal(region.mask, brute[n + 1])
        if kind != "LABELMAP":
            np.testing.assert_array_equal(region.mask, others[n])
    assert any(region.notes for region in regions) == (kind == "FRACTIONAL")


def test_highdicom_label_map(tmp_path):
    import highdicom as hd

    pixels = label_pixels(truth(overlap=False))
    path = write(tmp_path / "seg.dcm", pixels, "LABELMAP", "oblique")
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    affine = grid("oblique")
    to_index = np.linalg.inv(affine) @ RAS @ volume.affine
    found = np.zeros(SHAPE, int)
    for region in read(path, affine=affine):
        found[region.mask] = region.number
    for s, r, c in np.ndindex(volume.array.shape):
        voxel = tuple(int(i) for i in np.rint(to_index @ [s, r, c, 1.0])[:3])
        assert found[voxel] == volume.array[s, r, c]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_written_nifti_read_by_sitk_at_physical_points(orientation, tmp_path):
    """Every pixel of every frame is asked for, by its place, of the NIfTI that was written."""
    path = write(tmp_path / "seg.dcm", as_pixels(truth()), orientation=orientation)
    affine = grid(orientation)
    region = read(path, affine=affine)[0]
    write_volume(tmp_path / "m.nii.gz", Volume(region.mask, affine, "label", "MASK"), np.uint8)
    image = sitk.ReadImage(tmp_path / "m.nii.gz")
    ds = pydicom.dcmread(path)
    cosines = np.array(ORIENTATIONS[orientation], float)
    shown = 0
    for k, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber != 1:
            continue
        start = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for r, c in np.ndindex(ROWS, COLUMNS):
            point = start + cosines[:3] * c * SPACING[1] + cosines[3:] * r * SPACING[0]
            index = image.TransformPhysicalPointToIndex(point.tolist())
            assert image[index] == ds.pixel_array[k, r, c]
            shown += ds.pixel_array[k, r, c]
    assert shown == sitk.GetArrayFromImage(image).sum() > 0


# --- what a header says ---------------------------------------------------------------------


def test_header(binary):
    found = read_segmentation(binary)
    assert found.frame_of_reference == "1.2.826.6"
    assert found.series_uids == ("1.2.826.8",)
    assert set(found.sop_uids) == {f"1.2.826.9.{k}" for k in range(1, PLANES + 1)}
    segment = found.segments[1]
    assert (segment.number, segment.label) == (2, "lesion 2")
    assert segment.method == "AUTOMATIC: made"
    assert segment.category == "Morphologically Abnormal Structure"
    assert segment.kind == "Neoplasm"
    assert segment.tracking_id == "track lesion 2"
    region = read(binary)[1]
    assert (region.source, region.method, region.reader) == ("SEG", segment.method, "Doe^Jane")


def test_keep_and_equal_labels(tmp_path):
    path = write(tmp_path / "seg.dcm", as_pixels(truth()), names=["GTV", "liver", "gtv"])
    regions = read(path, keep=lambda name: name != "liver")
    assert [(r.number, r.name) for r in regions] == [(1, "GTV"), (3, "gtv (2)")]
    np.testing.assert_array_equal(regions[1].mask, on_grid(truth()[2]))
    assert read(path, keep=lambda name: False) == ()


@pytest.mark.parametrize(
    ("threshold", "maximum", "least"),
    [(0.5, 255, 128), (0.5, 200, 100), (0.07, 100, 7), (0.001, 100, 1), (1.0, 255, 255)],
)
def test_threshold_is_meant_as_it_is_written(threshold, maximum, least, tmp_path):
    """Analytic: every share from 1 to the maximum in a row of its own."""
    values = np.zeros((1, 16, 16), np.uint16)
    values.flat[:maximum] = np.arange(1, maximum + 1)[: values.size]
    path = write(
        tmp_path / "s.dcm",
        values[..., None] / maximum,
        "FRACTIONAL",
        max_fractional_value=maximum,
        fractional_type="OCCUPANCY",
    )
    (region,) = read(path, (16, 16, 1), threshold=threshold)
    np.testing.assert_array_equal(region.mask, on_grid(values >= least))
    assert region.notes == (f"a voxel belongs where its occupancy is {threshold:g} or more",)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01, float("nan")])
def test_threshold_refused(threshold, binary):
    with pytest.raises(InputError, match="threshold"):
        read(binary, threshold=threshold)


# --- frames and grids -----------------------------------------------------------------------


def shuffle(ds):
    frames = ds.pixel_array
    order = np.random.default_rng(3).permutation(len(frames))
    groups = ds.PerFrameFunctionalGroupsSequence
    ds.PerFrameFunctionalGroupsSequence = [groups[k] for k in order]
    ds.PixelData = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    ds.PixelData += b"\0" * (len(ds.PixelData) % 2)


def test_frames_in_any_order(binary):
    edited(binary, shuffle)
    for n, region in enumerate(read(binary)):
        np.testing.assert_array_equal(region.mask, on_grid(truth()[n]))


def test_doubled_frame_is_noted(binary):
    """Two frames of one plane and segment: the second moves to the place of the first."""

    def move(ds):
        groups = ds.PerFrameFunctionalGroupsSequence
        assert groups[0].SegmentIdentificationSequence == groups[1].SegmentIdentificationSequence
        heights = [g.PlanePositionSequence[0].ImagePositionPatient[2] for g in groups[:2]]
        planes.extend(round((float(height) - ORIGIN[2]) / SPACING[2]) for height in heights)
        groups[1].PlanePositionSequence = groups[0].PlanePositionSequence

    planes = []
    edited(binary, move)
    region = read(binary)[0]
    drawn = truth()[0]
    drawn[planes[0]] |= drawn[planes[1]]
    drawn[planes[1]] = False
    np.testing.assert_array_equal(region.mask, on_grid(drawn))
    assert region.notes == ("several frames show the same plane: their union is taken",)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_and_flipped_images(orientation, tmp_path):
    """The same voxels, counted in another order and direction: NumPy's own transpose and flip."""
    path = write(tmp_path / "seg.dcm", as_pixels(truth()), orientation=orientation)
    affine, mask = grid(orientation), on_grid(truth()[1])
    turn = np.eye(4)[:, [2, 0, 1, 3]]  # new axes are the old z, x, y
    turn[0, 1], turn[0, 3] = -1, COLUMNS - 1  # and x runs backwards
    region = read(path, (PLANES, COLUMNS, ROWS), affine @ turn)[1]
    np.testing.assert_array_equal(region.mask, mask.transpose(2, 0, 1)[:, ::-1])
    assert region.notes == ()


def test_part_of_the_image_and_beyond_it(binary):
    """Image that begins 2 voxels later along x and ends 3 earlier along y."""
    affine = grid()
    affine[:3, 3] += affine[:3, 0] * 2
    region = read(binary, (COLUMNS, ROWS - 3, PLANES), affine)[0]
    mask = on_grid(truth()[0])
    expected = np.zeros((COLUMNS, ROWS - 3, PLANES), bool)
    expected[: COLUMNS - 2] = mask[2:, : ROWS - 3]
    np.testing.assert_array_equal(region.mask, expected)
    outside = mask.sum() - expected.sum()
    assert region.notes == (f"{outside} voxels that were drawn lie outside of the image",)


def test_outside_is_empty_and_said(binary):
    affine = grid()
    affine[:3, 3] += affine[:3, 2] * 100
    region = read(binary, affine=affine)[0]
    assert not region.mask.any()
    assert region.notes[-1] == "no voxel of the image belongs to it"


def sitk_nearest(mask, affine, shape, onto):
    """Nearest neighbour by SimpleITK: of a mask on one grid onto another (RAS affines)."""

    def geometry(image, affine):
        lps = RAS @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        return image

    moving = geometry(sitk.GetImageFromArray(mask.transpose(2, 1, 0).astype(np.uint8)), affine)
    fixed = geometry(sitk.Image(*shape, sitk.sitkUInt8), onto)
    return sitk.GetArrayFromImage(
        sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkNearestNeighbor)
    ).transpose(2, 1, 0)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("spacing", [(1.3, 0.9, 2.1), (4.1, 3.7, 5.3), (1.99, 1.51, 3.01)])
def test_other_grids_by_sitk(orientation, kind, spacing, tmp_path):
    drawn = truth(overlap=kind == "BINARY", seed=4)
    pixels = as_pixels(drawn) if kind == "BINARY" else label_pixels(drawn)
    path = write(tmp_path / "seg.dcm", pixels, kind, orientation)
    # "axial" images of every segmentation: parallel for one, turned for the others
    shape = (17, 19, 15)
    onto = grid("axial", spacing)
    middle = grid(orientation) @ [COLUMNS / 2 + 0.137, ROWS / 2 + 0.211, PLANES / 2 + 0.173, 1]
    onto[:3, 3] = (middle - onto @ [8, 9, 7, 0])[:3]
    regions = read(path, shape, onto)
    for n, region in enumerate(regions):
        expected = sitk_nearest(on_grid(drawn[n]), grid(orientation), shape, onto)
        assert expected.any()
        # SimpleITK takes what lies just outside of the outermost pixels' centres; so does this
        np.testing.assert_array_equal(region.mask, expected > 0)
        assert "nearest neighbour" in region.notes[0]


def test_sheared_planes_brute_force(binary):
    """A tilted gantry: every plane begins somewhere else; each voxel is looked up one by one."""
    shear = np.array([0.7, -0.9, 0.0])  # mm from plane to plane

    def tilt(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            item = group.PlanePositionSequence[0]
            place = np.array(item.ImagePositionPatient, float)
            k = round((place[2] - ORIGIN[2]) / SPACING[2])
            item.ImagePositionPatient = (place + k * shear).round(6).tolist()

    edited(binary, tilt)
    onto = grid()
    onto[:3, 3] += (0.31, 0.17, 0.29)
    expected = np.zeros((3, *SHAPE), bool)
    for index in np.ndindex(SHAPE):
        x, y, z = (RAS @ onto @ [*index, 1])[:3] - ORIGIN
        k = round(z / SPACING[2])
        column = round((x - k * shear[0]) / SPACING[1])
        row = round((y - k * shear[1]) / SPACING[0])
        if 0 <= k < PLANES and 0 <= column < COLUMNS and 0 <= row < ROWS:
            expected[:, *index] = truth()[:, k, row, column]
    for n, region in enumerate(read(binary, SHAPE, onto)):
        np.testing.assert_array_equal(region.mask, expected[n])


def test_image_of_half_as_thick_slices(binary):
    """Analytic: planes coincide with every second slice, and what lies between must not be empty.

    A slice halfway between two planes belongs to the later one: of borders the lower belongs.
    """
    affine = grid()
    affine[:3, 2] /= 2
    region = read(binary, (COLUMNS, ROWS, 2 * PLANES), affine)[0]
    mask = on_grid(truth()[0])
    expected = np.zeros((COLUMNS, ROWS, 2 * PLANES), bool)
    expected[:, :, 0::2] = mask
    expected[:, :, 1:-1:2] = mask[:, :, 1:]
    np.testing.assert_array_equal(region.mask, expected)


def test_image_of_twice_as_thick_slices(binary):
    """Analytic: each slice of the image coincides with every second plane."""
    affine = grid()
    affine[:3, 2] *= 2
    region = read(binary, (COLUMNS, ROWS, PLANES // 2), affine)[0]
    np.testing.assert_array_equal(region.mask, on_grid(truth()[0])[:, :, ::2])
    assert "nearest neighbour" in region.notes[0]


def test_every_second_plane_left_out(tmp_path):
    """Slices that show nothing are no frames: they stay empty, here and on other grids."""
    drawn = truth(1, seed=7)
    drawn[0, :] = np.random.default_rng(7).random((PLANES, ROWS, COLUMNS)) < 0.5
    drawn[0, 1::2] = False
    path = write(tmp_path / "s.dcm", as_pixels(drawn), omit_empty_frames=True)
    assert len(read_segmentation(path).frames) == PLANES // 2
    (region,) = read(path)
    np.testing.assert_array_equal(region.mask, on_grid(drawn[0]))
    onto = grid(spacing=(1.1, 1.1, 1.1), origin=(-31.4, 12.3, 39.3))
    (region,) = read(path, (14, 15, 16), onto)
    expected = sitk_nearest(on_grid(drawn[0]), grid(), (14, 15, 16), onto)
    np.testing.assert_array_equal(region.mask, expected > 0)


def test_gaps_are_known_without_spacing_between_slices(binary):
    """Old writers state SliceThickness alone, and that of thick overlapping slices."""

    def thick(ds):
        measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        del measures.SpacingBetweenSlices
        measures.SliceThickness = 5.0

    edited(binary, thick)
    regions = read(binary)
    np.testing.assert_array_equal(regions[0].mask, on_grid(truth()[0]))
    assert regions[0].notes == ()


# --- transfer syntaxes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_uncompressed(syntax, kind, tmp_path):
    drawn = truth(overlap=False)
    pixels = as_pixels(drawn) if kind == "BINARY" else label_pixels(drawn)
    path = write(tmp_path / "seg.dcm", pixels, kind)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    for n, region in enumerate(read(path)):
        np.testing.assert_array_equal(region.mask, on_grid(drawn[n]))


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_rle(kind, tmp_path):
    drawn = truth(overlap=False)
    pixels = as_pixels(drawn) / 1.0 if kind == "FRACTIONAL" else label_pixels(drawn)
    path = edited(write(tmp_path / "seg.dcm", pixels, kind), run_length)
    for n, region in enumerate(read(path)):
        np.testing.assert_array_equal(region.mask, on_grid(drawn[n]))


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_jpeg_2000(kind, tmp_path):
    """Frames encoded by Pillow; of BINARY ones a byte each, as single bits are decoded."""
    import io

    from PIL import Image
    from pydicom.encaps import encapsulate

    drawn = truth(overlap=False, rows=40, columns=36)
    pixels = as_pixels(drawn) if kind == "BINARY" else label_pixels(drawn)
    path = write(tmp_path / "seg.dcm", pixels, kind)

    def compress(ds):
        streams = []
        for frame in ds.pixel_array:
            stream = io.BytesIO()
            Image.fromarray(frame).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
            streams.append(stream.getvalue())
        ds.PixelData = encapsulate(streams)
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless

    edited(path, compress)
    for n, region in enumerate(read(path, (36, 40, PLANES))):
        np.testing.assert_array_equal(region.mask, on_grid(drawn[n]))


def test_sources_are_what_the_grid_says():
    """The helper's own grid, against the positions that it writes."""
    for orientation in ORIENTATIONS:
        for k, ds in enumerate(sources(orientation)):
            place = RAS @ [*map(float, ds.ImagePositionPatient), 1]
            np.testing.assert_allclose(grid(orientation) @ [0, 0, k, 1], place, atol=1e-6)


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.3], ids=["same grid", "another grid"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_many_segments_are_held_in_their_boxes(kind, shift, tmp_path):
    """The masks of thirty segments on a large image are never there at the same time."""
    drawn = np.zeros((30, PLANES, ROWS, COLUMNS), dtype=bool)
    for n in range(30):
        drawn[n, n % PLANES, n // PLANES] = True
    pixels = as_pixels(drawn) if kind == "BINARY" else label_pixels(drawn)
    found = read_segmentation(write(tmp_path / "seg.dcm", pixels, kind))
    affine = grid()
    affine[:3, 3] += affine[:3, 0] * shift
    shape = (240, 200, 90)
    tracemalloc.start()
    try:
        regions = segment_regions(found, shape, affine)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * np.prod(shape)
    for n, region in enumerate(regions):
        mask = np.zeros(shape, dtype=bool)
        mask[:COLUMNS, n // PLANES, n % PLANES] = True
        np.testing.assert_array_equal(region.mask, mask)
