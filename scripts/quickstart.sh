#!/usr/bin/env bash
# From a fresh clone to a report: set up .venv, simulate a HER2 cohort, train three models on the
# same folds and lay them side by side.
#
#   bash scripts/quickstart.sh
#
# PETNET_QUICKSTART_DIR  folder for data/ and runs/ (default: the project's own)
# The head of scripts/setup.sh says what steers the set-up. A second run goes on where the first
# one stopped: petnet keeps a finished cohort and finished models.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
export PATH="$root/.venv/bin:$PATH"
work=${PETNET_QUICKSTART_DIR:-$root}
mkdir -p "$work"
cd "$work" # the commands below use relative paths

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

step petnet simulate out=data/her2 simulation.prevalence=0.3 # 0.15 as in life needs more patients
step petnet check cohort=data/her2
step petnet train -m task=her2 cohort=data/her2 model=lr,cnn,fusion experiment=quickstart out=runs/quickstart
step petnet report run=runs/quickstart out=runs/quickstart/report.html

printf '\nThe report: %s/runs/quickstart/report.html (%d min %d s)\n' "$PWD" $((SECONDS / 60)) $((SECONDS % 60))
