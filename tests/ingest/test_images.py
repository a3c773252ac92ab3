"""Volumes of series: against MIRP's figures, pydicom's brute force and what was written."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid
from written_series import datasets, found, ramp, save, write

from petnet.ingest.dicom.images import load_ct, load_pet, shifted
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.dicom.series import read_series
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.scale import SuvOptions


def whole_body(reference):
    return reference / "dicom" / "STS_001_wholebody_pet" / "image"


def pet(stored, **changes):
    """Return a series in BQML, corrected to the injection: SUVbw = Bq/ml · 70000 / 350e6."""
    item = pydicom.Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = 350e6, 6586.2
    item.RadiopharmaceuticalStartDateTime = "20200101090000"
    changes = {
        "Units": "BQML",
        "DecayCorrection": "ADMIN",
        "CorrectedImage": ["DECY", "ATTN"],
        "PatientWeight": 70,
        "SeriesDate": "20200101",
        "SeriesTime": "100000",
        "AcquisitionDate": "20200101",
        "AcquisitionTime": "100000",
        "RescaleIntercept": 0,
        "RadiopharmaceuticalInformationSequence": [item],
    } | changes
    return datasets(stored, modality="PT", **changes)


def test_the_whole_body_pet_is_what_mirp_makes_of_it(reference):
    """MIRP 2.7.0: shape (267, 128, 128), min 0.0, max 66.5215, mean 0.14930310196466753."""
    series = read_series(scan_tree(whole_body(reference)).files)
    volume, scale = load_pet(series, SuvOptions())
    assert (volume.unit, volume.modality, volume.array.dtype) == ("SUVbw", "PT", np.float32)
    assert volume.array.shape == (128, 128, 267)
    assert volume.array.min() == 0.0
    assert volume.array.max() == pytest.approx(66.5215, rel=1e-6)
    assert volume.array.mean(dtype=np.float64) == pytest.approx(0.14930310196466753, rel=1e-6)
    assert scale.factors == pytest.approx([2.429030e-4] * 267, rel=1e-6)
    np.testing.assert_allclose(volume.affine[:3, 3], [297.65625, 297.65625, -881.3], atol=1e-3)
    assert volume.spacing_mm == pytest.approx((4.6875, 4.6875, 3.27), abs=1e-4)


def test_every_voxel_is_what_pydicom_reads_times_slope_and_factor(reference):
    series = read_series(scan_tree(whole_body(reference)).files)
    volume, scale = load_pet(series, SuvOptions())
    for k in range(0, 267, 7):
        one = pydicom.dcmread(series.slices[k].path)
        exact = one.pixel_array.astype(np.float64) * float(one.RescaleSlope) * scale.factors[k]
        np.testing.assert_allclose(volume.array[:, :, k], exact.T, rtol=1e-7, atol=0)


def test_each_slice_has_a_slope_of_its_own(tmp_path):
    stored = ramp(low=0, high=30000)
    series = pet(stored)
    slopes = [0.5, 1.25, 3.1, 0.071]
    for ds, slope in zip(series, slopes, strict=True):
        ds.RescaleSlope = slope
    volume, _ = load_pet(read_series(write(tmp_path, series)), SuvOptions())
    exact = stored * np.array(slopes)[:, None, None] * 70000 / 350e6
    np.testing.assert_allclose(volume.array, exact.transpose(2, 1, 0), rtol=1e-6)


def test_a_slope_beyond_all_measure_is_refused(tmp_path):
    series = pet(ramp(low=0, high=9), RescaleSlope="1e300")
    with pytest.raises(Refused) as caught:
        load_pet(read_series(write(tmp_path, series)), SuvOptions())
    assert caught.value.tag == "RescaleSlope (0028,1053)"


def test_whole_hounsfield_units_stay_whole(tmp_path):
    stored = ramp(low=0, high=4000).astype(np.uint16)
    volume = load_ct(read_series(write(tmp_path, datasets(stored, RescaleIntercept=-1024))))
    assert (volume.unit, volume.modality, volume.array.dtype) == ("HU", "CT", np.int16)
    np.testing.assert_array_equal(volume.array, stored.transpose(2, 1, 0).astype(int) - 1024)


@pytest.mark.parametrize("at", [0, 2])
def test_values_that_do_not_fit_are_kept_as_floats(tmp_path, at):
    stored = ramp(low=0, high=4000).astype(np.uint16)
    stored[at, 0, 0] = 65535
    volume = load_ct(read_series(write(tmp_path, datasets(stored, RescaleIntercept=-1024))))
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, stored.transpose(2, 1, 0).astype(float) - 1024)


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -1024), (1, -1024.5), (1.0001, 0)])
def test_broken_numbers_are_kept_as_floats(tmp_path, slope, intercept):
    stored = ramp()
    series = datasets(stored, RescaleSlope=slope, RescaleIntercept=intercept)
    volume = load_ct(read_series(write(tmp_path, series)))
    assert volume.array.dtype == np.float32
    exact = stored.transpose(2, 1, 0) * slope + intercept
    np.testing.assert_allclose(volume.array, exact, rtol=1e-6)


def test_one_slice_with_another_slope_is_scaled_by_it(tmp_path):
    stored = ramp()
    series = datasets(stored)
    series[1].RescaleSlope, series[1].RescaleIntercept = 2, -1000
    volume = load_ct(read_series(write(tmp_path, series)))
    np.testing.assert_array_equal(volume.array[:, :, 1], 2 * stored[1].T.astype(int) - 1000)
    np.testing.assert_array_equal(volume.array[:, :, 2], stored[2].T - 24)


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("RescaleSlope", None, "RescaleSlope (0028,1053)"),
        ("RescaleSlope", 0, "RescaleSlope (0028,1053)"),
        ("RescaleSlope", -1, "RescaleSlope (0028,1053)"),
        ("RescaleSlope", "1e300", "RescaleSlope (0028,1053)"),
        ("RescaleIntercept", None, "RescaleIntercept (0028,1052)"),
        ("RescaleIntercept", "1e300", "RescaleIntercept (0028,1052)"),
        ("RescaleType", "US", "RescaleType (0028,1054)"),
        ("RescaleType", "OD", "RescaleType (0028,1054)"),
    ],
)
def test_ct_that_cannot_be_hounsfield_is_refused(tmp_path, keyword, value, tag):
    series = datasets(ramp())
    if value is None:
        delattr(series[3], keyword)
    else:
        setattr(series[3], keyword, value)
    with pytest.raises(Refused) as caught:
        load_ct(read_series(write(tmp_path, series)))
    assert caught.value.tag == tag


def test_ct_that_says_it_is_hounsfield_is(tmp_path):
    assert load_ct(read_series(write(tmp_path, datasets(ramp(), RescaleType="HU")))).unit == "HU"


def test_padding_stays_in(tmp_path):
    stored = ramp()
    stored[:, 0, :] = -2000
    series = datasets(stored, PixelPaddingValue=-2000, RescaleIntercept=0)
    volume = load_ct(read_series(write(tmp_path, series)))
    assert (volume.array[:, 0, :] == -2000).all()


@pytest.mark.parametrize("start", [(0.0, 0.0), (0.25, 0.0), (0.0, 1.5), (1.75, 0.5), (2.0, 1.0)])
def test_shifted_slices_are_interpolated_between_neighbours(start):
    """Against the definition, voxel by voxel."""
    values = np.random.default_rng(0).normal(size=(4, 5))
    made = shifted(values, np.array(start), (7, 9))
    assert made.shape == (7, 9)
    for y in range(7):
        for x in range(9):
            u, v = x - start[0], y - start[1]
            if not (0 <= u <= 4 and 0 <= v <= 3):
                assert np.isnan(made[y, x])
                continue
            i, j = min(int(u), 3), min(int(v), 2)
            a, b = u - i, v - j
            expected = (
                values[j, i] * (1 - a) * (1 - b)
                + values[j, i + 1] * a * (1 - b)
                + values[j + 1, i] * (1 - a) * b
                + values[j + 1, i + 1] * a * b
            )
            assert made[y, x] == pytest.approx(expected, abs=1e-12)


def test_multi_frame_ct_is_what_its_slices_are(tmp_path):
    """Legacy Converted Enhanced CT, by highdicom, in frames of any order."""
    from highdicom.legacy import LegacyConvertedEnhancedCTImage

    stored = ramp(slices=5)
    series = datasets(stored, RescaleSlope=1, RescaleIntercept=-24)
    study, group, frame = generate_uid(), generate_uid(), generate_uid()
    for k, ds in enumerate(series):
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, group, frame
        ds.SOPInstanceUID = generate_uid()
        ds.InstanceNumber = k + 1
        for keyword in (
            "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber",
            "StudyDate", "StudyTime", "ReferringPhysicianName", "Manufacturer", "PatientPosition",
            "SeriesNumber", "ContentDate", "ContentTime", "AcquisitionNumber", "KVP",
        ):  # fmt: skip
            setattr(ds, keyword, "")
        ds.Manufacturer, ds.SeriesNumber, ds.AcquisitionNumber, ds.KVP = "made", 1, 1, 120
        ds.StudyDate = ds.ContentDate = "20200101"
        ds.StudyTime = ds.ContentTime = "101010"
        ds.BurnedInAnnotation, ds.PatientPosition = "NO", "HFS"
        save(ds, tmp_path / "classic" / f"{k}")
    classic = [pydicom.dcmread(path) for path in sorted((tmp_path / "classic").iterdir())]
    shuffled = [classic[k] for k in (3, 0, 4, 1, 2)]
    made = LegacyConvertedEnhancedCTImage(shuffled, generate_uid(), 2, generate_uid(), 1)
    (tmp_path / "frames").mkdir()
    made.save_as(tmp_path / "frames" / "all.dcm")
    from_frames = load_ct(read_series(found(tmp_path / "frames")))
    from_slices = load_ct(read_series(found(tmp_path / "classic")))
    np.testing.assert_array_equal(from_frames.array, from_slices.array)
    np.testing.assert_array_equal(from_frames.array, stored.transpose(2, 1, 0) - 24)
    np.testing.assert_allclose(from_frames.affine, from_slices.affine, atol=1e-9)

    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    (tmp_path / "compressed").mkdir()
    made.save_as(tmp_path / "compressed" / "all.dcm")
    compressed = load_ct(read_series(found(tmp_path / "compressed")))
    np.testing.assert_array_equal(compressed.array, from_slices.array)
