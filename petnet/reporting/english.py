"""Every sentence of the report in English; placeholders are filled by `str.format`."""

from __future__ import annotations

__all__ = ["ENGLISH"]

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
    "nav_decision": "Decision",
    "nav_confusion": "Confusion",
    "nav_classes": "Classes",
    "nav_expected": "Expected class",
    "nav_labels": "Labels",
    "nav_survival": "Survival",
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
    "with_event": "with the event",
    "censored": "censored",
    "created": "finished {date}",
    # summary
    "asked_binary": "Can {target} be predicted from PET/CT? This page reports {models} on {n}"
    " {units} with a known answer, {positive} of them positive ({share}).",
    "asked_multiclass": "Can {target} be predicted from PET/CT? This page reports {models} on"
    " {n} {units} with a known answer: {classes}.",
    "asked_ordinal": "Can {target} be predicted from PET/CT? This page reports {models} on {n}"
    " {units} with a known answer, in rising order: {classes}.",
    "asked_multilabel": "Can each of {count} labels ({labels}) be predicted from PET/CT? This page"
    " reports {models} on {n} {units} of which at least one label is known.",
    "asked_survival": "Can the risk of {event} over time ({time}) be predicted from PET/CT? This"
    " page reports {models} on {n} {units} with known follow-up, {events} of them with the event"
    " ({share}).",
    "a_binary": "an AUC",
    "a_multiclass": "an M (Hand & Till)",
    "a_ordinal": "a C-index",
    "a_multilabel": "a macro AUC",
    "a_survival": "a C-index",
    "models_one": "one model ({names})",
    "models_many": "{count} models ({names})",
    "validated": "Every prediction was made by a model that had not seen the {group}:"
    " {folds}-fold cross-validation, repeated {repeats} times on saved splits.",
    "validated_once": "Every prediction was made by a model that had not seen the {group}:"
    " {folds}-fold cross-validation on saved splits.",
    "validated_single": "Every prediction was made by a model that had not seen the {group}:"
    " one fixed division, {n} test {units}.",
    "verdict_undefined": "Of {name} {measure} could not be computed.",
    "verdict_none": "{name} reached {measure} of {value}; no interval could be computed.",
    "verdict_includes": "{name} reached {measure} of {value} ({level} interval {low} to {high})."
    " The interval includes 0.5: these data do not show that it predicts better than chance.",
    "verdict_above": "{name} reached {measure} of {value} ({level} interval {low} to {high})."
    " The interval lies above 0.5: in this cohort it predicts better than chance.",
    "verdict_below": "{name} reached {measure} of {value} ({level} interval {low} to {high})."
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
    "small_binary": "With {fewer} {units} in the smaller class, all figures are rough.",
    "small_binary_single": "With {fewer} test {units} in the smaller class, all figures are rough.",
    "small_multiclass": "With {fewer} {units} in the smallest class, all figures are rough.",
    "small_multiclass_single": "With {fewer} test {units} in the smallest class, all figures are"
    " rough.",
    "small_ordinal": "With {fewer} {units} in the smallest class, all figures are rough.",
    "small_ordinal_single": "With {fewer} test {units} in the smallest class, all figures are"
    " rough.",
    "small_multilabel": "With as few as {fewer} {units} in the smaller class of a label, the"
    " figures of single labels are rough.",
    "small_multilabel_single": "With as few as {fewer} test {units} in the smaller class of a"
    " label, the figures of single labels are rough.",
    "small_survival": "With {fewer} events, all figures are rough.",
    "small_survival_single": "With {fewer} events in the test part, all figures are rough.",
    "generalise_single": "The test part speaks for {group} like those in it. Whether it holds"
    " elsewhere, only data from elsewhere can tell.",
    "generalise": "Cross-validation speaks for {group} like these. Whether it holds elsewhere,"
    " only data from elsewhere can tell.",
    "figure_units": "{units} with known answer",
    "figure_positive": "positive ({answer})",
    "figure_classes": "classes ({names})",
    "figure_labels": "labels",
    "figure_follow_up": "median follow-up ({time})",
    "figure_headline": "{measure} of {name}",
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
    " unknown for {unknown}. {more}",
    "cohort_binary": "Positive means {answer}.",
    "cohort_multiclass": "The classes are those of {target}.",
    "cohort_ordinal": "The classes are those of {target}, in rising order.",
    "cohort_multilabel": "An answer counts as known where any label is.",
    "cohort_survival": "The event is {event} = 1; the time is {time}.",
    "table_clinical": "Characteristics by answer. Numbers: median (quartiles), range. Categories:"
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
    "features_parts": "Series, parts and changes",
    "gate_none": "All {rows} {units} are large and varied enough for every feature.",
    "gate_lead": "The regions of {below} of {rows} {units} are too small or too flat for some"
    " features: those values are given, and mean little.",
    "gate_caption": "Features that mean little, and of how many {units}.",
    "gate_why": "Why",
    "features_none": "The run has no features.parquet: no summary of features.",
    # models
    "models": "Models side by side",
    "models_lead_binary": "AUC is the chance that a positive case scores higher than a negative"
    " one: 0.5 is a coin, 1 is perfect.",
    "models_lead_multiclass": "M is the chance that, of two {units} of different classes, the one"
    " of a class has the higher probability of it, averaged over all pairs of classes: 0.5 is a"
    " coin, 1 is perfect.",
    "models_lead_ordinal": "The C-index is the chance that, of two {units} of different classes,"
    " the one of the higher class is expected higher: 0.5 is a coin, 1 is perfect. Expected is the"
    " mean of the classes' numbers, weighted by their probabilities.",
    "models_lead_multilabel": "The macro AUC is the mean over labels of the chance that a positive"
    " case scores higher than a negative one: 0.5 is a coin, 1 is perfect.",
    "models_lead_survival": "The C-index is the chance that, of two {units} of which it is known"
    " who had the event first, that one has the higher risk: 0.5 is a coin, 1 is perfect.",
    "models_pairs": "Pairs are counted within each fold and averaged over repeats.",
    "models_caption": "{measure} of models and of single parameters on the same folds.",
    "models_caption_single": "{measure} of models and of single parameters on the test part of one"
    " fixed division ({n} {units}).",
    "model": "Model",
    "single": "Single parameters, no model",
    "interval": "{level} interval",
    "conditional": "Conditional interval",
    "plot": "{measure} with intervals",
    "direction_binary": "lower speaks for positive",
    "direction_ordinal": "lower speaks for the higher class",
    "direction_multilabel": "lower speaks for positive",
    "direction_survival": "lower speaks for the earlier event",
    "averaged": ", averaged over {repeats} repeats",
    "means_refitted": "The interval (thick line) covers what another sample of patients, with the"
    " model fitted anew, could have given at the stated level.",
    "means_given": "The interval ({method}) takes the fitted model as given: it covers what other"
    " patients in the test part could have given. What fitting the model anew on another training"
    " sample could have given is not in it.",
    "means_unnamed": "The run does not say how the interval (thick line) was made.",
    "means_conditional": "The conditional interval (thin line; {method}) is made on each unit's"
    " out-of-fold score{averaged}. It ignores that another training sample would give other"
    " models; it is shown beside, not instead. Its {measure} is pooled over folds; biased low,"
    " because scores of different folds come from different models and share no scale. Single"
    " parameters are not fitted: pooling does not bias theirs.",
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
    "per_repeat": "{measure} of each repeat",
    "repeat": "Repeat",
    "training": "{measure} on the models' own training data: {values}. The gap to the held-out"
    " figure is the optimism of judging a model by what it has seen.",
    "no_metrics": "not in metrics.json",
    # roc
    "roc": "ROC curves",
    "roc_lead": "Each curve is drawn from one out-of-fold score per unit{averaged}. A model's curve"
    " is pooled over folds; biased low, because scores of different folds come from different"
    " models: its area need not equal the figures above.",
    "roc_lead_single": "Each curve is drawn from one score per unit of the test part.",
    "roc_multiclass": "Each class is held against all others together, by its own probability.",
    "roc_ordinal": "Each step of the order is a question of its own: is the class higher? The score"
    " is the probability of all higher classes together.",
    "against_rest": "{label} against the rest",
    "above": "above {label}",
    "roc_others": "Grey: the other models' curves of the same question.",
    "roc_others_single": "Grey: the other curves of the same question, those of single parameters"
    " among them.",
    "roc_band": "Shaded: pointwise {level} band ({method}).",
    "roc_grey": "Grey: the other curves.",
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
    "brier_hint": "0 is perfect",
    "brier_prevalence": "0 is perfect; the prevalence alone {reference}",
    "slope": "Slope",
    "slope_hint": "1 is ideal; below 1 too extreme",
    "intercept": "Intercept (calibration in the large)",
    "intercept_hint": "slope held at 1; 0 is ideal, above 0 predicts too low",
    "calibration_alt": "Calibration of {name}: {points}",
    "calibration_point": "predicted {predicted}, observed {observed} of {count}",
    "predicted": "predicted probability",
    "observed": "observed share",
    # decision
    "decision": "Decision",
    "decision_lead": "What follows if every prediction is turned into yes or no. The rule is fixed"
    " by the training part alone, never by what it is judged on.",
    "decision_caption": "Shares that the decision gets right, with intervals.",
    "decision_none": "metrics.json has no decision.",
    "rule": "Rule: {rule}",
    "interval_method": "Intervals: {methods}.",
    "sensitivity": "Sensitivity",
    "sensitivity_hint": "of positives called so",
    "specificity": "Specificity",
    "specificity_hint": "of negatives called so",
    "ppv": "PPV",
    "ppv_hint": "of those called positive",
    "npv": "NPV",
    "npv_hint": "of those called negative",
    "accuracy": "Accuracy",
    "accuracy_hint": "of all, called right",
    # classes
    "confusion": "Confusion of classes",
    "confusion_lead": "Rows are the true classes, columns what was decided; shares are those of the"
    " row. The decision compares probabilities with the shares of the classes in the training part,"
    " so that a rare class is not passed over because it is rare.",
    "confusion_lead_ordinal": "Rows are the true classes, columns what was decided, both in rising"
    " order; shares are those of the row. The decision is the median of the probabilities, each"
    " weighed by the share of its class in the training part.",
    "confusion_repeats": "Counts are averaged over repeats.",
    "confusion_caption": "{name}: truth (rows) by decision (columns).",
    "confusion_none": "metrics.json has no confusion matrix.",
    "true_class": "Truth",
    "decided": "Decided",
    "total": "Total",
    "class_figures_caption": "Decisions and probabilities over all classes.",
    "balanced_accuracy": "Balanced accuracy",
    "balanced_accuracy_hint": "mean share right of each class",
    "kappa": "Quadratic kappa",
    "kappa_hint": "agreement beyond chance; 1 is perfect",
    "log_loss": "Log loss",
    "log_loss_hint": "0 is perfect",
    "classes": "Class by class",
    "classes_lead": "Each class against all others together: the AUC of its own probability.",
    "classes_caption": "AUC of each class against the rest.",
    "classes_none": "metrics.json has no figures of single classes.",
    "class": "Class",
    "against": "Against the rest",
    "class_auc": "AUC",
    "expected": "Expected class by true class",
    "expected_lead": "One expected class per unit{averaged}: the mean of the classes' numbers,"
    " weighted by their probabilities. Dark lines are medians; the higher the true class, the"
    " further to the right they should stand.",
    "expected_axis": "expected class",
    "expected_median": "{label} {value} of {n}",
    "expected_alt": "Expected class of {name} by true class, numbered from 0: medians {medians}",
    # labels
    "labels": "Label by label",
    "labels_lead": "Each label is a question of its own; the macro AUC above is the mean of these"
    " figures. Where a label is not known of a unit, the unit is left out for that label.",
    "labels_caption": "AUC of each label, with its interval.",
    "labels_none": "metrics.json has no figures of single labels.",
    "labels_decision_caption": "What the decision gets right, label by label, with intervals.",
    "labels_decision": "Decisions of each label",
    "label": "Label",
    # survival
    "survival": "Survival by risk group",
    "survival_lead": "Kaplan-Meier curves of the groups that the models' decisions make. Every unit"
    " was put into its group by models that had not seen it{averaged_groups}. Shaded: pointwise"
    " 95 % intervals; marks: censored units.",
    "averaged_groups": ", by the majority of {repeats} repeats (a tie counts as high risk)",
    "survival_none": "{name}: no unit has a known time, so there is no curve.",
    "survival_alt": "Kaplan-Meier curves of {name}: {groups}",
    "survival_group": "{name}, {n} units, {events} events, {share} without event at {time}",
    "low_risk": "low risk",
    "high_risk": "high risk",
    "event_free": "share without event",
    "at_risk": "at risk",
    "survival_caption": "Risk groups. Median: {time} at which half have had the event; a dash where"
    " this is not reached.",
    "survival_figures_caption": "High against low risk, and follow-up.",
    "group": "Group",
    "events": "Events",
    "median": "Median",
    "hazard_ratio": "Hazard ratio",
    "hazard_ratio_hint": "high against low risk; 1 is no difference",
    "logrank": "Log-rank p",
    "logrank_hint": "groups as given; refitting not in it",
    "follow_up": "Median follow-up",
    "follow_up_hint": "{time}, reverse Kaplan-Meier",
    # distribution
    "distribution": "Predicted probabilities",
    "distribution_lead": "One probability per unit{averaged}. The less the two halves"
    " overlap from left to right, the better the classes are told apart.",
    "distribution_alt": "Predicted probabilities of {name}: median {positive} in the positive and"
    " {negative} in the negative class",
    "units_axis": "{units}",
    # images
    "images": "PET/CT of some {units}",
    "images_lead": "Chosen by {name}: {chosen}. The outline is what was delineated. PET is"
    " inverted (dark is hot); fusion is PET in the hot scale on CT. The patient's right is on the"
    " left.",
    "chosen_binary": "the furthest from the truth, then the highest and the lowest probabilities",
    "chosen_multiclass": "the furthest from the truth, then the surest and the least sure",
    "chosen_ordinal": "the furthest from the truth, then the highest and the lowest expected"
    " classes",
    "chosen_multilabel": "the furthest from the truth over all labels, then those with the most and"
    " the fewest labels expected",
    "chosen_survival": "the highest and the lowest risks (a risk has no truth that it could be far"
    " from)",
    "window_pet": "PET shows SUV {low} to {high}.",
    "window_ct": "CT shows {low} to {high} HU.",
    "images_none": "The run has no gallery folder with pictures: no slices are shown.",
    "images_empty": "The gallery has no picture of a unit that was predicted.",
    "wrong": "furthest from the truth",
    "highest_binary": "highest probability",
    "lowest_binary": "lowest probability",
    "highest_multiclass": "highest probability of any class",
    "lowest_multiclass": "lowest probability of the likeliest class",
    "highest_ordinal": "highest expected class",
    "lowest_ordinal": "lowest expected class",
    "highest_multilabel": "highest number of labels expected",
    "lowest_multilabel": "lowest number of labels expected",
    "highest_survival": "highest risk",
    "lowest_survival": "lowest risk",
    "truth": "truth",
    "event_at": "event at {time}",
    "censored_at": "censored at {time}",
    "labels_true": "{count} of {known} labels: {labels}",
    "none": "none",
    "expects": "expects",
    "log_hazard": "log hazard",
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
