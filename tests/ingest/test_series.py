"""Slices of a series put in order: against SimpleITK, and against what was written."""

import numpy as np
import pytest
import SimpleITK as sitk
from written_series import ORIENTATIONS, datasets, ramp, save, vectors, write

from petnet.ingest.dicom.images import load_ct
from petnet.ingest.dicom.series import read_series
from petnet.ingest.refusal import Refused


def sitk_volume(folder):
    """Return array (x, y, z) and RAS affine as SimpleITK reads the folder."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def refusal(files, **options):
    with pytest.raises(Refused) as caught:
        read_series(files, **options)
    return caught.value


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("order", ["as_is", "reversed", "shuffled"])
def test_voxels_and_affine_are_those_of_simpleitk(tmp_path, orientation, order):
    stored = ramp(slices=6)
    series = datasets(stored, orientation)
    names = [f"{k}.dcm" for k in range(6)]
    if order == "reversed":
        names = names[::-1]
    if order == "shuffled":
        names = [names[k] for k in (3, 0, 5, 1, 4, 2)]
    made = read_series(write(tmp_path, series, names))
    volume = load_ct(made)
    array, affine = sitk_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-8)
    np.testing.assert_array_equal(volume.array, stored.transpose(2, 1, 0) - 24)
    assert made.shape == array.shape == (7, 5, 6)
    assert made.notes == ()


def test_the_normal_decides_not_the_direction_in_which_slices_were_taken(tmp_path):
    stored = ramp()
    down = datasets(stored, spacing=(1.5, 2.0, -3.0))
    made = read_series(write(tmp_path, down))
    array, affine = sitk_volume(tmp_path)
    np.testing.assert_array_equal(load_ct(made).array, array)
    np.testing.assert_allclose(made.affine, affine, atol=1e-8)
    np.testing.assert_array_equal(load_ct(made).array, stored.transpose(2, 1, 0)[:, :, ::-1] - 24)


@pytest.mark.parametrize(
    ("folder", "shape"),
    [
        ("STS_001_wholebody_pet/image", (128, 128, 267)),
        ("STS_002_petct_cropped/CT/image", (161, 143, 48)),
        ("STS_002_petct_cropped/PET/image", (30, 27, 48)),
    ],
)
def test_real_series_lie_where_simpleitk_puts_them(reference, folder, shape):
    from petnet.ingest.dicom.scan import scan_tree

    made = read_series(scan_tree(reference / "dicom" / folder).files)
    array, affine = sitk_volume(reference / "dicom" / folder)
    assert made.shape == array.shape == shape
    assert made.notes == ()
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in shape])).reshape(3, -1)
    apart = (made.affine - affine)[:3] @ np.vstack([corners, np.ones(8)])
    assert np.abs(apart).max() < 0.005  # positions are rounded to 0.01 mm and less


def test_missing_slices_are_refused_with_the_places_of_the_gaps(tmp_path):
    series = datasets(ramp(slices=9), origin=(0, 0, -100.0))
    error = refusal(write(tmp_path, [series[k] for k in (0, 1, 3, 4, 7, 8)]))
    assert error.tag == "slices"
    assert "3 missing" in error.reason
    assert "-97.00 and -91.00, -88.00 and -79.00 mm" in error.reason


def test_every_second_slice_missing_on_one_side_is_seen(tmp_path):
    series = datasets(ramp(slices=8))
    error = refusal(write(tmp_path, [series[k] for k in (0, 1, 2, 4, 6)]))
    assert "2 missing" in error.reason


@pytest.mark.parametrize(("moved_mm", "is_refused"), [(0.05, False), (0.07, True), (0.8, True)])
def test_uneven_distances_beyond_two_percent_are_refused(tmp_path, moved_mm, is_refused):
    series = datasets(ramp(slices=5), origin=(0, 0, 0))
    series[2].ImagePositionPatient[2] += moved_mm  # of 3 mm
    files = write(tmp_path, series)
    if not is_refused:
        assert read_series(files).affine[2, 2] == 3.0
        return
    error = refusal(files)
    assert error.tag == "slices"
    assert "even distances" in error.reason
    if moved_mm > 0.5:
        assert f"3.00 and {6 + moved_mm:.2f}, {6 + moved_mm:.2f} and 9.00" in error.reason


def test_positions_rounded_to_a_hundredth_are_even(tmp_path):
    series = datasets(ramp(slices=40), spacing=(1.0, 1.0, 0.5713))
    for ds in series:
        ds.ImagePositionPatient[2] = round(float(ds.ImagePositionPatient[2]), 2)
    made = read_series(write(tmp_path, series))
    assert made.affine[2, 2] == pytest.approx(0.5713, abs=3e-4)


def test_copies_are_left_out_and_noted(tmp_path):
    stored = ramp()
    series = datasets(stored)
    write(tmp_path / "a", series)
    again = datasets(stored)
    again[1].SOPInstanceUID = "1.9.9"
    files = write(tmp_path / "b", again[1:3])
    from petnet.ingest.dicom.scan import scan_tree

    files = scan_tree(tmp_path).files
    assert len(files) == 6
    made = read_series(files)
    assert made.notes == ("2 duplicate slices left out",)
    np.testing.assert_array_equal(load_ct(made).array, stored.transpose(2, 1, 0) - 24)
    assert [one.path.parent.name for one in made.slices] == ["a"] * 4


@pytest.mark.parametrize(
    ("keyword", "values", "tag"),
    [
        (None, None, "slices"),
        ("SeriesType", (["DYNAMIC", "IMAGE"], ["DYNAMIC", "IMAGE"]), "SeriesType (0054,1000)"),
        ("SeriesType", (["GATED", "IMAGE"], ["GATED", "IMAGE"]), "SeriesType (0054,1000)"),
        ("AcquisitionTime", ("101010", "111111"), "AcquisitionTime (0008,0032)"),
        ("ConvolutionKernel", ("B30f", "B70f"), "ConvolutionKernel (0018,1210)"),
    ],
)
def test_other_pixels_at_one_position_are_refused(tmp_path, keyword, values, tag):
    series = datasets(ramp()) + datasets(ramp(seed=4))
    for k, ds in enumerate(series):
        ds.SOPInstanceUID = f"1.5.{k}"
        if keyword:
            setattr(ds, keyword, values[k // 4])
    error = refusal(write(tmp_path, series))
    assert error.tag == tag
    assert "2 slices at one position" in error.reason


def test_equal_pixels_with_another_slope_are_no_copies(tmp_path):
    series = datasets(ramp())
    extra = datasets(ramp())[2]
    extra.RescaleSlope, extra.SOPInstanceUID = 2, "1.5.9"
    assert refusal(write(tmp_path, [*series, extra])).tag == "slices"


def test_equal_pixels_beside_one_another_are_no_copies(tmp_path):
    series = datasets(ramp())
    extra = datasets(ramp())[2]
    extra.ImagePositionPatient[0] += 50
    assert refusal(write(tmp_path, [*series, extra])).tag == "slices"


def test_a_single_slice_is_refused(tmp_path):
    assert refusal(write(tmp_path, datasets(ramp(slices=1)))).tag == "slices"
    assert refusal(()).tag == "slices"


def test_localizers_are_refused(tmp_path):
    series = datasets(ramp())
    other = datasets(ramp(), ORIENTATIONS["sagittal"])
    error = refusal(write(tmp_path / "turned", [*series, other[0]]))
    assert (error.tag, "localizer" in error.reason) == (
        "ImageOrientationPatient (0020,0037)", True)  # fmt: skip
    for ds in series:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    error = refusal(write(tmp_path / "named", series))
    assert (error.tag, "localizer" in error.reason) == ("ImageType (0008,0008)", True)


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("ImagePositionPatient", None, "ImagePositionPatient (0020,0032)"),
        ("ImagePositionPatient", [1, 2], "ImagePositionPatient (0020,0032)"),
        ("ImagePositionPatient", [1, 2, "1e30"], "ImagePositionPatient (0020,0032)"),
        ("ImageOrientationPatient", None, "ImageOrientationPatient (0020,0037)"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "ImageOrientationPatient (0020,0037)"),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0], "ImageOrientationPatient (0020,0037)"),
        ("ImageOrientationPatient", [2, 0, 0, 0, 1, 0], "ImageOrientationPatient (0020,0037)"),
        ("PixelSpacing", None, "PixelSpacing (0028,0030)"),
        ("PixelSpacing", [0, 1], "PixelSpacing (0028,0030)"),
        ("PixelSpacing", [-1, 1], "PixelSpacing (0028,0030)"),
        ("PixelSpacing", [1.5, 1.5], "PixelSpacing (0028,0030)"),
        ("Rows", None, "Rows (0028,0010)"),
        ("Rows", 0, "Rows (0028,0010)"),
        ("Rows", 35, "Rows (0028,0010)"),
        ("Columns", None, "Columns (0028,0011)"),
        ("PixelData", None, "PixelData (7FE0,0010)"),
        ("NumberOfFrames", 3, "NumberOfFrames (0028,0008)"),
        ("FrameOfReferenceUID", "1.7", "FrameOfReferenceUID (0020,0052)"),
        ("Modality", "PT", "Modality (0008,0060)"),
    ],
)
def test_one_slice_at_fault_names_its_attribute(tmp_path, keyword, value, tag):
    series = datasets(ramp())
    if value is None:
        delattr(series[2], keyword)
    else:
        setattr(series[2], keyword, value)
    assert refusal(write(tmp_path, series)).tag == tag


@pytest.mark.parametrize(
    "raw", [b"a\\b\\c ", b"nan\\0\\0", b"1\\2\\inf", b"\\\\", b" ", b"1,5\\2\\3 "]
)
def test_a_malformed_position_is_named(tmp_path, raw):
    series = datasets(ramp())
    path = write(tmp_path, series)[2].path
    before = path.read_bytes()
    at = before.index(b"\x20\x00\x32\x00DS")
    length = int.from_bytes(before[at + 6 : at + 8], "little")
    value = raw.ljust(length, b" ")[:length] if len(raw) < length else raw[:length]
    path.write_bytes(before[: at + 8] + value + before[at + 8 + length :])
    from petnet.ingest.dicom.scan import scan_tree

    assert refusal(scan_tree(tmp_path).files).tag == "ImagePositionPatient (0020,0032)"


def test_fewer_slices_than_stated_are_noted(tmp_path):
    made = read_series(write(tmp_path, datasets(ramp(), NumberOfSlices=9)))
    assert made.notes == ("NumberOfSlices (0054,0081) says 9, but there are 4 slices",)


def test_another_spacing_than_stated_is_noted(tmp_path):
    made = read_series(write(tmp_path, datasets(ramp(), SpacingBetweenSlices=1.5)))
    assert made.notes == (
        "SpacingBetweenSlices (0018,0088) says 1.5 mm, but slices are 3 mm apart",
    )


def test_a_tilt_that_positions_do_not_show_is_noted(tmp_path):
    made = read_series(write(tmp_path, datasets(ramp(), GantryDetectorTilt=12)))
    note = "GantryDetectorTilt (0018,1120) is not 0, but slices lie one above the other"
    assert made.notes == (note,)


@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_a_sheared_stack_is_refused(tmp_path, modality):
    series = datasets(ramp(), shear=(0.0, 0.8), modality=modality, GantryDetectorTilt=14.93)
    files = write(tmp_path / "written", series)
    assert refusal(files).tag == "GantryDetectorTilt (0018,1120)"
    assert "14.93 degrees" in refusal(files).reason  # atan(0.8 / 3)
    if modality == "PT":
        assert refusal(files, tilt="correct").tag == "GantryDetectorTilt (0018,1120)"
    silent = write(tmp_path / "silent", datasets(ramp(), shear=(0.8, 0.0), modality=modality))
    assert refusal(silent).tag == "ImagePositionPatient (0020,0032)"


@pytest.mark.parametrize("name", ["axial", "coronal", "oblique"])
@pytest.mark.parametrize("shear", [(0.0, 0.8), (-1.1, 0.0), (0.37, -0.9)])
def test_a_corrected_tilt_gives_back_a_linear_field(tmp_path, name, shear):
    """Linear interpolation is exact for value = a + b·position, wherever slices lie."""
    gradient, offset = np.array([3.0, -2.0, 1.5]), 70.0
    spacing, origin = (1.5, 2.0, 3.0), np.array([-30.5, 12.25, 40.0])
    along_row, along_column, normal = vectors(ORIENTATIONS[name])
    step = normal * 3.0 + along_row * shear[0] + along_column * shear[1]
    rows, columns, slices = np.meshgrid(range(12), range(14), range(5), indexing="ij")
    lps = (
        origin
        + columns[..., None] * along_row * 1.5
        + rows[..., None] * along_column * 2.0
        + slices[..., None] * step
    )
    exact = lps @ gradient + offset
    slope = 1.0 / 64
    stored = np.rint(exact / slope).astype(np.int16).transpose(2, 0, 1)
    scaled = {"RescaleSlope": slope, "RescaleIntercept": 0}
    series = datasets(stored, ORIENTATIONS[name], origin, spacing, shear, **scaled)
    made = read_series(write(tmp_path, series), tilt="correct")
    degrees = np.degrees(np.arctan(np.hypot(*shear) / 3.0))
    note = f"slices shifted by a tilt of {degrees:.2f} degrees; resampled onto a perpendicular grid"
    assert made.notes == (note,)
    axes = made.affine[:3, :3] / np.linalg.norm(made.affine[:3, :3], axis=0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    volume = load_ct(made)
    assert volume.array.shape == made.shape
    index = np.argwhere(np.ones(made.shape, bool))
    ras = index @ made.affine[:3, :3].T + made.affine[:3, 3]
    expected = ((ras * [-1, -1, 1]) @ gradient + offset).reshape(made.shape)
    # within its slices every voxel is what the field is there; elsewhere the lowest value
    from_first = (ras * [-1, -1, 1] - origin) - index[:, 2:] * step
    at = np.array([from_first @ along_row / 1.5, from_first @ along_column / 2.0])
    inside = ((at > -1e-9).all(axis=0) & (at[0] < 13 + 1e-9) & (at[1] < 11 + 1e-9)).reshape(
        made.shape
    )
    assert 0.5 < inside.mean() < 1.0
    np.testing.assert_allclose(volume.array[inside], expected[inside], atol=slope)
    np.testing.assert_array_equal(volume.array[~inside], volume.array[inside].min())
    # every voxel of every slice lies on the new grid
    everywhere = (lps.reshape(-1, 3) * [-1, -1, 1] - made.affine[:3, 3]) @ np.linalg.inv(
        made.affine[:3, :3]
    ).T
    assert everywhere.min() > -1e-6
    assert (everywhere < np.array(made.shape) - 1 + 1e-6).all()


def test_slices_that_lie_in_no_line_are_refused(tmp_path):
    series = datasets(ramp())
    series[2].ImagePositionPatient[0] += 0.5
    error = refusal(write(tmp_path, series), tilt="correct")
    assert error.tag == "ImagePositionPatient (0020,0032)"


def test_refusals_hold_no_names(tmp_path):
    series = datasets(ramp(), PatientName="Doe^Jane", PatientBirthDate="19500101")
    series[1].ImagePositionPatient = [1, 2, 3]
    error = refusal(write(tmp_path / "Doe", series))
    assert "Doe" not in str(error)
    assert str(tmp_path) not in str(error)
    assert "1.2.3" not in str(error)


def test_a_file_that_vanishes_is_refused(tmp_path):
    files = write(tmp_path, datasets(ramp()))
    files[1].path.unlink()
    error = refusal(files)
    assert error.tag == "file"
    assert str(tmp_path) not in str(error)


def test_files_of_one_position_and_one_path_are_in_the_same_order_always(tmp_path):
    """Order of the files given does not matter: the copy that is kept is the first by path."""
    stored = ramp()
    for name in "ab":
        for k, ds in enumerate(datasets(stored)):
            save(ds, tmp_path / name / f"{k}.dcm")
    from petnet.ingest.dicom.scan import scan_tree

    files = scan_tree(tmp_path).files
    kept = [one.path for one in read_series(files).slices]
    assert kept == [one.path for one in read_series(files[::-1]).slices]
