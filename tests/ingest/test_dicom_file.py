"""Headers read by walking and by pydicom, side by side; and files that are no headers."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from written_series import datasets, ramp, save

from petnet.ingest.dicom.dicom_file import BROKEN, HeaderReader, lenient, read_header
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.refusal import Refused

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def values(dataset):
    """Return every element as (VR, value), nested ones too."""
    found = {}
    for tag in dataset._dict:
        try:
            element = dataset[tag]
        except BROKEN as error:
            found[tag] = type(error).__name__
            continue
        value = element.value
        found[tag] = (
            element.VR,
            [values(item) for item in value] if element.VR == "SQ" else repr(value),
        )
    return found


def before_pixels(dataset):
    """Return the elements that are those of the header proper."""
    found = values(dataset)
    return {tag: value for tag, value in found.items() if tag.group > 2 and tag < 0x7FE00008}


def by_pydicom(path):
    return before_pixels(pydicom.dcmread(path, stop_before_pixels=True, force=True))


def check_same(path, reader):
    with lenient():
        dataset, pixels = reader.read(path)
        assert before_pixels(dataset) == by_pydicom(path)
        whole = pydicom.dcmread(path, force=True)
        if pixels is None:
            assert "PixelData" not in whole
            return
        if whole.file_meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            stored = path.read_bytes()[pixels.offset :]
            assert stored.startswith(whole.PixelData[:1000])
        if pixels.length is not None:
            assert len(whole.PixelData) <= pixels.length  # fewer where the file is cut off


@pytest.fixture
def rich():
    """A header with sequences in sequences, private elements, empty values and odd characters."""
    series = datasets(ramp())
    for k, ds in enumerate(series):
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.PatientName = "Müller^Jörg=山田^太郎"
        ds.PatientBirthDate = ""
        ds.AccessionNumber = None
        block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", "20200101101010.00")
        inner = pydicom.Dataset()
        inner.CodeValue, inner.CodeMeaning = "C-111A1", "^18^Flüor"
        inner.private_block(0x0011, "INNER", create=True).add_new(1, "SQ", [pydicom.Dataset()])
        item = pydicom.Dataset()
        item.RadionuclideTotalDose = 3.7e8 + (k == 2)
        item.RadionuclideCodeSequence = [inner, pydicom.Dataset()]
        ds.RadiopharmaceuticalInformationSequence = [item]
        ds.ReferencedImageSequence = []
        ds.PatientWeight = "70.123"
        ds.AcquisitionTime = f"1010{k:02d}"
    return series


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_a_series_of_rich_headers_is_read_as_pydicom_reads_it(tmp_path, rich, syntax, undefined):
    reader = HeaderReader()
    for k, ds in enumerate(rich):
        for element in ds.iterall():
            if element.VR == "SQ" and undefined:
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = k % 2 == 0
        path = save(ds, tmp_path / f"{k}", syntax)
        if k == 3:  # a malformed number
            path.write_bytes(path.read_bytes().replace(b"70.123", b"7x.123"))
        check_same(path, reader)


def test_other_character_sets_do_not_share_values(tmp_path):
    reader = HeaderReader()
    names = ["ISO_IR 100", "ISO_IR 192", "ISO_IR 144"]
    for name, ds in zip(names, datasets(ramp(slices=3)), strict=True):
        ds.SpecificCharacterSet, ds.StudyDescription = name, "abc"
        path = save(ds, tmp_path / name)
        path.write_bytes(path.read_bytes().replace(b"abc", b"\xd0\xb0c"))
        check_same(path, reader)


def test_series_of_scanners_are_read_as_pydicom_reads_them(reference):
    by_series = {}
    for file in scan_tree(reference / "dicom").files:
        by_series.setdefault(file.series_uid, []).append(file)
    assert len(by_series) == 6
    for files in by_series.values():
        reader = HeaderReader()
        for file in files[::9]:
            check_same(file.path, reader)


def test_the_files_that_pydicom_is_tested_with_are_read_alike():
    reader, count = HeaderReader(), 0
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):
        try:
            with lenient():
                by_pydicom(path)
        except BROKEN:
            continue
        try:
            check_same(path, reader)
        except Refused:
            continue
        count += 1
    assert count > 50


def test_random_damage_gives_the_same_or_a_refusal(tmp_path, rich):
    """Bytes of a header changed at random: what walking finds is what pydicom finds."""
    data = save(rich[0], tmp_path / "whole", ExplicitVRLittleEndian).read_bytes()
    start = data.index(struct.pack("<HH", 0x0008, 0x0005))
    end = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    generator = np.random.default_rng(11)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(generator.integers(1, 4)):
            damaged[generator.integers(start, end)] = generator.integers(0, 256)
        path = tmp_path / "damaged"
        path.write_bytes(damaged)
        try:
            with lenient():
                dataset, _ = HeaderReader().read(path)
        except Refused:
            refused += 1
            continue
        with lenient():
            assert before_pixels(dataset) == by_pydicom(path)
    assert refused < 200


@pytest.mark.parametrize("fill", [b"\0", b"\x08\0", b"\xfe\xff\0\xe0", b"\xff"])
@pytest.mark.parametrize("head", [b"", b"\x08\0\x05\0", b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff"])
def test_megabytes_of_anything_end_soon(tmp_path, fill, head):
    """A guard against hangs: the timeout of the tests is the limit."""
    path = tmp_path / "x"
    path.write_bytes(bytes(128) + b"DICM" + head + fill * (2**23 // len(fill)))
    assert len(scan_tree(tmp_path).unreadable) == 1


def test_what_cannot_be_opened_is_refused(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(Refused) as caught:
            read_header(path)
        assert caught.value.tag == "file"
        assert str(tmp_path) not in str(caught.value)
