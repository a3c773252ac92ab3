"""Classes of mutations, and what is declared beforehand to become of each.

- same: the right SUV, HU or masks come out, in the right place;
- refused: the series (or the region) is refused, by one of `tags` where there are any;
- either: the one or the other, never anything wrong;
- warned: as `either`, or something else with a warning in the sidecar;
- undetectable: the files are as a sound series of other content would be, or may be so (`why`);
  then nothing is asked but an end without traceback or hang.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from mutating import (
    copied,
    copied_and,
    cut,
    doubled,
    exchange,
    flip,
    foreign,
    holders,
    in_turn,
    inner,
    insert,
    long_lengths,
    many_flips,
    numbers,
    on_bytes,
    on_headers,
    open_sequence,
    overwrite,
    put,
    remove,
    set_bytes,
    shuffle_numbers,
    shuffled,
    swap_slices,
    tag_of,
    texts,
    times,
    with_syntax,
    without,
    without_preamble,
)
from mutation_bases import CT, ENHANCED, NAMES, PET, REGIONS
from pydicom.datadict import keyword_for_tag

SAME, REFUSED, EITHER, WARNED, UNDETECTABLE = (
    "same", "refused", "either", "warned", "undetectable"
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Mutation:
    """A class of mutations.

    Attributes
    ----------
    mutate : callable
        Takes files (bytes) and a numpy Generator; returns files.
    expected : mapping of str to str
        Base to what is declared of it.
    tags : tuple of str
        A refusal must name one of them; none: any attribute.
    why : str
        Why it cannot be detected.
    """

    name: str
    mutate: Callable
    expected: Mapping[str, str]
    tags: tuple[str, ...] = ()
    why: str = ""

    @property
    def declared(self):
        """Whether chance has no part in what is changed."""
        return self not in BY_CHANCE and "shuffled" not in self.name and "cut" not in self.name


CLASSIC = tuple(PET)
DECAYED = ("ge", "ge late", "siemens", "siemens late", "rle", "activity", "none")
BY_DOSE = (*DECAYED, "fapi")
STORED_SUV = ("philips", "gml")  # as SUVbw: nothing but the slope is needed
BY_SIZE = (*BY_DOSE, "cm2ml", ENHANCED)  # the weight is needed
ONLY_TIME = ("siemens", "siemens late", "rle")  # of injection, without a date
#: Without a time of GE's: the time of acquisition is needed.
BY_ACQUISITION = ("siemens", "siemens late", "rle", "activity", "none")
PLANAR = (*CLASSIC, *CT)  # one file a slice
IMAGES = (*PLANAR, ENHANCED)
NATIVE = tuple(n for n in PLANAR if n not in ("rle", "gml", "ct jpeg-ls"))
EXPLICIT = tuple(n for n in NATIVE if n not in ("ge late", "ct"))  # of VR

MISSING = {"deleted": None, "empty": b""}
MALFORMED = {
    "words": b"abc",
    "several values": b"70\\71\\72\\73",
    "NaN": b"NaN",
    "infinite": b"-inf",
    "beyond a double": b"1e999",
    "decimal comma": b"70,5",
    "not text": b"\xff\xfe\0\1",
    "very long": b"7" * 5000,
}
IMPOSSIBLE = {"zero": b"0", "negative": b"-70", "huge": b"1e30"}
NO_WORD = {"another word": b"NONSENSE", "not text": b"\xff\xfe\0\1", "very long": b"X" * 5000}


def each(bases, expected):
    return dict.fromkeys(bases, expected)


def rest(bases, expected, of=CLASSIC):
    """Declare it of the bases, and `same` of the others."""
    return each(of, SAME) | each(bases, expected)


def faults(attribute, expected, *groups, tags=None, label=None, place="all"):
    """Return a class for each value that an attribute must not have."""
    name = label or attribute
    where = "" if place == "all" else " in one slice"
    tags = (name,) if tags is None else tags
    return [
        Mutation(f"{name}{where}: {fault}", on_headers(put(attribute, value, place=place)),
                 expected, tags)
        for group in groups for fault, value in group.items()
    ]  # fmt: skip


def header(name, change, expected, tags=(), why=""):
    return Mutation(name, on_headers(change), expected, tags, why)


SEQUENCE = "RadiopharmaceuticalInformationSequence"
STARTS = ("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime")
GE_SCAN, PHILIPS_SUV, PHILIPS_BQ = 0x0009100D, 0x70531000, 0x70531009
ACQUIRED = ("AcquisitionTime", "AcquisitionDate")
FRAME = ("FrameReferenceTime", "AcquisitionTime", "ActualFrameDuration", "SeriesTime")
DATED = ("ge", "ge late")  # by GE's own moment

# ---- what SUV depends on

SUV_ATTRIBUTES = [
    *faults("PatientWeight", rest(BY_SIZE, REFUSED), MISSING, MALFORMED, IMPOSSIBLE),
    *faults("PatientWeight", each(BY_SIZE, REFUSED), MISSING, {"zero": b"0"}, place="one"),
    *faults("PatientSize", rest(["cm2ml"], REFUSED), MISSING, MALFORMED, IMPOSSIBLE),
    *faults("RadionuclideTotalDose", rest((*BY_DOSE, ENHANCED), REFUSED), MISSING, MALFORMED,
            IMPOSSIBLE),
    *faults(SEQUENCE, rest((*BY_DOSE, ENHANCED), REFUSED), {"deleted": None, "empty": b""},
            {"no items": b"abcdefgh"}, tags=("RadionuclideTotalDose", SEQUENCE, *STARTS,
                                            "RadionuclideHalfLife")),
    *faults("RescaleSlope", each((*CLASSIC, *CT), REFUSED), MISSING, MALFORMED, IMPOSSIBLE),
    *faults("RescaleSlope", each(CLASSIC, REFUSED), {"large": b"1e12", "tiny": b"1e-20"}),
    *(header(f"{attribute}: a sequence", open_sequence(attribute), expected, (attribute,))
      for attribute, expected in (("PatientWeight", rest(BY_SIZE, REFUSED)),
                                  ("RescaleIntercept", each(CLASSIC, REFUSED)),
                                  ("RescaleSlope", each((*CLASSIC, *CT), REFUSED)),
                                  ("SeriesTime", each(CLASSIC, SAME)),
                                  ("CorrectedImage", each(CLASSIC, REFUSED)),
                                  ("Units", each(CLASSIC, REFUSED)),
                                  ("ImagePositionPatient", each((*CLASSIC, *CT), REFUSED)))),
    *faults("RescaleSlope", each((*CLASSIC, *CT), REFUSED), MISSING, {"zero": b"0"}, place="one"),
    *faults("RealWorldValueSlope", each([ENHANCED], REFUSED), MISSING,
            {"zero": bytes(8), "NaN": b"\0\0\0\0\0\0\xf8\x7f", "too short": b"\1\2"},
            tags=("RealWorldValueSlope", "RescaleSlope")),
    *faults("RescaleIntercept", each(CLASSIC, SAME), MISSING, {"zero": b"0.0"}),
    *faults("RescaleIntercept", each(CT, REFUSED), MISSING),
    *faults("RescaleIntercept", each((*CLASSIC, *CT), REFUSED), MALFORMED, {"huge": b"1e30"}),
    *faults("RescaleIntercept", each(CLASSIC, REFUSED), {"of CT": b"-1024"}, place="one"),
    *faults("Units", each(CLASSIC, REFUSED), MISSING, NO_WORD,
            {term: term.encode() for term in ("CPS", "PROPCNTS", "PROPCPS", "1CM", "PCNT")}),
    *faults("Units", each(CLASSIC, REFUSED), MISSING, {"GML": b"GML2"}, place="one"),
    *faults("DecayCorrection", rest(BY_DOSE, REFUSED), MISSING, NO_WORD),
    *faults("DecayCorrection", each((*DECAYED[:-1], "fapi"), REFUSED), {"NONE": b"NONE"}),
    *faults("DecayCorrection", each(["none"], REFUSED), {"START": b"START", "ADMIN": b"ADMIN"}),
    *faults("CorrectedImage", each(CLASSIC, SAME), MISSING),
    *faults("CorrectedImage", each(CLASSIC, REFUSED), NO_WORD, {"not ATTN": b"DECY\\SCAT"}),
    *faults("AttenuationCorrectionMethod", each(CLASSIC, SAME), MISSING),
    *faults("AttenuationCorrectionMethod", each(CLASSIC, REFUSED), {"none": b"NONE"}),
    *faults("RadionuclideHalfLife", each((*CLASSIC, ENHANCED), SAME), MISSING, {"zero": b"0"}),
    *faults("RadionuclideHalfLife", rest((*DECAYED, ENHANCED), REFUSED), MALFORMED,
            {"negative": b"-6586", "huge": b"1e30", "in minutes": b"109.77", "C-11": b"1223.4"}),
    *faults("RadionuclideCodeSequence", each((*CLASSIC, ENHANCED), SAME), {"deleted": None},
            {"empty": b"", "no items": b"abcdefgh"}),
    header("RadionuclideHalfLife and RadionuclideCodeSequence: deleted",
           in_turn(put("RadionuclideHalfLife", None), put("RadionuclideCodeSequence", None)),
           rest((*DECAYED, ENHANCED), REFUSED), ("RadionuclideHalfLife",)),
    *faults(STARTS[0], rest(ONLY_TIME, REFUSED, [n for n in CLASSIC if n != "none"]), MISSING,
            MALFORMED, {"no hour": b"256100"}, tags=STARTS),
    *faults(STARTS[1], each([n for n in CLASSIC if n not in (*ONLY_TIME, "none")], SAME), MISSING,
            MALFORMED, {"no month": b"20201304100107"}),
    *faults(STARTS[1], each(["none", ENHANCED], REFUSED), MISSING, MALFORMED,
            {"no month": b"20201304100107", "no time": b"20200504"}, tags=STARTS),
]  # fmt: skip

TIMES = [
    *faults("SeriesTime", each((*CLASSIC, ENHANCED), SAME), MISSING, MALFORMED),
    *faults("SeriesDate", each((*CLASSIC, ENHANCED), SAME), MISSING, MALFORMED),
    *faults("AcquisitionDate", each(CLASSIC, SAME), MISSING, MALFORMED),
    *faults("AcquisitionTime", rest(BY_ACQUISITION, REFUSED), MISSING, MALFORMED, tags=ACQUIRED),
    *faults("AcquisitionTime", rest(["siemens late", "none"], REFUSED), MISSING, {"words": b"abc"},
            tags=FRAME, place="one"),
    *faults("FrameReferenceTime", rest(["siemens late"], REFUSED), MISSING, MALFORMED, tags=FRAME),
    *faults("ActualFrameDuration", rest(["siemens late", "none"], REFUSED), MISSING, MALFORMED,
            IMPOSSIBLE, tags=FRAME),
    *faults(GE_SCAN, each(DATED, SAME), MISSING, MALFORMED, label="GE scan time"),
    header("private creators: deleted", lambda datasets, _: _drop_creators(datasets),
           each((*DATED, "philips", "activity"), SAME)),
    header("both dates: deleted", in_turn(put("SeriesDate", None), put("AcquisitionDate", None)),
           rest(BY_ACQUISITION, REFUSED), (*ACQUIRED, "SeriesDate", "SeriesTime")),
    header("injection and series time: swapped", exchange(STARTS[0], "SeriesTime"),
           each(["siemens", "rle"], REFUSED) | each(["gml", "philips", "fapi"], SAME)
           | each(["activity"], WARNED), ("SeriesTime", *STARTS, "AcquisitionTime")),
    header("injection and acquisition time: swapped", exchange(STARTS[0], "AcquisitionTime"),
           each(["siemens late", "siemens", "rle"], REFUSED) | each(["gml", "fapi"], SAME),
           (*FRAME, *STARTS)),
    header("injection: a day later", texts(STARTS[1], lambda text: _other_day(text, 1)),
           each([n for n in CLASSIC if n not in (*ONLY_TIME, "none")], SAME)
           | each(["none", ENHANCED], REFUSED), STARTS),
    header("injection: years before", texts(STARTS[1], lambda text: "2001" + text[4:]),
           each([n for n in CLASSIC if n not in (*ONLY_TIME, "none")], SAME)
           | each(["none", ENHANCED], REFUSED), STARTS),
    header("injection: after the scan", put(STARTS[0], b"140000.00"), rest(ONLY_TIME, REFUSED,
           (*ONLY_TIME, "gml", "philips", "fapi")), STARTS),
    header("injection: two times of day", put(STARTS[0], b"093000"),
           each(["ge", "activity", "gml", "philips", "fapi"], WARNED)),
    header("SeriesTime: 20 min early", put("SeriesTime", b"104307"),
           each(["ge", "siemens", "activity", "rle"], WARNED)),
    header("SeriesTime: hours late", put("SeriesTime", b"154307"), each(CLASSIC, SAME)),
    header("FrameReferenceTime: days", put("FrameReferenceTime", b"99999999"),
           rest(["siemens late"], REFUSED)),
    header("injection: an hour earlier", put(STARTS[0], b"090107"),
           each(ONLY_TIME, UNDETECTABLE), why="an uptake of two hours is as good as one"),
]  # fmt: skip

VALUES = [
    header("weight in g", numbers("PatientWeight", times(1000)), rest(BY_SIZE, SAME)),
    header("weight in t", numbers("PatientWeight", times(1e-3)), rest(BY_SIZE, REFUSED),
           ("PatientWeight",)),
    header("weight with a digit too many", numbers("PatientWeight", times(10)),
           rest(BY_SIZE, REFUSED), ("PatientWeight",)),
    header("weight of another person", numbers("PatientWeight", times(1.08)),
           each((*BY_DOSE, ENHANCED, "cm2ml"), UNDETECTABLE), why="nothing else says the weight"),
    header("weight in lb", numbers("PatientWeight", times(2.2046)),
           each((*BY_DOSE, ENHANCED), UNDETECTABLE), why="157 is a weight in kg, too"),
    header("weights that differ", numbers("PatientWeight", times(1.08), "one"),
           each((*BY_DOSE, "cm2ml"), REFUSED) | each(STORED_SUV, EITHER), ("PatientWeight",)),
    header("height in cm", numbers("PatientSize", times(100)), each(CLASSIC, SAME)),
    header("dose in MBq", numbers("RadionuclideTotalDose", times(1e-6)), each(DECAYED, SAME)),
    header("dose in kBq", numbers("RadionuclideTotalDose", times(1e-3)), rest(DECAYED, REFUSED,
           [n for n in CLASSIC if n != "fapi"]), ("RadionuclideTotalDose",)),
    header("dose in mCi", numbers("RadionuclideTotalDose", times(1 / 3.7e7)),
           each(DECAYED, REFUSED), ("RadionuclideTotalDose",)),
    header("dose in uCi", numbers("RadionuclideTotalDose", times(1 / 3.7e4)),
           each(DECAYED, WARNED)),
    header("dose in GBq written in MBq", numbers("RadionuclideTotalDose", times(1e3)),
           each(DECAYED, REFUSED), ("RadionuclideTotalDose",)),
    header("dose doubled", numbers("RadionuclideTotalDose", times(2)),
           each((*BY_DOSE, ENHANCED), UNDETECTABLE), why="nothing else says the dose"),
    header("doses that differ", numbers("RadionuclideTotalDose", times(2), "one"),
           each(BY_DOSE, REFUSED) | each(STORED_SUV, EITHER), ("RadionuclideTotalDose",)),
    header("two injections", lambda datasets, _: _inject_twice(datasets),
           each(BY_DOSE, REFUSED) | each(STORED_SUV, EITHER), (SEQUENCE,)),
    header("nuclide of another name", put("CodeValue", b"C-131A3"),
           each(DECAYED, REFUSED), ("Radio",)),
    header("Units: GML", put("Units", b"GML"), each((*DECAYED, "fapi"), UNDETECTABLE),
           why="any number may be an SUV; petnet check looks at its level"),
    header("Units: BQML", put("Units", b"BQML"), each(["gml", "philips"], UNDETECTABLE),
           why="any number may be a concentration; petnet check looks at the level of SUV"),
    header("Units: CNTS", put("Units", b"CNTS"),
           each([n for n in BY_DOSE if n != "activity"], REFUSED), ("7053",)),
    header("DecayCorrection: ADMIN", put("DecayCorrection", b"ADMIN"),
           each([n for n in DECAYED if n != "none"], UNDETECTABLE),
           why="DecayFactor would tell, but is 1 or made up in too many real files"),
    header("slope doubled", numbers("RescaleSlope", times(2)), each(IMAGES[:-1], UNDETECTABLE),
           why="nothing else says the scale"),
    *faults(PHILIPS_SUV, each(["philips"], SAME), MISSING, {"zero": b"0"}, label="7053,1000"),
    *faults(PHILIPS_SUV, each(["philips"], REFUSED), MALFORMED, {"negative": b"-1"},
            label="7053,1000"),
    *faults(PHILIPS_BQ, each(["philips"], SAME), MISSING, {"zero": b"0"}, label="7053,1009"),
    *faults(PHILIPS_BQ, each(["activity"], REFUSED), MISSING, MALFORMED, IMPOSSIBLE,
            label="7053,1009"),
    header("both of Philips' factors: deleted",
           in_turn(put(PHILIPS_SUV, None), put(PHILIPS_BQ, None)), each(["philips"], REFUSED),
           ("7053,1000",)),
]  # fmt: skip

# ---- images

POSITION, ORIENTATION = "ImagePositionPatient", "ImageOrientationPatient"
GROUPS = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
PLACES = (POSITION, ORIENTATION, "PixelSpacing", *GROUPS)
FEW = {name: MALFORMED[name] for name in ("words", "NaN", "infinite", "not text")}
PIXEL_TAGS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
              "SamplesPerPixel", "PhotometricInterpretation", "PixelData")  # fmt: skip
FORM = each(IMAGES, REFUSED)

GEOMETRY = [
    *(m for a in PLACES[:3] for m in faults(a, FORM, MISSING, MALFORMED, tags=PLACES)),
    *(m for a in PLACES[:3]
      for m in faults(a, each(PLANAR, REFUSED), MISSING, FEW, tags=PLACES, place="one")),
    *faults(POSITION, FORM, {"all at one": b"0\\0\\0", "far away": b"1e30\\0\\0"}, tags=()),
    *faults(ORIENTATION, FORM,
            {"zero": b"0\\0\\0\\0\\0\\0", "skew": b"1\\0\\0\\0.5\\0.8660254\\0", "long":
             b"2\\0\\0\\0\\1\\0", "along the slices": b"1\\0\\0\\0\\0\\1"}, tags=()),
    *faults("PixelSpacing", FORM, {"zero": b"0\\0", "negative": b"-4\\4", "huge": b"1e30\\4"}),
    header("a position moved along the normal",
           numbers(POSITION, lambda p: p + np.array([0, 0, 1.0]), "one"), FORM, ("slices",)),
    header("a position moved aside", numbers(POSITION, lambda p: p + np.array([1.0, 0, 0]), "one"),
           FORM, (POSITION,)),
    header("a position doubled", numbers(POSITION, lambda p: p + np.array([0, 0, 4.0]), "one"),
           FORM),
    header("gantry tilt", lambda datasets, _: _shear(datasets), each(CLASSIC, REFUSED),
           (POSITION, "GantryDetectorTilt")),
    header("an orientation turned", numbers(ORIENTATION, lambda o: -o, "one"),
           each(PLANAR, REFUSED), (ORIENTATION,)),
    header("a spacing wider", numbers("PixelSpacing", times(1.1), "one"), each(PLANAR, REFUSED),
           ("PixelSpacing",)),
    header("all spacings wider", numbers("PixelSpacing", times(1.1)), each(IMAGES, UNDETECTABLE),
           why="nothing else says the spacing"),
    header("all rows upside down", numbers(ORIENTATION, lambda o: o * np.repeat([1, -1], 3)),
           each(IMAGES, UNDETECTABLE), why="so does a patient lie who is turned round"),
    header("two positions swapped", swap_slices(POSITION), each(IMAGES, UNDETECTABLE),
           why="no other attribute says the place"),
    header("SliceThickness: deleted", put("SliceThickness", None), each(IMAGES, SAME)),
    header("InstanceNumbers: shuffled", shuffle_numbers, each(PLANAR, SAME)),
    header("InstanceNumber: deleted", put("InstanceNumber", None), each((*IMAGES, *REGIONS), SAME)),
    header("SOPInstanceUID: deleted", put("SOPInstanceUID", None), each((*IMAGES, *REGIONS), SAME)),
    header("SOPInstanceUID: the same", put("SOPInstanceUID", b"1.2.3"), each(PLANAR, SAME)),
    header("PatientID: deleted", put("PatientID", None), each((*IMAGES, *REGIONS), SAME)),
    header("FrameOfReferenceUID: deleted", put("FrameOfReferenceUID", None), each(IMAGES, SAME)),
    header("StudyInstanceUID: deleted", put("StudyInstanceUID", None), each(IMAGES, SAME)),
    header("SeriesInstanceUID: deleted", put("SeriesInstanceUID", None),
           each(IMAGES, REFUSED), ("SeriesInstanceUID",)),
    *(header(f"{a}: another in one slice", foreign(a, b"1.2.3"), each(PLANAR, REFUSED),
             (a, "slices"))
      for a in ("PatientID", "FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID")),
    *faults("SOPClassUID", each((*IMAGES, *REGIONS), REFUSED), MISSING,
            {"of MR": b"1.2.840.10008.5.1.4.1.1.4", "no UID": b"abc"}),
    *faults("Modality", each((*IMAGES, *REGIONS), SAME), MISSING),
    *faults("Modality", each((*IMAGES, *REGIONS), REFUSED), {"MR": b"MR"}),
    *faults("ImageType", each(PLANAR, REFUSED), {"localizer": b"ORIGINAL\\PRIMARY\\LOCALIZER",
            "projection": b"DERIVED\\SECONDARY\\MIP"}),
    *faults("SeriesType", each(CLASSIC, REFUSED), {"dynamic": b"DYNAMIC\\IMAGE",
            "projection": b"WHOLE BODY\\REPROJECTION"}),
]  # fmt: skip

PIXELS = [
    *(m for a in PIXEL_TAGS for m in faults(a, FORM if a != "HighBit" else each(IMAGES, SAME),
                                            {"deleted": None}, tags=())),
    *(m for a in PIXEL_TAGS[:-2] if a != "HighBit"
      for m in faults(a, FORM, {"empty": b"", "words": b"abcdef", "65535": b"\xff\xff"}, tags=())),
    *faults("Rows", FORM, {"32768": b"\0\x80", "1": b"\1\0", "0": b"\0\0"},
            tags=("Rows", "PixelData")),
    *faults("Columns", each(PLANAR, REFUSED), {"10": b"\n\0"}, place="one"),
    *faults("Rows", FORM, {"10": b"\n\0"}, tags=("PixelData",)),
    *faults("BitsAllocated", FORM | each(["gml", "ct jpeg-ls"], EITHER), {"32": b" \0"},
            tags=PIXEL_TAGS),
    *faults("BitsAllocated", FORM, {"8": b"\x08\0", "12": b"\x0c\0", "1": b"\1\0"},
            tags=PIXEL_TAGS),
    *faults("SamplesPerPixel", FORM, {"3": b"\3\0"}, tags=("SamplesPerPixel", "Photometric")),
    *faults("PhotometricInterpretation", FORM, {"inverted": b"MONOCHROME1", "colour": b"RGB"},
            NO_WORD),
    *faults("PixelRepresentation", FORM, {"2": b"\2\0"}),
    header("PixelRepresentation: the other", lambda datasets, _: _other_sign(datasets),
           each(NATIVE, SAME)),
    header("BitsStored: 12", put("BitsStored", b"\x0c\0"), each(NATIVE, UNDETECTABLE),
           why="overlays may fill the bits beside"),
    header("Rows and Columns: swapped", lambda datasets, _: _turn(datasets),
           each(NATIVE, UNDETECTABLE) | each(["ct jpeg-ls", "gml"], REFUSED), ("PixelData",),
           why="as many pixels"),
    *(header(f"PixelData: {name}", lambda d, _, k=keep: _keep_pixels(d, k), each(NATIVE, REFUSED),
             ("PixelData",))
      for name, keep in (("half", 0.5), ("empty", 0), ("double", 2.0), ("two bytes short", -2))),
    header("PixelData of one slice: half", lambda d, _: _keep_pixels(inner(d), 0.5),
           each(NATIVE, REFUSED), ("PixelData",)),
    header("PixelData: other numbers", lambda d, g: _noise(d, g), each(NATIVE, UNDETECTABLE),
           why="so may any image look"),
    Mutation("fewer bytes than PixelData says", on_bytes(lambda d, _: d[:-9], "inner"),
             FORM, ("PixelData", "file")),
    Mutation("TransferSyntaxUID: deleted", with_syntax(None), each(NATIVE, SAME)),
    *(Mutation(f"TransferSyntaxUID: {name}", with_syntax(uid),
               each(NATIVE, REFUSED) if name != "implicit" else each(EXPLICIT, SAME))
      for name, uid in (("RLE", "1.2.840.10008.1.2.5"), ("JPEG", "1.2.840.10008.1.2.4.70"),
                        ("JPEG 2000", "1.2.840.10008.1.2.4.90"), ("unknown", "1.2.3.4"),
                        ("deflated", "1.2.840.10008.1.2.1.99"), ("implicit", "1.2.840.10008.1.2"),
                        ("big endian", "1.2.840.10008.1.2.2"))),
    Mutation("no preamble", without_preamble, each((*IMAGES, *REGIONS), SAME)),
]  # fmt: skip

FILES = [
    Mutation("files shuffled", shuffled, each(PLANAR, SAME)),
    Mutation("a file in the middle missing", without(2), each(PLANAR, REFUSED), ("slices",)),
    Mutation("two files in the middle missing", without(2, 3), each(PLANAR, REFUSED), ("slices",)),
    Mutation("the last file missing", without(-1), each(CLASSIC, WARNED)),
    Mutation("the last file of CT missing", without(-1), each(CT, UNDETECTABLE),
             why="no attribute of CT says how many slices there are"),
    Mutation("all files but one missing", lambda files, _: files[:1], each(PLANAR, REFUSED),
             ("slices",)),
    Mutation("a file twice", copied, each(PLANAR, SAME)),
    Mutation("a slice twice, of two UIDs", copied_and(put("SOPInstanceUID", b"1.2.3")),
             each(PLANAR, SAME)),
    Mutation("a slice twice, of other pixels", copied_and(lambda d, g: _noise(d, g)),
             each(NATIVE, REFUSED)),
    Mutation("a slice twice, of other slopes", copied_and(numbers("RescaleSlope", times(2))),
             each(PLANAR, REFUSED)),
    Mutation("an empty file", on_bytes(lambda *_: b"", "inner"), each(PLANAR, REFUSED)),
    Mutation("a file cut off", on_bytes(cut, "inner"), each(NAMES, EITHER)),
    Mutation("a file cut off at its end",
             on_bytes(lambda d, g: d[: len(d) - int(g.integers(1, 60))], "inner"),
             each(NAMES, EITHER)),
]  # fmt: skip

CHARSETS = (b"ISO_IR 999", b"\0\0\0\0\0\0\0\0\0\0", b"\\ISO 2022 ", b"utf-8\0\0\0\0\0")
FILES += [
    Mutation(f"SpecificCharacterSet: {name!r}", lambda files, _, name=name: [
        file.replace(b"ISO_IR 192", name) for file in files], each((*IMAGES, *REGIONS), SAME))
    for name in CHARSETS
]  # fmt: skip

# ---- regions

CONTOUR = "ContourData"
STRUCTURES = each(["rtstruct"], REFUSED)
SEGMENTS = each(REGIONS[1:], REFUSED)
CONTOURS = [
    *faults(CONTOUR, STRUCTURES, MISSING, MALFORMED, {"huge": b"1e30\\0\\0"}, tags=("Contour",)),
    *faults(CONTOUR, STRUCTURES, MISSING, FEW, place="one"),
    header("ContourData: a number too few", texts(CONTOUR, lambda t: t.rsplit("\\", 1)[0], "one"),
           STRUCTURES, (CONTOUR,)),
    header("ContourData: a point too few", texts(CONTOUR, lambda t: t.rsplit("\\", 3)[0], "one"),
           STRUCTURES, (CONTOUR,)),
    header("ContourData: a number too many", texts(CONTOUR, lambda t: t + "\\1", "one"),
           STRUCTURES, (CONTOUR,)),
    header("ContourData: a point lifted", texts(CONTOUR, lambda t: t.rsplit("\\", 1)[0] + "\\99",
           "one"), STRUCTURES),
    *faults("ContourGeometricType", STRUCTURES, MISSING, NO_WORD, {"a point": b"POINT"}),
    *faults("ROINumber", STRUCTURES, MISSING, MALFORMED, {"the same": b"1"}, tags=()),
    *faults("ReferencedROINumber", STRUCTURES, MISSING, MALFORMED, {"none there": b"99"}, tags=()),
    *faults("ContourSequence", STRUCTURES, MISSING, {"no items": b"abcdefgh"}, tags=()),
    *faults("ROIContourSequence", STRUCTURES, MISSING, {"no items": b"abcdefgh"}, tags=()),
    *faults("StructureSetROISequence", STRUCTURES, MISSING, {"no items": b"abcdefgh"}, tags=()),
    *faults("ROIName", each(["rtstruct"], SAME), MISSING, NO_WORD),
    *faults("NumberOfContourPoints", each(["rtstruct"], SAME), {"deleted": None}),
    *faults("NumberOfContourPoints", STRUCTURES, MALFORMED, IMPOSSIBLE,
            tags=("NumberOfContourPoints", CONTOUR)),
    *faults("RTROIObservationsSequence", each(["rtstruct"], SAME), {"deleted": None, "empty": b""}),
    header("contours moved", numbers(CONTOUR, lambda p: p + 4), each(["rtstruct"], UNDETECTABLE),
           why="regions may lie anywhere"),
    *faults("PerFrameFunctionalGroupsSequence", SEGMENTS, MISSING, {"no items": b"abcdefgh"},
            tags=("PerFrameFunctionalGroupsSequence", "NumberOfFrames")),
    *faults("SegmentSequence", SEGMENTS, MISSING, {"no items": b"abcdefgh"}, tags=("Segment",)),
    *faults("SegmentNumber", SEGMENTS, MISSING, {"the same": b"\1\0", "words": b"abcdef"}),
    *faults("ReferencedSegmentNumber", each(REGIONS[1:3], REFUSED), MISSING,
            {"none there": b"\x09\0", "words": b"abcdef"}, tags=("Segment",), place="one"),
    *faults("SegmentationType", each(["seg fractional"], REFUSED), MISSING, NO_WORD),
    *faults("NumberOfFrames", SEGMENTS, MISSING, MALFORMED, IMPOSSIBLE),
    *faults(POSITION, SEGMENTS, MISSING, MALFORMED, tags=PLACES),
    *faults(ORIENTATION, SEGMENTS, MISSING, MALFORMED, tags=PLACES),
    *faults("PixelSpacing", SEGMENTS, MISSING, MALFORMED, IMPOSSIBLE, tags=PLACES),
    *faults("MaximumFractionalValue", each(["seg fractional"], REFUSED), MISSING,
            {"zero": b"\0\0", "words": b"abcdef"}),
    *faults("Rows", SEGMENTS, {"65535": b"\xff\xff", "0": b"\0\0", "deleted": None}, tags=()),
    *faults("SegmentLabel", each(REGIONS[1:], SAME), MISSING, NO_WORD),
    *(header(f"PixelData of segments: {name}", lambda d, _, k=keep: _keep_pixels(d, k), SEGMENTS,
             ("PixelData",))
      for name, keep in (("half", 0.5), ("empty", 0), ("double", 2.0))),
    header("segments moved", lambda d, g: _noise(d, g), each(REGIONS[1:], UNDETECTABLE),
           why="regions may have any shape"),
    *faults("NumberOfFrames", each([ENHANCED], REFUSED), MISSING, MALFORMED, IMPOSSIBLE,
            tags=("NumberOfFrames", "PerFrameFunctionalGroupsSequence")),
    *faults("PerFrameFunctionalGroupsSequence", each([ENHANCED], REFUSED), MISSING,
            {"no items": b"abcdefgh"}),
    *faults("PixelValueTransformationSequence", each([ENHANCED], EITHER), MISSING),
    *(m for a in (*GROUPS, "RealWorldValueMappingSequence", "MeasurementUnitsCodeSequence")
      for m in faults(a, each([ENHANCED], REFUSED), MISSING, {"no items": b"abcdefgh"}, tags=())),
]  # fmt: skip

# ---- whatever there is

HOSTILE = (b"", b"abc", b"NaN", b"1e999", b"\xff\xfe\0\1", b"X" * 70000,
           b"1\\2\\3\\4\\5\\6\\7\\8", b"\xfe\xff\0\xe0\xff\xff\xff\xff", b"\\", b"\0" * 8,
           b"999999999999999999999")  # fmt: skip
VRS = ("UN", "SQ", "US", "FD", "OB", "PN", "AT", "UI", "DA", "DT", "IS", "CS", "UT")
#: Bytes that are a sound value of these: another number, or one that says the default.
SOUND = {
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RealWorldValueIntercept",
    "BitsStored",
    "DecayCorrectionDateTime",
}
#: What pydicom must understand to write the file; these have classes of their own.
NEEDED_TO_WRITE = {"SpecificCharacterSet", "PixelData"}  # fmt: skip


def any_attribute(change):
    """Return the mutation of an attribute drawn by chance, in all slices or in one."""

    def mutate(datasets, generator):
        found = {}
        for one in holders(datasets):
            for tag in one.keys():  # noqa: SIM118 iterating converts the values
                found.setdefault(tag, []).append(one)
        tags = sorted(tag for tag in found if keyword_for_tag(tag) not in SOUND | NEEDED_TO_WRITE)
        tag, drawn = tags[int(generator.integers(len(tags)))], int(generator.integers(2**31))
        for one in found[tag] if generator.integers(2) else inner(found[tag]):
            change(one, tag, drawn)

    return on_headers(mutate)


def _hostile(dataset, tag, drawn):
    set_bytes(dataset, tag, HOSTILE[drawn % len(HOSTILE)])


def _other_vr(dataset, tag, drawn):
    element = dataset.get_item(tag)
    if isinstance(element.value, bytes):
        set_bytes(dataset, tag, element.value, VRS[drawn % len(VRS)])


BY_CHANCE = [
    Mutation("any attribute deleted", any_attribute(lambda d, tag, _: set_bytes(d, tag, None)),
             each(NAMES, EITHER)),
    Mutation("any attribute of a hostile value", any_attribute(_hostile), each(NAMES, EITHER)),
    Mutation("any attribute of another VR", any_attribute(_other_vr), each(NAMES, EITHER)),
    *(Mutation(f"bytes: {name}", on_bytes(change), each(NAMES, UNDETECTABLE),
               why="they may be pixels, or the digits of a weight")
      for name, change in (("one bit flipped", flip), ("bits flipped", many_flips),
                           ("overwritten", overwrite), ("inserted", insert), ("removed", remove),
                           ("written twice", doubled), ("lengths of gigabytes", long_lengths))),
]  # fmt: skip

TABLE = (*SUV_ATTRIBUTES, *TIMES, *VALUES, *GEOMETRY, *PIXELS, *FILES, *CONTOURS, *BY_CHANCE)


def after_another(name, seed):
    """Return the mutation of two faults at once, drawn by chance: too many to declare each."""
    generator = np.random.default_rng(seed)
    mine = [mutation for mutation in TABLE if name in mutation.expected]
    one, other = (mine[k] for k in generator.integers(len(mine), size=2))

    def mutate(files, generator):
        try:
            return other.mutate(one.mutate(files, generator), generator)
        except Exception:  # what the second changes may be gone, or be no DICOM any more
            return one.mutate(files, generator)

    names = f"{one.name}, and {other.name}"
    return Mutation(names, mutate, {name: UNDETECTABLE}, why="one fault may mend the other")


def _drop_creators(datasets):
    for dataset in datasets:
        for tag in [tag for tag in dataset.keys() if tag.is_private_creator]:  # noqa: SIM118
            del dataset[tag]


def _other_day(text, days):
    return f"{int(text[:8]) + days}{text[8:]}"


def _inject_twice(datasets):
    for dataset in datasets:
        first = dataset[SEQUENCE].value[0]
        second = type(first)(dict(first.items()))
        second.RadionuclideTotalDose = "1e8"
        dataset[SEQUENCE].value.append(second)


def _shear(datasets):
    for k, dataset in enumerate(datasets):
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 0.7 * k, z]


def _other_sign(datasets):
    for dataset in datasets:
        dataset.PixelRepresentation = 1 - dataset.PixelRepresentation


def _turn(datasets):
    for dataset in datasets:
        dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows


def _keep_pixels(datasets, keep):
    for dataset in datasets:
        data = dataset.get_item("PixelData").value
        size = len(data) + keep if keep < 0 else int(len(data) * keep) // 2 * 2
        set_bytes(dataset, tag_of("PixelData"), (data * 2)[:size])


def _noise(datasets, generator):
    for dataset in datasets:
        data = dataset.get_item("PixelData").value
        noise = generator.integers(256, size=len(data)).astype(np.uint8).tobytes()
        set_bytes(dataset, tag_of("PixelData"), noise)


__all__ = ["BY_CHANCE", "TABLE", "UNDETECTABLE", "Mutation", "after_another"]
