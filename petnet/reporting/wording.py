"""Every sentence of the report, by language; placeholders are filled by `str.format`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from petnet.errors import InputError

__all__ = ["WORDING", "Words", "exact", "number", "percent", "shown"]

ENGLISH = {
    "lang": "en",
    "title": "{task}: prediction report",
    "kicker": "PET/CT prediction report",
    "research": "Research use only. Not a medical device; not for decisions about patients.",
    "skip": "Skip to the content",
    "nav_label": "Sections",
    "nav_summary": "Summary",
    "nav_cohort": "Cohort",
    "nav_models": "Models",
    "nav_roc": "ROC",
    "nav_calibration": "Calibration",
    "nav_distribution": "Probabilities",
    "nav_images": "Images",
    "nav_configuration": "Configuration",
    # units
    "patient": "patient",
    "patients": "patients",
    "lesion": "lesion",
    "lesions": "lesions",
    "region": "region",
    "regions": "regions",
    "positive": "positive",
    "negative": "negative",
    "unknown": "unknown",
    "created": "finished {date}",
    # summary
    "asked": "Can {target} be predicted from PET/CT? This page reports {models} on {n} {units}"
    " with a known answer, {positive} of them positive ({share}).",
    "models_one": "one model ({names})",
    "models_many": "{count} models ({names})",
    "validated": "Every prediction was made by a model that had not seen the {group}:"
    " {folds}-fold cross-validation, repeated {repeats} times on saved splits.",
    "validated_once": "Every prediction was made by a model that had not seen the {group}:"
    " {folds}-fold cross-validation on saved splits.",
    "validated_single": "Every prediction was made by a model that had not seen the {group}:"
    " one fixed division, {n} test {units}.",
    "verdict_none": "{name} reached an AUC of {value}; no interval could be computed.",
    "verdict_includes": "{name} reached an AUC of {value} ({level} interval {low} to {high})."
    " The interval includes 0.5: these data do not show that it predicts better than chance.",
    "verdict_above": "{name} reached an AUC of {value} ({level} interval {low} to {high})."
    " The interval lies above 0.5: in this cohort it predicts better than chance.",
    "verdict_below": "{name} reached an AUC of {value} ({level} interval {low} to {high})."
    " The interval lies below 0.5: its predictions point the wrong way.",
    "verdict_given": " The interval takes the fitted model as given: refitting is not in it.",
    "against_better": "The best single parameter, {name}, has {value}, less than any of the"
    " models; {tested}.",
    "is_tested": "the paired comparison below says how sure that is",
    "not_tested": "whether the difference is more than chance is not tested here",
    "against_worse": "The best single parameter, {name}, alone has {value}, no less than the"
    " best model: the models add nothing that is visible here.",
    "against_mixed": "The best single parameter, {name}, alone has {value}: not every model is"
    " ahead of it.",
    "small": "With {fewer} {units} in the smaller class, all figures are rough.",
    "small_single": "With {fewer} test {units} in the smaller class, all figures are rough.",
    "generalise_single": "The test part speaks for {group} like those in it. Whether it holds"
    " elsewhere, only data from elsewhere can tell.",
    "generalise": "Cross-validation speaks for {group} like these. Whether it holds elsewhere,"
    " only data from elsewhere can tell.",
    "figure_units": "{units} with known answer",
    "figure_positive": "positive",
    "figure_auc": "AUC of {name}",
    "excludes_half": "interval excludes 0.5",
    "includes_half": "interval includes 0.5",
    "fingerprints": "The runs were trained on data that differ in some file or setting (their data"
    " fingerprints are not the same): compare them with care.",
    "incomplete": "{name}: {absent} of {total} held-out rows have no prediction; its run is"
    " incomplete.",
    "permuted": "{name} was trained on permuted labels ({value}): its figures show what chance"
    " alone gives, nothing else.",
    "notes": "Notes of the run",
    # cohort
    "cohort": "Cohort",
    "cohort_lead": "Of {rows} {units} that entered the run, the answer is known for {known} and"
    " unknown for {unknown}. Positive means {target} = 1.",
    "table_clinical": "Characteristics by class. Numbers: median (quartiles), range. Categories:"
    " count (share of those known).",
    "characteristic": "Characteristic",
    "all": "All",
    "missing": "Missing",
    "no_clinical": "The run has no clinical columns.",
    "centres": "Centres",
    "centre": "Centre",
    "unnamed": "not named",
    "one_centre": "All {units} come from one centre ({name}): nothing is known about other"
    " scanners and protocols.",
    "flow": "From studies to predictions",
    "flow_none": "status.csv has no rows.",
    "flow_caption": "Rows of status.csv by stage.",
    "stage": "Stage",
    "ok": "ok",
    "excluded": "excluded",
    "failed": "failed",
    "all_ok": "Nothing was excluded and nothing failed.",
    "reasons_caption": "Why rows were excluded or failed.",
    "reason": "Reason",
    "count": "Count",
    "row_list": "Each excluded or failed row ({count})",
    "unit": "Unit",
    "status": "Status",
    "no_reason": "no reason given",
    "features": "Features",
    "features_lead": "{columns} features of {rows} {units}.",
    "features_set": "Feature set",
    "features_image": "Image",
    "features_none": "The run has no features.parquet: no summary of features.",
    # models
    "models": "Models side by side",
    "models_lead": "AUC is the chance that a positive case scores higher than a negative one: 0.5"
    " is a coin, 1 is perfect.",
    "models_pairs": "Pairs are counted within each fold and averaged over repeats.",
    "models_caption": "AUC of models and of single parameters on the same folds.",
    "models_caption_single": "AUC of models and of single parameters on the test part of one fixed"
    " division ({n} {units}).",
    "model": "Model",
    "single": "Single parameters, no model",
    "auc": "AUC",
    "interval": "{level} interval",
    "conditional": "Conditional interval",
    "plot": "AUC with intervals",
    "direction_lower": "lower speaks for positive",
    "averaged": ", averaged over {repeats} repeats",
    "means_refitted": "The interval (thick line) covers what another sample of patients, with the"
    " model fitted anew, could have given at the stated level.",
    "means_given": "The interval ({method}) takes the fitted model as given: it covers what other"
    " patients in the test part could have given. What fitting the model anew on another training"
    " sample could have given is not in it.",
    "means_unnamed": "The run does not say how the interval (thick line) was made.",
    "means_conditional": "The conditional interval (thin line; {method}) is made on each unit's"
    " out-of-fold score{averaged}. It ignores that another training sample would give other models;"
    " it is shown beside, not instead. Its AUC is pooled over folds; biased low, because scores of"
    " different folds come from different models and share no scale. Single parameters are not"
    " fitted: pooling does not bias theirs.",
    "versus": "Models against single parameters",
    "versus_caption": "AUC of the model minus AUC of the parameter on the same units (DeLong's"
    " paired test on each unit's score{averaged}): conditional on the fitted models, p unadjusted"
    " for the number of comparisons.",
    "versus_parameter": "Against",
    "versus_difference": "Difference",
    "versus_pooled": "The model's AUC is here pooled over folds; biased low. The parameter's is not"
    " biased, so the differences lean against the model and need not equal those of the table"
    " above.",
    "versus_skipped": "The models are not compared with single parameters by a test: there are"
    " several {units} per patient, which DeLong's paired test would take as independent.",
    "method": "Methods named by the run",
    "per_repeat": "AUC of each repeat",
    "repeat": "Repeat",
    "train_auc": "AUC on the models' own training data: {values}. The gap to the held-out AUC is"
    " the optimism of judging a model by what it has seen.",
    "no_metrics": "not in metrics.json",
    # roc
    "roc": "ROC curves",
    "roc_lead": "Each curve is drawn from one out-of-fold score per unit{averaged}. A model's curve"
    " is pooled over folds; biased low, because scores of different folds come from different"
    " models: its area need not equal the headline AUC above.",
    "roc_lead_single": "Each curve is drawn from one score per unit of the test part.",
    "roc_band": "Shaded: pointwise {level} band ({method}). Grey: the other curves.",
    "roc_area": "area of this curve {area}",
    "roc_area_pooled": "area of this curve {area}, pooled over folds; biased low",
    "roc_alt": "ROC curve of {name}; area under the curve {area}, {n} units, {positive} positive",
    "fpr": "1 − specificity",
    "tpr": "sensitivity",
    "roc_none": "{name}: only one class is known, so there is no curve.",
    # calibration
    "calibration": "Calibration",
    "calibration_lead": "When the model says 30 %, are 30 % positive? Points are groups of about"
    " equally many units by predicted probability, with {level} Wilson intervals; on the dotted"
    " line probability and share agree. Single parameters are no probabilities and are left out.",
    "bins_averaged": "The points use probabilities averaged over {repeats} repeats: those of an"
    " ensemble, less spread than one model's. The figures in the table are of single models,"
    " computed in each repeat and averaged.",
    "bins_independent": "Units treated as independent: several {units} of one patient count as if"
    " they were of several patients, so the intervals are too narrow.",
    "calibration_caption": "Calibration figures of the runs.",
    "brier": "Brier score",
    "brier_hint": "0 is perfect; the prevalence alone {reference}",
    "slope": "Slope",
    "slope_hint": "1 is ideal; below 1 too extreme",
    "intercept": "Intercept (calibration in the large)",
    "intercept_hint": "slope held at 1; 0 is ideal, above 0 predicts too low",
    "calibration_alt": "Calibration of {name}: {points}",
    "calibration_point": "predicted {predicted}, observed {observed} of {count}",
    "predicted": "predicted probability",
    "observed": "observed share",
    # distribution
    "distribution": "Predicted probabilities",
    "distribution_lead": "One probability per unit{averaged}. The less the two halves"
    " overlap from left to right, the better the classes are told apart.",
    "distribution_alt": "Predicted probabilities of {name}: median {positive} in the positive and"
    " {negative} in the negative class",
    "units_axis": "{units}",
    # images
    "images": "PET/CT of some {units}",
    "images_lead": "Chosen by {name}: the furthest from the truth, then the highest and the lowest"
    " probabilities. The outline is the delineated lesion. PET is inverted (dark is hot); fusion"
    " is PET in the hot scale on CT. The patient's right is on the left.",
    "window_pet": "PET shows SUV {low} to {high}.",
    "window_ct": "CT shows {low} to {high} HU.",
    "images_none": "The run has no gallery folder with pictures: no slices are shown.",
    "images_empty": "The gallery has no picture of a unit that was predicted.",
    "wrong": "furthest from the truth",
    "highest": "highest probability",
    "lowest": "lowest probability",
    "truth": "truth",
    "mip_pet": "PET, MIP",
    "axial_ct": "CT, axial",
    "axial_pet": "PET, axial",
    "axial_fused": "PET/CT, axial",
    "coronal_fused": "PET/CT, coronal",
    "sagittal_fused": "PET/CT, sagittal",
    "picture_alt": "{what} of unit {unit}",
    "picture_outlined": "{what} of unit {unit}, lesion outlined",
    # configuration
    "configuration": "Configuration and versions",
    "configuration_lead": "What is needed to make these figures again.",
    "origin": "Origin of {name}",
    "versions": "Package versions",
    "config": "Resolved configuration",
    "feature_settings": "Feature settings",
    "files": "Files read, with their hashes (BLAKE2b)",
    "file": "File",
    "hash": "Hash",
    "package": "Package",
    "version": "Version",
    "run": "Run",
}
WORDING: Mapping[str, Mapping[str, str]] = {"en": ENGLISH}


class Words:
    """The wording of one language, called by key.

    Raises
    ------
    InputError
        A language that is not there.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in WORDING:
            raise InputError("report", "language", f"one of {sorted(WORDING)}", repr(language))
        self._table = WORDING[language]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of `key` with its placeholders filled."""
        return self._table[key].format(**values)


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as it is printed; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def exact(value: float) -> str:
    """Return a number as a machine reads it."""
    return repr(float(value))


def percent(value: float | None) -> str:
    """Return a share as whole per cent; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def shown(value: Any) -> str:
    """Return text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
