"""Lossless JPEG: streams encoded here from the text of T.81, and GDCM's answers to them."""

import gdcm
import numpy as np
import pytest

from petnet.ingest.dicom.jpeg_lossless import decode

SHAPE = (9, 14)


def predicted(samples, y, x, predictor, bits, first_row):
    """Return the prediction of a sample (T.81 H.1.2.1, table H.1)."""
    if y == first_row and x == 0:
        return 2 ** (bits - 1)
    if y == first_row:
        return samples[y, x - 1]
    if x == 0:
        return samples[y - 1, 0]
    a, b, c = (int(n) for n in (samples[y, x - 1], samples[y - 1, x], samples[y - 1, x - 1]))
    return {
        1: a, 2: b, 3: c, 4: a + b - c, 5: a + (b - c) // 2, 6: b + (a - c) // 2, 7: (a + b) // 2
    }[predictor]  # fmt: skip


def encode(samples, predictor=1, bits=16, transform=0, restart_rows=0):
    """Return a code stream, each difference with a Huffman code of five bits."""
    rows, columns = samples.shape
    shifted = samples.astype(int) >> transform
    out = b"\xff\xd8\xff\xc3" + (11).to_bytes(2, "big") + bytes([bits])
    out += rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + b"\1\1\x11\0"
    counts = [0] * 16
    counts[4] = 17
    out += b"\xff\xc4" + (19 + 17).to_bytes(2, "big") + b"\0" + bytes(counts) + bytes(range(17))
    if restart_rows:
        out += b"\xff\xdd\0\4" + (restart_rows * columns).to_bytes(2, "big")
    out += b"\xff\xda\0\x08\1\1\0" + bytes([predictor, 0, transform])
    written, first_row, marker = "", 0, 0
    for y in range(rows):
        if restart_rows and y and y % restart_rows == 0:
            out += stuffed(written) + bytes([0xFF, 0xD0 + marker % 8])
            written, first_row, marker = "", y, marker + 1
        for x in range(columns):
            guess = predicted(shifted, y, x, predictor, bits - transform, first_row)
            difference = (int(shifted[y, x]) - int(guess)) % 2**16
            if difference > 2**15:
                difference -= 2**16
            size = abs(difference).bit_length()
            written += f"{size:05b}"
            if 0 < size < 16:
                value = difference if difference > 0 else difference + 2**size - 1
                written += f"{value:0{size}b}"
    return out + stuffed(written) + b"\xff\xd9"


def stuffed(written):
    """Return bits as bytes, filled with ones, each FF followed by a zero."""
    written += "1" * (-len(written) % 8)
    data = bytes(int(written[k : k + 8], 2) for k in range(0, len(written), 8))
    return data.replace(b"\xff", b"\xff\0")


def by_gdcm(data, shape, bits):
    """Return the samples as GDCM decodes them."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data + bytes(len(data) % 2))
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((shape[1], shape[0], 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.JPEGLosslessProcess14
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits, bits - 1, 0))
    raw = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(raw, "<u2").reshape(shape)


def noise(bits, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 2**bits, shape).astype(np.uint16)


@pytest.mark.parametrize("bits", [9, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_gives_back_what_was_encoded(predictor, bits):
    samples = noise(bits)
    data = encode(samples, predictor, bits)
    np.testing.assert_array_equal(decode(data, SHAPE), samples)
    np.testing.assert_array_equal(by_gdcm(data, SHAPE, bits), samples)


@pytest.mark.parametrize("predictor", [1, 4, 7])
def test_restart_intervals_begin_anew(predictor):
    samples = noise(12)
    data = encode(samples, predictor, 12, restart_rows=2)
    np.testing.assert_array_equal(decode(data, SHAPE), samples)
    np.testing.assert_array_equal(by_gdcm(data, SHAPE, 12), samples)


def test_a_point_transform_leaves_low_bits_out():
    samples = noise(12)
    data = encode(samples, 1, 12, transform=3)
    np.testing.assert_array_equal(decode(data, SHAPE), samples >> 3 << 3)


def test_the_greatest_difference_has_no_bits_of_its_own():
    samples = np.array([[0, 0x8000, 0, 0xFFFF, 0x7FFF]], np.uint16)
    for predictor in range(1, 8):
        np.testing.assert_array_equal(decode(encode(samples, predictor), (1, 5)), samples)


def test_smooth_images_and_single_columns():
    for shape in ((1, 1), (1, 30), (30, 1), (64, 64)):
        samples = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1])).astype(np.uint16)
        for predictor in (1, 5, 6):
            np.testing.assert_array_equal(decode(encode(samples, predictor), shape), samples)


def test_damaged_streams_are_value_errors_or_images():
    """Whatever 3,000 damaged streams hold: an image of the right size, or a ValueError."""
    data = encode(noise(12), 4, 12, restart_rows=3)
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(generator.integers(1, 4)):
            at = generator.integers(2, len(damaged) if generator.random() < 0.5 else 70)
            damaged[at] = generator.integers(0, 256)
        try:
            assert decode(bytes(damaged), SHAPE).shape == SHAPE
        except ValueError:
            refused += 1
    assert refused > 500


def test_every_truncation_is_refused():
    data = encode(noise(12), 1, 12)
    for size in range(len(data) - 3):  # the end marker, and the last byte which may be filling
        with pytest.raises(ValueError):
            decode(data[:size], SHAPE)


def test_another_size_or_kind_is_refused():
    data = encode(noise(12), 1, 12)
    with pytest.raises(ValueError, match="another size"):
        decode(data, (14, 9))
    with pytest.raises(ValueError):
        decode(data.replace(b"\xff\xc3", b"\xff\xc0"), SHAPE)
