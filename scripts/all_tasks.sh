#!/usr/bin/env bash
# All eight tasks on simulated cohorts: simulate, train a linear and a fusion model in one multirun,
# predict, report. About half an hour on two cores; a second run goes on where the first stopped.
#
#   bash scripts/all_tasks.sh [FOLDER]      default: the current folder; petnet must be on PATH
#
# PETNET_PATIENTS   patients of each simulated cohort (default 60)
set -euo pipefail

mkdir -p "${1:-.}"
cd "${1:-.}"
tasks=(her2 her2_vegfr2 her2_response her2_survival nodal peritoneal peritoneal_regions benign_malignant)
list=$(IFS=,; printf '%s' "${tasks[*]}")

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

# shellcheck disable=SC2016  # Hydra fills it in, per job
step petnet simulate -m simulation=her2_serial,nodal,peritoneal,lesions \
  simulation.patients="${PETNET_PATIENTS:-60}" 'out=data/simulated/${hydra:runtime.choices.simulation}'
step petnet train -m experiment=all_tasks "task=$list" model=lr,fusion
for task in "${tasks[@]}"; do
  for run in runs/all_tasks/"$task"/"$task"-*; do
    cohort=$(sed -n 's/^cohort: //p' "$run/config.yaml")
    step petnet predict run="$run" cohort="$cohort" out="$run/predict.csv"
  done
  step petnet report run=runs/all_tasks/"$task" out=runs/all_tasks/"$task".html
done
