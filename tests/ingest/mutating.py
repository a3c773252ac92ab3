"""How files of a series are broken: attributes, slices and bytes."""

import io
from functools import partial

import numpy as np
from pydicom import DataElement, Dataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException
from pydicom.tag import Tag

from petnet.ingest.dicom.dicom_file import lenient

IMPLICIT = "1.2.840.10008.1.2"


def opened(files):
    return [dcmread(io.BytesIO(file)) for file in files]


def closed(datasets):
    """Return files as bytes, with their values as they are, however wrong."""
    made = []
    with lenient():
        for dataset in datasets:
            buffer = io.BytesIO()
            dcmwrite(buffer, dataset, enforce_file_format=False)
            made.append(buffer.getvalue())
    return made


def on_headers(change):
    """Return a mutation of files from one that changes a list of datasets in place."""

    def mutate(files, generator):
        datasets = opened(files)
        change(datasets, generator)
        return closed(datasets)

    return mutate


def in_turn(*changes):
    """Return the mutation that does several, one after the other."""

    def change(datasets, generator):
        for one in changes:
            one(datasets, generator)

    return change


def tag_of(attribute):
    return Tag(tag_for_keyword(attribute) if isinstance(attribute, str) else attribute)


def holders(datasets):
    """Yield every dataset and every item of their sequences."""
    for dataset in datasets:
        yield dataset
        for tag in list(dataset.keys()):
            yield from holders(_items(dataset, tag))


def _items(dataset, tag):
    element = dataset.get_item(tag)
    vr = element.VR or _implicit_vr(tag)
    if vr != "SQ":
        return []
    try:
        with lenient():
            return list(dataset[tag].value or ())
    except (ValueError, OSError, EOFError, TypeError, AttributeError, BytesLengthException):
        return []  # broken before


def _implicit_vr(tag):
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def having(datasets, attribute):
    """Return the datasets and items that hold an attribute."""
    tag = tag_of(attribute)
    return [one for one in holders(datasets) if tag in one]


def inner(found):
    """Return one from the middle: the slices at both ends can be lost without a trace."""
    return [found[len(found) // 2]]


def put(attribute, value, vr=None, place="all"):
    """Return the change that gives an attribute these bytes; None deletes it."""

    def change(datasets, _):
        found = having(datasets, attribute)
        assert found, f"nothing holds {attribute}"
        for one in found if place == "all" else inner(found):
            set_bytes(one, tag_of(attribute), value, vr)

    return change


def add(attribute, value, vr=None):
    """Return the change that writes an attribute at the top of every file."""

    def change(datasets, _):
        for one in datasets:
            set_bytes(one, tag_of(attribute), value, vr)

    return change


def set_bytes(dataset, tag, value, vr=None):
    if value is None:
        del dataset[tag]
        return
    was = dataset.get_item(tag) if tag in dataset else None
    vr = vr or (was.VR if was else dictionary_VR(tag))
    value += b" " * (len(value) % 2)
    raw = RawDataElement(tag, vr, len(value), value, 0, vr is None, True)
    dataset._dict[tag] = raw  # setting it the usual way converts private ones


def numbers(attribute, convert, place="all"):
    """Return the change of numbers written as text."""

    def rewrite(text):
        found = convert(np.array([float(part) for part in text.split("\\")]))
        return "\\".join(f"{number:.10g}"[:16] for number in np.atleast_1d(found))

    return texts(attribute, rewrite, place)


def times(factor):
    return lambda found: found * factor


def texts(attribute, rewrite, place="all"):
    """Return the change that rewrites an attribute's text."""

    def change(datasets, _):
        found = having(datasets, attribute)
        assert found, f"nothing holds {attribute}"
        for one in found if place == "all" else inner(found):
            text = _text(one, tag_of(attribute))
            set_bytes(one, tag_of(attribute), rewrite(text).encode("latin-1"))

    return change


def _text(dataset, tag):
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        return element.value.decode("latin-1").strip("\0 ")
    value = element.value
    many = not isinstance(value, str) and hasattr(value, "__iter__")
    return "\\".join(str(part) for part in value) if many else str(value)


def exchange(one, other):
    """Return the change that swaps two attributes' bytes."""

    def change(datasets, _):
        a, b = tag_of(one), tag_of(other)
        pairs = zip(having(datasets, one), having(datasets, other), strict=True)
        for x, y in pairs:
            first, second = _text(x, a), _text(y, b)
            set_bytes(x, a, second.encode())
            set_bytes(y, b, first.encode())

    return change


def swap_slices(attribute):
    """Return the change that swaps what two neighbours in the middle say."""

    def change(datasets, _):
        found, tag = having(datasets, attribute), tag_of(attribute)
        k = len(found) // 2
        one, other = found[k - 1], found[k]
        first, second = _text(one, tag), _text(other, tag)
        set_bytes(one, tag, second.encode())
        set_bytes(other, tag, first.encode())

    return change


def shuffle_numbers(datasets, generator):
    for dataset, number in zip(datasets, generator.permutation(len(datasets)), strict=True):
        dataset.InstanceNumber = int(number)


def open_sequence(attribute):
    """Return the change of an attribute into a sequence of undefined length, with an odd item."""

    def change(datasets, _):
        for one in having(datasets, attribute):
            item = Dataset()
            item.add_new(0x36343732, "UN", b"Doe^Planted ")
            element = DataElement(tag_of(attribute), "SQ", [item], already_converted=False)
            element.is_undefined_length = True
            one._dict[tag_of(attribute)] = element

    return change


def foreign(attribute, value):
    """Return the change after which one slice in the middle says something else at its top."""

    def change(datasets, _):
        for one in inner(datasets):
            set_bytes(one, tag_of(attribute), value)

    return change


def at(datasets, attribute):
    return having(datasets, attribute)[0].get_item(tag_of(attribute))


# ---- files


def shuffled(files, generator):
    return [files[k] for k in generator.permutation(len(files))]


def without(*places):
    def mutate(files, _):
        drop = {place % len(files) for place in places}
        return [file for k, file in enumerate(files) if k not in drop]

    return mutate


def copied(files, generator):
    k = int(generator.integers(len(files)))
    return [*files, files[k]]


def copied_and(change):
    """Return the mutation that adds a changed copy of a slice in the middle."""

    def mutate(files, generator):
        copy = on_headers(change)([files[len(files) // 2]], generator)
        return [*files, *copy]

    return mutate


def with_syntax(uid):
    """Return the mutation that names another transfer syntax; None deletes it."""

    def mutate(files, _):
        return [_with_syntax(file, uid) for file in files]

    return mutate


def _with_syntax(file, uid):
    at = file.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(file[at + 6 : at + 8], "little")
    rest = file[at + 8 + length :]
    if uid is None:
        return file[:at] + rest
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return file[: at + 6] + len(value).to_bytes(2, "little") + value + rest


def without_preamble(files, _):
    """Return files as ACR-NEMA had them: the dataset alone, of implicit or explicit VR."""
    return [file[132:] for file in files]


def on_bytes(change, place="any"):
    """Return the mutation of one file's bytes: of any, or of one in the middle."""

    def mutate(files, generator):
        files = list(files)
        k = len(files) // 2 if place == "inner" else int(generator.integers(len(files)))
        files[k] = bytes(change(bytearray(files[k]), generator))
        return files

    return mutate


def flip(data, generator, count=1):
    for at in generator.integers(len(data), size=count):
        data[at] ^= 1 << int(generator.integers(8))
    return data


def overwrite(data, generator):
    start, size = int(generator.integers(len(data))), int(generator.integers(1, 64))
    noise = generator.integers(256, size=size).astype(np.uint8).tobytes()
    fill = (bytes(size), b"\xff" * size, noise)[int(generator.integers(3))]
    data[start : start + size] = fill
    return data


def insert(data, generator):
    at = int(generator.integers(len(data)))
    size = int(generator.integers(1, 40))
    data[at:at] = generator.integers(256, size=size).astype(np.uint8).tobytes()
    return data


def remove(data, generator):
    at = int(generator.integers(len(data)))
    del data[at : at + int(generator.integers(1, 40))]
    return data


def cut(data, generator):
    return data[: int(generator.integers(len(data)))]


def doubled(data, generator):
    """Write a piece of the file twice."""
    at, size = int(generator.integers(len(data))), int(generator.integers(1, 200))
    data[at:at] = data[at : at + size]
    return data


def long_lengths(data, generator):
    """Let lengths of elements say that gigabytes follow."""
    at = int(generator.integers(132, max(133, len(data) - 4)))
    data[at : at + 4] = generator.choice([b"\xff\xff\xff\x7f", b"\xff" * 4, b"\xfe\xff\xff\xff"])
    return data


many_flips = partial(flip, count=25)
