#!/usr/bin/env bash
# Set up .venv with the test tools, then lint, check types and imports, and run the tests.
#
#   bash scripts/test.sh [pytest arguments]        --full adds the slow tier
#
# Every linter speaks before a failing one ends the run; pytest comes last, and only on clean code.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" dev
cd "$root"
export PATH="$root/.venv/bin:$PATH"

failed=()
lint() {
  printf '== %s\n' "$*"
  "$@" || failed+=("$*")
}

lint ruff check .
lint ruff format --check .
lint mypy
lint lint-imports --no-logo
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'failed, tests not run: %s\n' "${failed[@]}" >&2
  exit 1
fi

# One process a core, up to four, each with whole files of tests, since these share what is slow to make.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
printf '== pytest %s\n' "$*"
exec python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
