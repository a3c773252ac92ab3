"""Which series are used, and why not: headers as scanners write them, judged by hand."""

from pathlib import Path

import pytest

from petnet.ingest.conversion.selection import Exclusion, classify, states_correction
from petnet.ingest.dicom.series_header import SeriesHeader
from petnet.ingest.records import FoundFile
from petnet.ingest.refusal import Refused

PET, CT = "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_PET, LEGACY_PET = "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def header(sop_class=PET, uid="1.2.3", fault=None, **values):
    file = FoundFile(Path("a.dcm"), sop_class, "1.2.3.4", "ANN", "1.2", uid, "1.9", "")
    values = {"Modality": "CT" if sop_class == CT else "PT", **values}
    return SeriesHeader((file,), {k: v for k, v in values.items() if v}, fault)


AC = "DECY\\ATTN\\SCAT\\DTIM\\RAN\\NORM"
USED = [
    ("GE, attenuation corrected", "pet", {"CorrectedImage": AC, "ImageType": "ORIGINAL\\PRIMARY"}),
    ("STS_002: derived and secondary, as many archives write", "pet",
     {"CorrectedImage": AC, "ImageType": "DERIVED\\SECONDARY", "SeriesType": "STATIC\\IMAGE"}),
    ("several time slices in a static series, as GE writes for beds", "pet",
     {"CorrectedImage": AC, "SeriesType": "STATIC\\IMAGE", "NumberOfTimeSlices": "6"}),
    ("whole body", "pet", {"CorrectedImage": AC, "SeriesType": "WHOLE BODY\\IMAGE"}),
    ("method measured", "pet", {"AttenuationCorrectionMethod": "measured,, 0.096000 cm-1,"}),
    ("nothing said", "pet", {"SeriesDescription": "WB PET"}),
    ("NACHO is no NAC", "pet", {"SeriesDescription": "PET NACHO protocol"}),
    ("attributes before the description", "pet",
     {"CorrectedImage": AC, "SeriesDescription": "PET NAC"}),
    ("no decay correction is no reason", "pet", {"CorrectedImage": "NORM\\ATTN\\SCAT"}),
    ("Enhanced PET", "pet", {"sop_class": ENHANCED_PET, "CorrectedImage": "ATTN"}),
    ("Legacy Converted PET", "pet", {"sop_class": LEGACY_PET, "CorrectedImage": "ATTN"}),
    ("CT", "ct", {"sop_class": CT, "ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}),
    ("CT without a modality", "ct", {"sop_class": CT, "Modality": ""}),
    ("reformatted CT", "ct", {"sop_class": CT, "ImageType": "DERIVED\\PRIMARY\\MPR"}),
    ("structure set", "rtstruct", {"sop_class": "1.2.840.10008.5.1.4.1.1.481.3",
                                   "Modality": "RTSTRUCT"}),
    ("segmentation", "seg", {"sop_class": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG"}),
    ("label map", "seg", {"sop_class": "1.2.840.10008.5.1.4.1.1.66.7", "Modality": "SEG"}),
]  # fmt: skip
LEFT_OUT = [
    ("not corrected", "CorrectedImage (0028,0051)", "NAC", {"CorrectedImage": "DECY\\RAN\\NORM"}),
    ("method none", "AttenuationCorrectionMethod (0054,1101)", "NAC",
     {"AttenuationCorrectionMethod": "NONE"}),
    ("method none in spite of ATTN", "AttenuationCorrectionMethod (0054,1101)", "NAC",
     {"CorrectedImage": AC, "AttenuationCorrectionMethod": "none"}),
    ("named NAC", "SeriesDescription (0008,103E)", "NAC", {"SeriesDescription": "WB_NAC"}),
    ("named No AC", "SeriesDescription (0008,103E)", "NAC", {"SeriesDescription": "PET no AC"}),
    ("named uncorrected", "SeriesDescription (0008,103E)", "NAC",
     {"SeriesDescription": "WB Uncorrected"}),
    ("reprojection", "SeriesType (0054,1000)", "projection",
     {"CorrectedImage": AC, "SeriesType": "WHOLE BODY\\REPROJECTION"}),
    ("MIP", "ImageType (0008,0008)", "projection",
     {"CorrectedImage": AC, "ImageType": "DERIVED\\SECONDARY\\MIP"}),
    ("projection image", "ImageType (0008,0008)", "projection",
     {"CorrectedImage": AC, "ImageType": "DERIVED\\PRIMARY\\PROJECTION IMAGE"}),
    ("named MIP", "SeriesDescription (0008,103E)", "projection",
     {"CorrectedImage": AC, "SeriesDescription": "WB_MIP"}),
    ("dynamic", "SeriesType (0054,1000)", "DYNAMIC",
     {"CorrectedImage": AC, "SeriesType": "DYNAMIC\\IMAGE"}),
    ("gated", "SeriesType (0054,1000)", "GATED",
     {"CorrectedImage": AC, "SeriesType": "GATED\\IMAGE"}),
    ("transmission", "CountsSource (0054,1002)", "transmission", {"CountsSource": "TRANSMISSION"}),
    ("attenuation per cm", "Units (0054,1001)", "transmission",
     {"Units": "1CM", "CorrectedImage": AC}),
    ("attenuation map", "SeriesDescription (0008,103E)", "attenuation map",
     {"SeriesDescription": "CTAC_umap"}),
    ("fused in colours", "PhotometricInterpretation (0028,0004)", "RGB",
     {"CorrectedImage": AC, "PhotometricInterpretation": "RGB", "SamplesPerPixel": "3"}),
    ("secondary capture", "SOPClassUID (0008,0016)", "secondary capture", {"sop_class": CAPTURE}),
    ("dose report", "SOPClassUID (0008,0016)", "dose report",
     {"sop_class": "1.2.840.10008.5.1.4.1.1.88.67", "Modality": "SR"}),
    ("MR", "SOPClassUID (0008,0016)", "MR image",
     {"sop_class": "1.2.840.10008.5.1.4.1.1.4", "Modality": "MR"}),
    ("private class", "SOPClassUID (0008,0016)", "another kind",
     {"sop_class": "1.2.840.113619.4.30", "Modality": "PT"}),
    ("no class", "SOPClassUID (0008,0016)", "none", {"sop_class": ""}),
    ("no series", "SeriesInstanceUID (0020,000E)", "none", {"uid": ""}),
    ("a CT that says PT", "Modality (0008,0060)", "PT", {"sop_class": CT, "Modality": "PT"}),
    ("localizer", "ImageType (0008,0008)", "localizer",
     {"sop_class": CT, "ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}),
    ("named scout", "SeriesDescription (0008,103E)", "localizer",
     {"sop_class": CT, "SeriesDescription": "CT Scout"}),
    ("picture of the dose", "ImageType (0008,0008)", "picture",
     {"sop_class": CT, "ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"}),
    ("CT MIP", "ImageType (0008,0008)", "projection",
     {"sop_class": CT, "ImageType": "DERIVED\\SECONDARY\\AXIAL\\MIP"}),
]  # fmt: skip


@pytest.mark.parametrize(("use", "values"), [c[1:] for c in USED], ids=[c[0] for c in USED])
def test_series_that_are_used(use, values):
    assert classify(header(**values)) == use


@pytest.mark.parametrize(
    ("tag", "word", "values"), [c[1:] for c in LEFT_OUT], ids=[c[0] for c in LEFT_OUT]
)
def test_series_that_are_left_out_by_name(tag, word, values):
    found = classify(header(**values))
    assert isinstance(found, Exclusion)
    assert found.tag == tag
    assert word in found.reason


def test_files_of_two_kinds_are_no_series():
    one, other = header(), header(CAPTURE)
    mixed = SeriesHeader((*one.files, *other.files), one.values)
    assert classify(mixed).tag == "SOPClassUID (0008,0016)"


def test_free_text_does_not_get_into_reasons():
    found = classify(header(CAPTURE, Modality="Doe^Jane the very longest"))
    assert "Doe" not in found.reason
    found = classify(header(CorrectedImage="seen by dr. jane doe, uncorrected for attenuation"))
    assert "jane" not in found.reason.lower()


def test_a_header_that_cannot_be_read_is_excluded_by_its_own_reason():
    fault = Refused("SharedFunctionalGroupsSequence (5200,9229)", "one item", "none")
    assert classify(header(fault=fault)) == Exclusion(fault.tag, fault.reason)


def test_silence_about_attenuation_correction_is_noticed():
    assert not states_correction(header(SeriesDescription="WB"))
    assert states_correction(header(SeriesDescription="PET_AC WB"))
    assert states_correction(header(CorrectedImage=AC))
