"""Names to roles: the default rules on names as they come, and the order of rules."""

import random
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from petnet.errors import InputError
from petnet.ingest.records import Region
from petnet.ingest.regions.rules import (
    RegionRule,
    RegionRules,
    distinct_names,
    natural_key,
    number_lesions,
    safe_name,
)

FILE = Path(__file__).resolve().parents[2] / "configs" / "regions" / "default.yaml"
RULES = RegionRules.from_config(yaml.safe_load(FILE.read_text("utf-8")))

# Names of RTSTRUCTs (TG-263, planning systems), 3D Slicer, nnU-Net and TotalSegmentator
NAMES = {
    "primary": """
        GTV|gtv|GTV_Mass|GTVp|GTV-T|GTV T|GTV_CT|GTV_Mass_PET|IGTV|GTVnx|GTV_neck|tumor|Tumour 1|
        Primary tumor|primary|Lung mass|Mass_1|nodule RUL|lung_nodules|Gastric cancer|region_1|
        Lymphoma bulk|cervical carcinoma|case_0001|Segment_1|Liver tumor|P0007_mask|DRO|
        unstable tumour|breast tumor""",
    "node": """
        node|Node 4R|LN_7|LN 11|ln3|Lymph node left|lymphadenopathy|GTVn|GTV_N|GTV-N1|GTV N L|GTVnd|
        GTV_node_2|GTVln1|mediastinal node 4R|retroperitoneal LN|axillary lns|station 7|
        external iliac node|para-aortic lymph node|Nodal disease|hilar LN""",
    "deposit": """
        met|Met 3|mets|bone met 2|liver metastasis 1|Liver met 2|brain_mets|Lesion 1|lesion_02|
        peritoneal implant 3|peritoneal deposit|omental cake|Peritoneum|carcinomatosis|
        GTV_met1|extranodal lesion|skin lesion|hepatic lesion|Skin metastasis""",
    "reference liver": "Liver|liver|LIVER|Normal_liver|liver_reference|Liver 2|left liver",
    "reference blood_pool": """
        aorta|Aorta descendens|blood pool|Blood_Pool|bloodpool|Mediastinum|mediastinal blood pool|
        MBP""",
    "none": """
        BODY|Body Contour|External|External contour|Skin|CouchSurface|CouchInterior|
        Table|Immobilization|PTV|PTV_60|PTV1+2|zPTV ring|CTV|CTV_N|ITV|GTV-PTV|Ring_1|z_Ring|
        Dose 95%|Isodose_50|45 Gy|60Gy|Lungs-GTV|Lung_L-GTV|Liver-GTV|brain minus GTV|
        GTV_Edema|GTV_oedema|necrosis|Metal|Artefact|Heart|heart_atrium_left|Lung_L|
        lung_upper_lobe_left|SpinalCord|Spinal Cord|Esophagus|Parotid_L|Brainstem|Brain|Kidney_R|
        kidney_right|kidney_cyst_left|Bladder|urinary_bladder|Rectum|Femur_Head_L|femur_left|
        Bowel|small_bowel|colon|Trachea|Larynx|Mandible|Stomach|spleen|gallbladder|pancreas|
        adrenal_gland_right|vertebrae_L1|rib_left_1|sternum|costal_cartilages|hip_left|sacrum|
        iliac_vena_left|inferior_vena_cava|portal_vein_and_splenic_vein|iliac_artery_right|
        brachiocephalic_trunk|gluteus_maximus_left|autochthon_left|iliopsoas_right|
        clavicula_left|scapula_right|humerus_left|skull|face|thyroid_gland|prostate|lung_vessels|
        liver_vessels|pleural_effusion|subcutaneous_fat|torso_fat|skeletal_muscle|
        Peritoneal cavity|background|physiologic uptake|Breast implant""",
}


@pytest.mark.parametrize(
    ("name", "meant"),
    [(name.strip(), meant) for meant, names in NAMES.items() for name in names.split("|")],
)
def test_default_rules(name, meant):
    rule = RULES.rule(name)
    found = " ".join(filter(None, (rule.role, rule.region))) or "none"
    assert found == meant
    assert RULES.takes(name) == (meant != "none")


def test_first_rule_counts():
    rules = RegionRules((RegionRule("a*|b", "node"), RegionRule("*", None)), "primary")
    assert [rules.rule(n).role for n in ("ab", "B", "bc", "")] == ["node", "node", None, None]
    assert rules.rule("bc").reason("bc") == (
        "expected a name that the rules take, but got one that fits no rule"
    )
    assert RegionRules((), "deposit").rule("x") == RegionRule("*", "deposit")
    assert not RegionRules((), None).takes("x")
    left_out = RegionRules((RegionRule("CTV*|PTV*|*", None),), "primary").rule("ptv 1")
    assert left_out.reason("ptv 1") == (
        "expected a name that the rules take, but got one that fits 'PTV*'"
    )


@given(st.text("aAb _*?", max_size=6), st.lists(st.text("ab*? ", min_size=1).filter(str.strip)))
def test_patterns_brute_force(name, parts):
    """Each alternative by Python's fnmatch, after case and blanks are levelled."""
    if not parts:
        return
    level = " ".join(name.lower().split())
    expected = any(fnmatchcase(level, " ".join(part.lower().split())) for part in parts)
    assert RegionRule("|".join(parts), "node").fits(name) == expected


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"rules": []}, "regions"),
        ({"rules": [], "otherwise": "primry"}, "regions.otherwise"),
        ({"rules": [], "otherwise": "reference"}, "regions.otherwise"),
        ({"rules": [], "otherwise": None, "more": 1}, "regions"),
        ({"rules": "GTV*", "otherwise": None}, "regions.rules"),
        ({"rules": ["GTV*"], "otherwise": None}, "regions.rules[0]"),
        ({"rules": [{"pattern": "a", "role": None}, {"pattern": "b"}], "otherwise": None},
         "regions.rules[1]"),
        ({"rules": [{"pattern": "a||b", "role": None}], "otherwise": None}, "regions.rules[0]"),
        ({"rules": [{"pattern": 3, "role": None}], "otherwise": None}, "regions.rules[0]"),
        ({"rules": [{"pattern": "a", "role": "lesion"}], "otherwise": None}, "regions.rules[0]"),
        ({"rules": [{"pattern": "a", "role": "reference"}], "otherwise": None},
         "regions.rules[0]"),
        ({"rules": [{"pattern": "a", "role": "node", "region": "a/b"}], "otherwise": None},
         "regions.rules[0]"),
        ({"rules": [{"pattern": "a", "role": "node", "rgion": "a"}], "otherwise": None},
         "regions.rules[0]"),
    ],
)  # fmt: skip
def test_mistakes_name_the_setting(config, setting):
    for given_ in (config, OmegaConf.create(config)):
        with pytest.raises(InputError) as error:
            RegionRules.from_config(given_)
        assert error.value.source == setting


# --- lesion numbers ---------------------------------------------------------------------------


def test_numbers_follow_the_names_not_the_files():
    names = ["lesion 10", "Lesion 2", "lesion  2", "GTV", "lesion 1", "ß", "GTV"]
    expected = {
        "GTV": "P0001-L01",
        "lesion 1": "P0001-L02",
        "Lesion 2": "P0001-L03",
        "lesion  2": "P0001-L03",
        "lesion 10": "P0001-L04",
        "ß": "P0001-L05",
    }
    for seed in range(20):
        random.Random(seed).shuffle(names)
        assert number_lesions("P0001", names) == expected
    assert number_lesions("P0001", []) == {}
    many = number_lesions("P1", [f"n{k}" for k in range(1, 121)])
    assert (many["n9"], many["n120"]) == ("P1-L09", "P1-L120")


def test_known_lesions_keep_their_number():
    known = number_lesions("P1", ["b", "c"])
    assert known == {"b": "P1-L01", "c": "P1-L02"}
    assert number_lesions("P1", ["a", "B", "d"], known) == {
        "a": "P1-L03", "B": "P1-L01", "d": "P1-L04",
    }  # fmt: skip
    assert number_lesions("P1", ["a"], {"b": "P1-L07"}) == {"a": "P1-L08"}  # after the largest
    with pytest.raises(InputError, match="P0001-L01"):
        number_lesions("P1", ["a"], {"b": "lesion one"})


@given(st.lists(st.text("ab01 29", max_size=6)))
def test_natural_order(names):
    """Sorted, then shuffled and sorted again: the order is total; numbers compare as numbers."""
    ordered = sorted(names, key=natural_key)
    backwards = names[::-1]
    backwards.sort(key=natural_key)
    assert backwards == ordered
    for first, second in pairwise(ordered):
        if first.isdigit() and second.isdigit():
            assert int(first) <= int(second)


def test_natural_order_by_hand():
    names = ["L1", "l2", "L10", "L10a", "L 3", "1", "02", "10"]
    assert sorted(names, key=natural_key) == ["1", "02", "10", "L1", "l2", "L10", "L10a", "L 3"]


# --- names for tables ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("GTV 1", "GTV_1"),
        ("a/b\\c", "a_b_c"),
        ("../../etc/passwd", "etc_passwd"),
        ("=SUM(A1)", "SUM_A1"),
        ("-rf", "rf"),
        ("Läsion\n2\t\x00", "Läsion_2"),
        ("", "region"),
        ("///", "region"),
        ("a" * 100, "a" * 64),
        ("e\u0301", "é"),
        ("a\u202eb", "a_b"),
    ],
)
def test_safe_name_by_hand(name, safe):
    assert safe_name(name) == safe


@given(st.lists(st.text(max_size=80), max_size=12))
def test_safe_names_are_safe_and_unique(names):
    taken = []
    for name in names:
        taken.append(safe_name(name, taken))
    assert len({name.casefold() for name in taken}) == len(names)
    for name in taken:
        assert 0 < len(name) <= 64
        assert name.isprintable()
        assert not set(name) & set("/\\ \n\t:*?\"<>|=+@'")
        assert name[0] not in ".-_"
        assert name[-1] not in ".-"


def region(name, number):
    return Region.of(name, number, np.ones((1, 1, 1), bool), "SEG")


def test_distinct_names():
    regions = [region("GTV", 3), region("gtv", 1), region("GTV (2)", 4), region("liver", 2)]
    found = distinct_names(regions)
    assert [r.name for r in found] == ["GTV (3)", "gtv", "GTV (2)", "liver"]
    assert [r.number for r in found] == [3, 1, 4, 2]
    assert found[0].notes == ("several regions have the name 'GTV': number 3 is 'GTV (3)'",)
    assert found[1].notes == ()
