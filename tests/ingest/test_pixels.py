"""Stored values in every encoding: against what was encoded, pydicom and SimpleITK."""

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from written_series import datasets, found, ramp, save, write

from petnet.ingest.dicom.images import load_ct
from petnet.ingest.dicom.pixels import slice_arrays
from petnet.ingest.dicom.series import read_series
from petnet.ingest.refusal import Refused

NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
PIXEL_DATA = "PixelData (7FE0,0010)"
DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]


def stored_values(dtype, shape=(3, 15, 17), bits=None, seed=1):
    """Return whole numbers over all of what so many bits hold, extremes included."""
    info = np.iinfo(dtype)
    bits = bits or info.bits
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if info.min else (0, 2**bits)
    values = np.random.default_rng(seed).integers(low, high, shape)
    values[:, 0, 0], values[:, -1, -1] = low, high - 1
    return values.astype(dtype)


def read(files):
    return np.array(list(slice_arrays(read_series(files))))


def refusal(files):
    with pytest.raises(Refused) as caught:
        read(files)
    return caught.value


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("syntax", NATIVE.values(), ids=NATIVE)
def test_uncompressed_values_are_those_written(tmp_path, syntax, dtype):
    values = stored_values(dtype)
    got = read(write(tmp_path, datasets(values), syntax=syntax))
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (10, 12), (9, 8)])
def test_bits_that_are_no_pixels_are_left_out(tmp_path, dtype, stored, high):
    """Values of so many bits up to HighBit, with noise (overlays) in all other bits."""
    values = stored_values(dtype, bits=stored)
    low = high + 1 - stored
    mask = (2**stored - 1) << low
    noise = np.random.default_rng(2).integers(0, 2**16, values.shape)
    words = ((values.astype(np.int64) << low) & mask) | (noise & ~mask & 0xFFFF)
    series = datasets(words.astype("uint16").view(dtype), BitsStored=stored, HighBit=high)
    for ds in series:
        ds.add_new(0x60020100, "US", 16)  # OverlayBitsAllocated of the second overlay
    np.testing.assert_array_equal(read(write(tmp_path, series)), values)


@pytest.mark.parametrize("extended", [False, True])
def test_signed_values_of_twelve_bits_may_be_extended_or_not(tmp_path, extended):
    values = stored_values("int16", bits=12)
    words = values if extended else values & 0xFFF
    series = datasets(words.astype("int16"), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read(write(tmp_path, series)), values)


@pytest.mark.parametrize(
    ("dtype", "padding"), [("uint16", 63536), ("uint16", 4096), ("int16", 2**12), ("int16", -2049)]
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=["native", "rle"])
def test_values_of_more_bits_than_stated_are_refused(tmp_path, dtype, padding, syntax):
    """In 12 bits 63536, which is -2000 for no image, would be 2096: bone around the patient."""
    values = np.full((3, 4, 5), 1024, dtype)
    values[1, 0, :2] = padding
    series = datasets(values, BitsStored=12, HighBit=11)
    for ds in series:
        ds.add_new(0x60000100, "US", 1)  # an overlay of its own, not in the pixels
        if syntax == RLELossless:
            compress(ds, syntax)
    refused = refusal(write(tmp_path, series, syntax=syntax))
    assert (refused.tag, refused.found) == ("BitsStored (0028,0101)", "2 of more")


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_twelve_bits_in_rle_are_masked_too(tmp_path, dtype):
    values = stored_values(dtype, bits=12)
    noise = np.random.default_rng(2).integers(0, 16, values.shape) << 12
    words = ((values.astype(np.int64) & 0xFFF) | noise).astype("uint16").view(dtype)
    series = datasets(words, BitsStored=12, HighBit=11)
    for ds in series:
        ds.add_new(0x60000100, "US", 16)
        compress(ds, RLELossless)
    np.testing.assert_array_equal(read(write(tmp_path, series, syntax=RLELossless)), values)


def compress(ds, syntax):
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plugin = "pydicom" if syntax == RLELossless else "pyjpegls"  # GDCM's aborts on odd sizes
    ds.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)


def smooth(dtype, bits):
    """Return images that codecs have something to find in, over the range of `bits`."""
    x, y = np.meshgrid(np.linspace(0, 3, 33), np.linspace(0, 2, 28))
    waves = np.array([np.sin(x + k) * np.cos(y * k) for k in range(3)])
    top = 2 ** (bits - 1) - 1
    values = np.rint(waves * top)
    return (values if np.iinfo(dtype).min else values + top).astype(dtype)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=["rle", "jpeg_ls"])
@pytest.mark.parametrize(
    ("dtype", "bits"), [("int16", 16), ("uint16", 16), ("uint16", 12), ("uint8", 8)]
)
def test_lossless_syntaxes_of_pydicom_give_the_uncompressed(tmp_path, syntax, dtype, bits):
    values = smooth(dtype, bits)
    series = datasets(values, BitsStored=bits, HighBit=bits - 1)
    for ds in series:
        compress(ds, syntax)
    np.testing.assert_array_equal(read(write(tmp_path, series, syntax=syntax)), values)


def gdcm_compressed(source, target, kind):
    """Write a file again in another transfer syntax, with GDCM's encoders."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()


LOSSLESS = {
    "jpeg_lossless": gdcm.TransferSyntax.JPEGLosslessProcess14,
    "jpeg_lossless_sv1": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "jpeg_ls": gdcm.TransferSyntax.JPEGLSLossless,
    "jpeg_2000": gdcm.TransferSyntax.JPEG2000Lossless,
}


@pytest.mark.parametrize("kind", LOSSLESS.values(), ids=LOSSLESS)
@pytest.mark.parametrize(
    ("dtype", "bits"), [("int16", 16), ("uint16", 16), ("uint16", 12), ("uint8", 8)]
)
def test_lossless_syntaxes_of_gdcm_give_the_uncompressed(tmp_path, kind, dtype, bits):
    values = smooth(dtype, bits)
    (tmp_path / "to").mkdir()
    for k, ds in enumerate(datasets(values, BitsStored=bits, HighBit=bits - 1)):
        save(ds, tmp_path / "from" / f"{k}")
        gdcm_compressed(tmp_path / "from" / f"{k}", tmp_path / "to" / f"{k}", kind)
    files = found(tmp_path / "to")
    np.testing.assert_array_equal(read(files), values)
    assert read_series(files).notes == ()


@pytest.mark.parametrize("kind", ["jpeg_baseline", "jpeg_2000"])
def test_lossy_compression_is_near_and_noted(tmp_path, kind):
    values = smooth("uint8" if kind == "jpeg_baseline" else "uint16", 8)
    syntax = {
        "jpeg_baseline": gdcm.TransferSyntax.JPEGBaselineProcess1,
        "jpeg_2000": gdcm.TransferSyntax.JPEG2000,
    }[kind]
    (tmp_path / "to").mkdir()
    for k, ds in enumerate(datasets(values, BitsStored=8, HighBit=7)):
        ds.LossyImageCompression = "01"
        save(ds, tmp_path / "from" / f"{k}")
        gdcm_compressed(tmp_path / "from" / f"{k}", tmp_path / "to" / f"{k}", syntax)
    files = found(tmp_path / "to")
    assert np.abs(read(files).astype(int) - values).max() <= 8
    assert read_series(files).notes == ("3 slices were compressed with loss",)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.113619.5.2", "1.2.3.4"])
def test_a_syntax_that_cannot_be_decoded_is_named(tmp_path, syntax):
    series = datasets(ramp())
    for ds in series:
        ds["PixelData"] = pydicom.DataElement(0x7FE00010, "OB", encapsulate([b"\0" * 70]))
        ds["PixelData"].is_undefined_length = True
    error = refusal(write_raw(tmp_path, series, syntax))
    assert error.tag == "TransferSyntaxUID (0002,0010)"


def write_raw(folder, series, syntax):
    """Write datasets and put another transfer syntax into the files."""
    for k, ds in enumerate(series):
        path = save(ds, folder / f"{k}", JPEG2000Lossless)
        data = path.read_bytes()
        old = b"UI\x16\x001.2.840.10008.1.2.4.90"
        new = syntax.encode().ljust(22, b"\0")[:24]
        new = new + b"\0" * (len(new) % 2)
        start = data.index(old)
        changed = data[:start] + b"UI" + len(new).to_bytes(2, "little") + new + data[start + 26 :]
        length = int.from_bytes(data[140:144], "little") + len(new) - 22
        path.write_bytes(changed[:140] + length.to_bytes(4, "little") + changed[144:])
    return found(folder)


@pytest.mark.parametrize("syntax", NATIVE.values(), ids=NATIVE)
@pytest.mark.parametrize("surplus", [-70, -2, 2, 64])
def test_truncated_and_surplus_pixels_are_refused(tmp_path, syntax, surplus):
    series = datasets(ramp())
    value = series[1].PixelData
    series[1]["PixelData"].value = value[:surplus] if surplus < 0 else value + bytes(surplus)
    error = refusal(write(tmp_path, series, syntax=syntax))
    assert error.tag == PIXEL_DATA
    assert error.reason == f"expected 70 bytes, but got {70 + surplus}"


@pytest.mark.parametrize("name", [*NATIVE, "rle", "jpeg_ls"])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, name):
    values = smooth("int16", 16)
    series = datasets(values)
    syntax = NATIVE.get(name) or {"rle": RLELossless, "jpeg_ls": JPEGLSLossless}[name]
    if name not in NATIVE:
        for ds in series:
            compress(ds, syntax)
    files = write(tmp_path, series, syntax=syntax)
    path = files[1].path
    data = path.read_bytes()
    spare = {"deflated": 4, "rle": 8, "jpeg_ls": 8}.get(name, 0)  # end of block, delimiter
    for size in [len(data) - spare - 1, *range(len(data) - spare - 2, 400, -97)]:
        path.write_bytes(data[:size])
        with pytest.raises(Refused):
            read(files)
    path.write_bytes(data)
    np.testing.assert_array_equal(read(files), values)


def test_bytes_that_are_no_words_are_not_swapped(tmp_path):
    values = stored_values("uint8")
    series = datasets(values)
    for ds in series:
        ds["PixelData"].VR = "OB"
    np.testing.assert_array_equal(read(write(tmp_path, series, syntax=ExplicitVRBigEndian)), values)


def test_odd_lengths_are_padded(tmp_path):
    values = stored_values("uint8", (3, 5, 7))
    np.testing.assert_array_equal(read(write(tmp_path, datasets(values))), values)


def test_what_follows_the_pixels_is_no_surplus(tmp_path):
    values = ramp()
    series = datasets(values)
    for ds in series:
        ds.add_new(0xFFFCFFFC, "OB", bytes(100))
    np.testing.assert_array_equal(read(write(tmp_path, series)), values)


def test_a_compressed_image_of_another_size_is_refused(tmp_path):
    series = datasets(smooth("int16", 16))
    for ds in series:
        compress(ds, JPEGLSLossless)
        ds.Rows, ds.Columns = ds.Columns, ds.Rows
    error = refusal(write(tmp_path, series, syntax=JPEGLSLossless))
    assert error.tag == PIXEL_DATA
    assert error.reason == "expected compressed pixels of 33 x 28, but got 28 x 33"


def test_a_huge_image_is_not_made_room_for(tmp_path):
    for k, ds in enumerate(datasets(ramp(), Rows=30000, Columns=30000)):
        save(ds, tmp_path / f"{k}")
    assert refusal(found(tmp_path)).tag == PIXEL_DATA


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("SamplesPerPixel", 3, "SamplesPerPixel (0028,0002)"),
        ("SamplesPerPixel", None, "SamplesPerPixel (0028,0002)"),
        ("PhotometricInterpretation", "MONOCHROME1", "PhotometricInterpretation (0028,0004)"),
        ("PhotometricInterpretation", "PALETTE COLOR", "PhotometricInterpretation (0028,0004)"),
        ("PhotometricInterpretation", None, "PhotometricInterpretation (0028,0004)"),
        ("BitsAllocated", 12, "BitsAllocated (0028,0100)"),
        ("BitsAllocated", 1, "BitsAllocated (0028,0100)"),
        ("BitsAllocated", None, "BitsAllocated (0028,0100)"),
        ("BitsAllocated", 8, "BitsStored (0028,0101)"),
        ("BitsStored", 0, "BitsStored (0028,0101)"),
        ("BitsStored", 17, "BitsStored (0028,0101)"),
        ("BitsStored", None, "BitsStored (0028,0101)"),
        ("HighBit", 3, "HighBit (0028,0102)"),
        ("PixelRepresentation", 2, "PixelRepresentation (0028,0103)"),
        ("PixelRepresentation", None, "PixelRepresentation (0028,0103)"),
        ("BitsAllocated", 32, PIXEL_DATA),
    ],
)
def test_a_pixel_format_at_fault_is_named(tmp_path, keyword, value, tag):
    series = datasets(ramp())
    if value is None:
        delattr(series[1], keyword)
    else:
        setattr(series[1], keyword, value)
    assert refusal(write(tmp_path, series)).tag == tag


def test_a_missing_high_bit_is_no_harm(tmp_path):
    values = ramp()
    np.testing.assert_array_equal(read(write(tmp_path, datasets(values, HighBit=None))), values)


def test_hundred_thousand_random_bytes_for_a_code_stream_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    for syntax, head in (
        (RLELossless, b""),
        (JPEGLSLossless, b"\xff\xd8"),
        (JPEG2000Lossless, b""),
    ):
        folder = tmp_path / str(syntax)
        series = datasets(ramp(columns=64, rows=64, slices=2))
        for ds in series:
            noise = head + generator.integers(0, 256, 100_000).astype(np.uint8).tobytes()
            ds["PixelData"] = pydicom.DataElement(0x7FE00010, "OB", encapsulate([noise]))
            ds["PixelData"].is_undefined_length = True
        assert refusal(write(folder, series, syntax=syntax)).tag == PIXEL_DATA


def test_hounsfield_units_do_not_depend_on_the_encoding(tmp_path):
    values = ramp()
    volumes = []
    for name, syntax in NATIVE.items():
        volumes.append(
            load_ct(read_series(write(tmp_path / name, datasets(values), syntax=syntax)))
        )
    for volume in volumes:
        assert volume.array.dtype == np.int16
        np.testing.assert_array_equal(volume.array, values.transpose(2, 1, 0) - 24)
