"""Reading the header of a PET series: what is written, whatever its VR, and never a traceback."""

import warnings
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pet_headers import FACTOR, FDG, ge, pet_slices, philips
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, SuvScale, suv_scale

INJECTIONS = "RadiopharmaceuticalInformationSequence"


def raw(dataset, keyword, value, vr="DS"):
    """Put the bytes of an element into a dataset as a file holds them."""
    tag = Tag(keyword)
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


def through_file(dataset, implicit, little=True):
    stream = BytesIO()
    from pydicom.filebase import DicomIO

    file = DicomIO(stream)
    file.is_implicit_VR, file.is_little_endian = implicit, little
    write_dataset(file, dataset)
    stream.seek(0)
    return read_dataset(stream, implicit, little)


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_header_is_the_same_from_files_of_each_encoding(implicit, little):
    slices = pet_slices(
        slices=({}, {"RescaleSlope": "2.5", "AcquisitionTime": "115448"}),
        tracer_code=FDG,
        TimezoneOffsetFromUTC="+0100",
        DecayCorrectionDateTime="20240131114948",
        SUVType="BW",
        private=[ge("20240131114948"), *philips("0.5", "1.5")],
    )
    header = read_pet_header(slices)
    assert read_pet_header([through_file(one, implicit, little) for one in slices]) == header
    texts = {name: getattr(header, name).text for name in header.__slots__ if name != "frames"}
    assert texts == {
        "units": "BQML",
        "suv_type": "BW",
        "decay_correction": "START",
        "decay_correction_datetime": "20240131114948",
        "corrected_image": "NORM\\ATTN\\SCAT\\DECY",
        "manufacturer": "Some Maker",
        "series_date": "20240131",
        "series_time": "114948",
        "timezone": "+0100",
        "ge_scan": "20240131114948",
        "philips_suv": "0.5",
        "philips_activity": "1.5",
        "injection_datetime": "20240131100000",
        "injection_time": "100000",
        "dose": "400000000",
        "half_life": "6588",
        "nuclide": "C-111A1",
        "nuclide_meaning": "^18^Fluorine",
        "tracer": "FDG",
        "tracer_code": "C-B1031",
        "weight": "80",
        "height": "1.80",
        "sex": "M",
    }
    assert [frame.slope.text for frame in header.frames] == ["1.5", "2.5"]
    assert [frame.acquisition_time.text for frame in header.frames] == ["114948", "115448"]
    assert header.weight.tag == "PatientWeight (0010,1030)"
    assert header.ge_scan.tag == "PET scan DateTime (0009,100D)"


def test_absent_and_empty_are_none():
    (one,) = pet_slices(slices=({},), PatientSize="", Radiopharmaceutical=None, nuclide=None)
    header = read_pet_header([one])
    assert header.height.text is header.suv_type.text is header.ge_scan.text is None
    assert header.nuclide.text is header.nuclide_meaning.text is header.tracer.text is None


def test_meaning_of_the_code_names_the_tracer():
    (one,) = pet_slices(slices=({},), Radiopharmaceutical=None, tracer_code=FDG)
    assert read_pet_header([one]).tracer.text == "Fluorodeoxyglucose F^18^"


def test_long_code_value_is_read():
    (one,) = pet_slices(slices=({},))
    (code,) = one[INJECTIONS][0].RadionuclideCodeSequence
    del code.CodeValue
    code.LongCodeValue = "77004003"
    assert read_pet_header([one]).nuclide.text == "77004003"


@pytest.mark.parametrize(
    ("value", "vr", "text"),
    [
        (b"80.50 ", "DS", "80.50"),
        (b"\x00", "DS", None),
        (b"  ", "DS", None),
        (b"70\\80", "DS", "70\\80"),
        (b"eighty", "DS", "eighty"),
        (b"\xff\xfe\x00\x80", "DS", "ÿþ\x00\x80"),
        (b"80", "LO", "80"),
        (b"80", "UN", "80"),
        (b"80", None, "80"),
        (b"\x00\x00\x00\x00\x00\x20\x54\x40", "FD", "80.5"),
        (b"\x00\x00\xa1\x42", "FL", "80.5"),
        (b"\x50\x00", "US", "80"),
        (b"\x50", "US", None),
        (b"\x50\x00\x51\x00", "US", "80\\81"),
    ],
)
def test_text_is_that_of_the_bytes(value, vr, text):
    (one,) = pet_slices(slices=({},))
    raw(one, "PatientWeight", value, vr)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pet_header([one]).weight.text == text


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Units", "GML"),
        ("DecayCorrection", "ADMIN"),
        ("PatientWeight", "81"),
        ("RadionuclideTotalDose", "400000001"),
        ("RadionuclideHalfLife", "6586.2"),
        ("RadiopharmaceuticalStartTime", "100001"),
        ("SeriesTime", "114949"),
        ("PatientWeight", None),
        ("RadiopharmaceuticalStartDateTime", None),
    ],
)
def test_slices_that_differ_are_refused_by_name(keyword, value):
    with pytest.raises(Refused) as caught:
        read_pet_header(pet_slices(slices=({}, {}, {keyword: value})))
    assert caught.value.tag.startswith(f"{keyword} (")


def test_slices_that_differ_only_in_words_are_taken():
    header = read_pet_header(
        pet_slices(slices=({}, {"PatientWeight": "80.0", "Radiopharmaceutical": "18F-FDG"}))
    )
    assert (header.weight.text, header.tracer.text) == ("80", "FDG")


def test_two_injections_are_refused_unless_alike():
    slices = pet_slices()
    for one in slices:
        one[INJECTIONS].value.append(one[INJECTIONS][0])
    assert read_pet_header(slices).dose.text == "400000000"
    for one in slices:
        other = Dataset()
        other.RadionuclideTotalDose = "100000000"
        one[INJECTIONS].value[1] = other
    with pytest.raises(Refused, match=rf"{INJECTIONS} \(0054,0016\): expected one injection"):
        read_pet_header(slices)


@pytest.mark.parametrize(
    "malformed", [b"", b"\x00", b"no items at all", b"\xfe\xff\x00\xe0\xff\xff\x00\x00ab"]
)
@pytest.mark.parametrize("vr", ["SQ", "LO", "UN", None])
def test_malformed_sequence_counts_as_absent(malformed, vr):
    slices = pet_slices()
    for one in slices:
        raw(one, INJECTIONS, malformed, vr)
    header = read_pet_header(slices)
    assert header.dose.text is None
    with pytest.raises(Refused):
        suv_scale(header, SuvOptions())


def test_empty_sequences_count_as_absent():
    slices = pet_slices()
    for one in slices:
        one[INJECTIONS][0].RadionuclideCodeSequence = Sequence()
    assert read_pet_header(slices).nuclide.text is None
    for one in slices:
        setattr(one, INJECTIONS, Sequence())
    assert read_pet_header(slices).dose.text is None


def test_no_slices_are_refused():
    with pytest.raises(Refused, match="slices"):
        read_pet_header([])


def test_private_block_is_found_by_its_creator():
    """(0009,100D) is GE's only if GE reserved that block; anonymisers drop the creators."""
    (one,) = pet_slices(slices=({},))
    one.private_block(0x0009, "SOMEONE ELSE", create=True).add_new(0x0D, "DT", "19990101000000")
    assert read_pet_header([one]).ge_scan.text is None
    one.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240131114948")
    assert read_pet_header([one]).ge_scan.text == "20240131114948"
    assert Tag(0x0009, 0x110D) in one
    (bare,) = pet_slices(slices=({},))
    bare.add_new(0x0009100D, "DT", "20240131114948")
    assert read_pet_header([bare]).ge_scan.text == "20240131114948"


OF_SERIES = (
    "Units", "SUVType", "DecayCorrection", "DecayCorrectionDateTime", "CorrectedImage",
    "SeriesDate", "SeriesTime", "TimezoneOffsetFromUTC", "PatientWeight", "PatientSize",
    "PatientSex", "RescaleSlope", "RescaleIntercept", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "FrameReferenceTime", "ActualFrameDuration", INJECTIONS, "0009100D",
    "70531000", "70531009",
)  # fmt: skip
OF_INJECTION = (
    "Radiopharmaceutical", "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime",
    "RadionuclideTotalDose", "RadionuclideHalfLife", "RadionuclideCodeSequence",
    "RadiopharmaceuticalCodeSequence",
)  # fmt: skip
VRS = (None, "DS", "IS", "TM", "DT", "DA", "LO", "CS", "SQ", "FD", "FL", "US", "UN", "OB", "PN")
VALUES = (
    st.binary(max_size=24)
    | st.floats().map(lambda value: repr(value).encode())
    | st.integers(-(10**40), 10**40).map(lambda value: str(value).encode())
    | st.datetimes().map(lambda value: value.strftime("%Y%m%d%H%M%S.%f").encode())
    | st.times().map(lambda value: value.strftime("%H%M%S").encode())
    | st.sampled_from([b"GML", b"BQML", b"CNTS", b"CM2ML", b"NONE", b"ADMIN", b"START", b"LBM"])
)
MUTATION = st.tuples(
    st.sampled_from([*OF_SERIES, *OF_INJECTION]), st.sampled_from(VRS), VALUES | st.none()
)


def mutated(mutations):
    """Return slices in which values are replaced by bytes, or (None) left out."""
    slices = pet_slices(private=[ge("20240131114948"), *philips("0.5", "1.5")])
    for one in slices:
        for keyword, vr, value in mutations:
            items = [one]
            if keyword in OF_INJECTION:
                items = getattr(one.get_item(INJECTIONS), "value", None)
            if not isinstance(items, (list, Sequence)) or not len(items):
                continue
            tag = Tag(int(keyword, 16) if keyword.startswith(("0", "7")) else keyword)
            items[0]._dict.pop(tag, None)
            if value is not None:
                raw(items[0], tag, value, vr)
    return slices


@settings(max_examples=300, deadline=None)
@given(st.lists(MUTATION, min_size=1, max_size=4), st.sampled_from(["SUVbw", "SUVlbm", "SUVibw"]))
def test_mutated_headers_end_in_a_scale_or_a_refusal(mutations, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            scale = suv_scale(read_pet_header(mutated(mutations)), SuvOptions(kind))
        except Refused:
            return
    assert isinstance(scale, SuvScale)
    assert len(scale.factors) == 2
    assert all(0 < factor < float("inf") for factor in scale.factors)
    scale.record()


def test_refusals_do_not_repeat_text_of_the_header():
    """What stands where a number should may be a name or a birth date."""
    for value in (b"Doe^Jane", b"DOE JANE", b"1.2.840.113619.2.5", b"1952-03-04"):
        slices = pet_slices()
        for one in slices:
            raw(one, "PatientWeight", value)
        with pytest.raises(Refused) as caught:
            suv_scale(read_pet_header(slices), SuvOptions())
        assert value.decode() not in str(caught.value)


def test_a_wrong_vr_does_not_change_the_value():
    slices = pet_slices()
    for one in slices:
        raw(one, "PatientWeight", b"80", "LO")
        raw(one, "SeriesTime", b"114948", "UN")
    assert suv_scale(read_pet_header(slices), SuvOptions()).factors == pytest.approx((FACTOR,) * 2)
