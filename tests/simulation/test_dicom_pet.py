"""PET and CT written as DICOM: read back by pydicom, SimpleITK, highdicom and `petnet.ingest`."""

import math
from datetime import datetime, timedelta
from itertools import pairwise

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from petnet.ingest.dicom.images import load_ct, load_pet
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.dicom.series import read_series
from petnet.ingest.suv.scale import SuvOptions
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.enhanced import write_enhanced_pet
from petnet.simulation.dicom.files import LPS, Storage, oriented, tilted
from petnet.simulation.dicom.pet import quantised, write_pet
from petnet.simulation.dicom.pet_values import PetStyle, beds_of, decay_factor, suv_factor
from petnet.simulation.dicom.records import SCANNERS, TRACERS, Examination, Injection, Person
from petnet.volume import Volume

START = datetime(2024, 3, 5, 0, 20, 0)  # the injection was the day before
SHAPE = (9, 8, 6)
ORIENTATIONS = ("axial", "sagittal", "coronal", "oblique")


def image(unit="SUVbw", modality="PT", how="axial"):
    rng = np.random.default_rng(4)
    values = rng.gamma(2, 1, SHAPE) if modality == "PT" else rng.integers(-1024, 1500, SHAPE)
    affine = np.diag([-4.0, -3.5, 3.0, 1.0])
    affine[:3, 3] = [31.25, 12.5, -90.0]
    made = Volume(values, affine, unit, modality)
    return tilted(made, 21.0) if how == "oblique" else oriented(made, how)


def examination(vendor="GE", tracer="FDG", sex="F"):
    injection = Injection(TRACERS[tracer], START - timedelta(minutes=61.5), 2.345e8)
    person = Person("X1", "Doe^Jo", "19610203", sex, weight_kg=63.5, height_m=1.64)
    return Examination(person, "study", START, SCANNERS[vendor], injection)


def loaded(folder, load=load_pet, *rest):
    return load(read_series(scan_tree(folder).files), *rest)


STYLES = {
    "ge-start": ("GE", "FDG", PetStyle(beds=3)),
    "ge-reprocessed": ("GE", "FDG", PetStyle(beds=3, reprocessed=True)),
    "siemens-reprocessed": ("Siemens", "FDG", PetStyle(beds=3, reprocessed=True)),
    "ge-gml": ("GE", "FDG", PetStyle(units="GML")),
    "ge-gml-lbm": ("GE", "FDG", PetStyle(units="GML", suv_type="LBM")),
    "gml-james128": ("GE", "FDG", PetStyle(units="GML", suv_type="LBMJAMES128")),
    "gml-janma": ("GE", "FDG", PetStyle(units="GML", suv_type="LBMJANMA")),
    "gml-ibw": ("GE", "FDG", PetStyle(units="GML", suv_type="IBW")),
    "cm2ml": ("Siemens", "FDG", PetStyle(units="CM2ML")),
    "siemens-none": ("Siemens", "FDG", PetStyle(decay="NONE", beds=3)),
    "admin": ("Siemens", "FDG", PetStyle(decay="ADMIN")),
    "mbq": ("Siemens", "FDG", PetStyle(mbq=True)),
    "time-only": ("Siemens", "FDG", PetStyle(injected="time")),
    "datetime-only": ("Siemens", "FDG", PetStyle(injected="datetime")),
    "philips-both": ("Philips", "FDG", PetStyle(units="CNTS")),
    "philips-suv": ("Philips", "FDG", PetStyle(units="CNTS", philips="suv")),
    "philips-activity": ("Philips", "FDG", PetStyle(units="CNTS", philips="activity")),
    "philips-activity-none": (
        "Philips", "FDG", PetStyle(units="CNTS", philips="activity", decay="NONE", beds=2)
    ),
    "gallium": ("Siemens", "FAPI", PetStyle(beds=3)),
    "gallium-none": ("Siemens", "FAPI", PetStyle(beds=3, decay="NONE")),
    "one-slope": ("Siemens", "FDG", PetStyle(one_slope=True)),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_suv_comes_back_within_half_a_step(style, tmp_path):
    vendor, tracer, how = STYLES[style]
    volume = image()
    written = write_pet(tmp_path, volume, examination(vendor, tracer), how)
    read, scale = loaded(tmp_path, load_pet, SuvOptions())
    np.testing.assert_allclose(scale.factors, written.factors, rtol=1e-9)
    for k, path in enumerate(written.paths):
        half = float(pydicom.dcmread(path).RescaleSlope) * written.factors[k] / 2
        assert np.abs(read.array[:, :, k] - volume.array[:, :, k]).max() <= half * 1.001
    np.testing.assert_allclose(read.affine, volume.affine, atol=1e-5)


@pytest.mark.parametrize("how", ORIENTATIONS)
def test_simpleitk_sees_the_same_image(how, tmp_path):
    volume = image(how=how)
    written = write_pet(tmp_path, volume, examination())
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    seen = sitk.ReadImage(names)
    factor = written.factors[0]
    for index in np.ndindex(volume.array.shape):
        point = (LPS @ volume.affine @ (*index, 1))[:3]
        found = seen.TransformPhysicalPointToIndex(point.tolist())
        place = seen.TransformPhysicalPointToContinuousIndex(point.tolist())
        assert np.abs(np.subtract(place, found)).max() < 1e-4
        assert seen[found] * factor == pytest.approx(volume.array[index], abs=2e-4)


@pytest.mark.parametrize("how", ORIENTATIONS)
def test_ct_comes_back_exactly(how, tmp_path):
    volume = image("HU", "CT", how)
    write_ct(tmp_path, volume, examination())
    read = loaded(tmp_path, load_ct)
    np.testing.assert_array_equal(read.array, volume.array)
    np.testing.assert_allclose(read.affine, volume.affine, atol=1e-5)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    values = sitk.GetArrayFromImage(sitk.ReadImage(names))
    assert sorted(values.ravel().tolist()) == sorted(volume.array.ravel().tolist())


SYNTAX_UIDS = {
    "implicit": "1.2.840.10008.1.2",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
}


@pytest.mark.parametrize("syntax", SYNTAX_UIDS)
def test_every_syntax_holds_the_same_voxels(syntax, tmp_path):
    plain = write_pet(tmp_path / "plain", image(), examination())
    made = write_pet(tmp_path / "made", image(), examination(), storage=Storage(syntax=syntax))
    for a, b in zip(plain.paths, made.paths, strict=True):
        one, other = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (a, b))
        np.testing.assert_array_equal(one, other)
        assert pydicom.dcmread(b).file_meta.TransferSyntaxUID == SYNTAX_UIDS[syntax]


@pytest.mark.parametrize(("decay", "factor"), [
    # 63,500 g / dose; the dose decayed for 61.5 min, and on average over the first 120 s, with bc
    ("ADMIN", 2.707889125799573e-4),
    ("START", 3.992883656949499e-4),
    ("NONE", 4.018149954902410e-4),
])  # fmt: skip
def test_factors_worked_out_by_hand(decay, factor):
    visit, style = examination(), PetStyle(decay=decay)
    bed = beds_of(style, START, 6586.2, 1)[0]
    assert suv_factor(style, bed, START, visit.injection, visit.person) == pytest.approx(
        factor, rel=1e-9
    )


def test_decay_factor_leads_from_uncorrected_to_corrected_values():
    visit = examination()
    for corrected in (PetStyle(beds=4), PetStyle(beds=4, decay="ADMIN")):
        plain = PetStyle(beds=4, decay="NONE")
        for bed in beds_of(plain, START, 6586.2, 8):
            times = decay_factor(corrected, bed, START, visit.injection)
            with_it = suv_factor(corrected, bed, START, visit.injection, visit.person)
            without = suv_factor(plain, bed, START, visit.injection, visit.person)
            assert without == pytest.approx(with_it * times, rel=1e-12)


def test_mean_moment_of_a_bed_has_the_mean_count_rate():
    rate = math.log(2) / 4062.6
    for bed in beds_of(PetStyle(beds=2, frame_s=600.0), START, 4062.6, 2):
        times = (np.arange(100_000) + 0.5) / 100_000 * 600.0
        since = (bed.seen - bed.acquired).total_seconds()
        assert np.exp(-rate * times).mean() == pytest.approx(math.exp(-rate * since), rel=1e-8)
        assert bed.mean_s == pytest.approx((bed.seen - START).total_seconds(), abs=1e-6)


def test_beds_follow_each_other(tmp_path):
    written = write_pet(tmp_path, image(), examination(), PetStyle(beds=3))
    files = [pydicom.dcmread(path) for path in written.paths]
    times = [f.AcquisitionTime for f in files]
    assert times == [f"00{t}.000000" for t in ("2000", "2000", "2202", "2202", "2404", "2404")]
    assert files[0].SeriesTime == "002000.000000"
    agent = files[0].RadiopharmaceuticalInformationSequence[0]
    assert agent.RadiopharmaceuticalStartDateTime == "20240304231830.000000"
    moments = [float(f.FrameReferenceTime) for f in files]
    assert np.diff(moments[::2]) == pytest.approx([122e3, 122e3])
    assert [float(a) <= float(b) for a, b in pairwise(f.DecayFactor for f in files)] == [True] * 5


def test_values_are_divided_by_the_slope_as_it_is_written():
    values = np.array([[[1.0, 1e-7, 0.0]], [[0.123456, 3e-8, 0.0]]])
    stored, slopes = quantised(values)
    assert stored[0, 0].tolist() == [32767, 32767, 0]
    assert slopes[2] == "1"
    back = stored * np.array([float(s) for s in slopes])
    assert np.abs(back - values).max(axis=(0, 1)) == pytest.approx([0, 0, 0], abs=1.6e-5)
    assert all(len(slope) <= 16 for slope in slopes)


def test_files_are_the_same_each_time(tmp_path):
    def files(folder):
        write_pet(folder, image(), examination(), storage=Storage("{uid}.IMA", "rle"))
        write_enhanced_pet(folder, image(), examination())
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert files(tmp_path / "one") == files(tmp_path / "two")


ENHANCED = {
    "start": PetStyle(beds=3),
    "none": PetStyle(beds=3, decay="NONE"),
    "admin": PetStyle(decay="ADMIN"),
    "gml": PetStyle(units="GML"),
    "cm2ml": PetStyle(units="CM2ML"),
}


@pytest.mark.parametrize("style", ENHANCED)
def test_enhanced_pet_is_the_same_suv(style, tmp_path):
    volume = image(how="oblique")
    storage = Storage("all.dcm", from_last=True)
    written = write_enhanced_pet(tmp_path, volume, examination(), ENHANCED[style], storage=storage)
    read, scale = loaded(tmp_path, load_pet, SuvOptions())
    np.testing.assert_allclose(scale.factors, written.factors, rtol=1e-9)
    assert scale.warnings == ()
    assert np.abs(read.array - volume.array).max() < 2e-4
    np.testing.assert_allclose(read.affine, volume.affine, atol=1e-5)


def test_highdicom_sees_the_same_enhanced_pet(tmp_path):
    volume = image(how="oblique")
    written = write_enhanced_pet(tmp_path, volume, examination())
    seen = highdicom.imread(written.paths[0]).get_volume(apply_real_world_transform=True)
    found = np.round(np.linalg.inv(seen.affine) @ LPS @ volume.affine).astype(int)
    # highdicom's axes are slices, rows and columns
    for index in np.ndindex(SHAPE):
        at = tuple((found @ (*index, 1))[:3])
        assert seen.array[at] * written.factors[0] == pytest.approx(volume.array[index], abs=2e-4)
    np.testing.assert_allclose(seen.affine @ found, LPS @ volume.affine, atol=1e-4)


def test_nothing_is_written_of_a_weight_that_was_not_taken(tmp_path):
    written = write_pet(tmp_path, image(), examination(), PetStyle(weighed=False))
    assert pydicom.dcmread(written.paths[0]).PatientWeight is None
