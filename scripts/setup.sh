#!/usr/bin/env bash
# Make .venv at the project root with the pinned, tested set; nothing to do, nothing done.
#
#   bash scripts/setup.sh [dev]        dev adds the linters and the test tools
#
# Needs Python 3.11 or newer with pip and venv. Three environment variables steer it:
#   PETNET_PYTHON        the Python to use; else the first fit one of python3, python3.12, ...
#   PETNET_ACCELERATOR   cpu, cuda12 or cuda13; else what the NVIDIA driver, if any, can do
#   PETNET_TORCH_INDEX   the package index to take torch from, instead of pip's own. On Linux
#                        without a GPU set it to PyTorch's CPU index, or pip fetches gigabytes of
#                        CUDA libraries; with a CUDA 12 driver set it to PyTorch's CUDA 12 index.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=.venv # relative: pip takes no paths with spaces everywhere
python=$venv/bin/python
stamp=$venv/petnet-setup.stamp
torch_build=$venv/petnet-setup.torch
log=$venv/petnet-setup.log
constraints=scripts/constraints.txt

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "error: $1"
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# Why a Python will not do, on standard output; nothing when it will.
objection() {
  "$1" - "${2:-99}" 2>/dev/null <<'PY' || echo "is not there or does not run"
import sys

here = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    print("is Python " + here + ", 3.11 or newer is needed")
elif sys.version_info[1] > int(sys.argv[1]):
    print("is Python " + here + ", newer than the tested ones")
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("is Python " + here + " without venv or pip (Debian, Ubuntu: apt install python3-venv)")
PY
}

# Newer than the tested ones (3.13 and on) only when there is no other.
find_python() {
  local name newest why tried=()
  if [ -n "${PETNET_PYTHON:-}" ]; then
    why=$(objection "$PETNET_PYTHON")
    [ -z "$why" ] || die "PETNET_PYTHON=$PETNET_PYTHON $why"
    echo "$PETNET_PYTHON"
    return
  fi
  for newest in 12 99; do
    for name in python3 python3.12 python3.11 python3.13 python3.14; do
      why=$(objection "$name" "$newest")
      if [ -z "$why" ]; then
        echo "$name"
        return
      fi
      tried+=("$name $why")
    done
    [ "$newest" = 99 ] || tried=()
  done
  die "no fit Python was found" "${tried[@]}" \
    "install Python 3.11 or 3.12, or name one: PETNET_PYTHON=/path/to/python bash $0"
}

# The CUDA generation that the driver can run: 13 from driver 580 on, 12 from 525 on.
find_accelerator() {
  local driver
  case ${PETNET_ACCELERATOR:-auto} in
    cpu | cuda12 | cuda13) echo "$PETNET_ACCELERATOR" && return ;;
    auto) ;;
    *) die "PETNET_ACCELERATOR: expected auto, cpu, cuda12 or cuda13 but got '$PETNET_ACCELERATOR'" ;;
  esac
  # One line per GPU. No `head`: it may end before nvidia-smi does, which pipefail calls a failure.
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null) || driver=
  driver=${driver%%.*}
  case $driver in
    '' | *[!0-9]*) echo cpu ;; # no nvidia-smi, or it speaks of an error
    *)
      if [ "$driver" -ge 580 ]; then
        echo cuda13
      elif [ "$driver" -ge 525 ]; then
        echo cuda12
      else
        say "warning: NVIDIA driver $driver is too old for CUDA 12 (needs 525): taking the CPU build"
        echo cpu
      fi
      ;;
  esac
}

# pip's own output goes to the log; here one line now and then.
show_progress() {
  local line names count=0
  while IFS= read -r line; do
    case $line in
      Collecting\ * | Processing\ *)
        count=$((count + 1))
        [ $((count % 20)) -ne 0 ] || say "  $count packages looked up"
        ;;
      *Downloading\ *[0-9][0-9].[0-9]\ MB* | *Downloading\ *GB*) say "  ${line#"${line%%[![:space:]]*}"}" ;;
      Installing\ collected\ packages:*)
        names=${line//[^,]/}
        say "  installing packages: $((${#names} + 1))"
        ;;
    esac
  done
}

pip_install() {
  "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1 |
    tee -a "$log" | show_progress && return
  say "pip's last lines (all of them are in $root/$log):"
  tail -n 15 "$log" >&2
  die "pip could not install: $*" "without a network nothing can be fetched; else see the lines above"
}

# What an environment was made from: when any of it changes, pip runs again.
fingerprint() {
  "$python" - "$root" "$accelerator" "${PETNET_TORCH_INDEX:-}" pyproject.toml "$constraints" <<'PY'
import hashlib, pathlib, sys

root, *words = sys.argv[1:]
parts = [root, sys.version, *words[:2], *(pathlib.Path(p).read_text("utf-8") for p in words[2:])]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PY
}

make_venv() {
  local chosen
  if [ -e "$venv" ] && "$python" -c 'import pip' 2>/dev/null; then
    [ -z "${PETNET_PYTHON:-}" ] || [ "$("$python" -V)" = "$("$PETNET_PYTHON" -V)" ] ||
      die ".venv holds $("$python" -V) but PETNET_PYTHON is $("$PETNET_PYTHON" -V)" \
        "remove $root/.venv to have it made anew"
    return
  fi
  chosen=$(find_python)
  say "making $root/.venv with $("$chosen" -V)"
  "$chosen" -m venv --clear "$venv" || die "$chosen could not make $root/.venv"
}

install_torch() {
  local pin options=()
  pin=$(grep -E '^torch==' "$constraints")
  if [ -n "${PETNET_TORCH_INDEX:-}" ]; then
    options=(--index-url "$PETNET_TORCH_INDEX")
  elif [ "$accelerator" = cuda12 ]; then
    say "warning: pip's usual build of torch needs CUDA 13, this driver has CUDA 12:" \
      "set PETNET_TORCH_INDEX to PyTorch's CUDA 12 index"
  elif [ "$accelerator" = cpu ] && [ ! -e "$torch_build" ] && [ "$(uname -s)" = Linux ]; then
    say "no NVIDIA driver: should pip fetch CUDA libraries, stop it and set PETNET_TORCH_INDEX" \
      "to PyTorch's CPU index"
  fi
  # Another accelerator or index than last time: the same version number, but another build.
  [ ! -e "$torch_build" ] || [ "$(cat "$torch_build")" = "$build" ] || options+=(--force-reinstall)
  say "torch for $accelerator ($pin)"
  pip_install --no-deps ${options[@]+"${options[@]}"} "$pin"
  echo "$build" >"$torch_build"
}

check_gpu() {
  "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    say "warning: there is an NVIDIA driver but this build of torch cannot use it; petnet runs on" \
      "the CPU. See PETNET_TORCH_INDEX at the head of scripts/setup.sh"
}

case ${1-} in
  '' | dev) ;;
  *) die "expected no argument or 'dev' but got '$1'" ;;
esac
accelerator=$(find_accelerator)
build="$accelerator ${PETNET_TORCH_INDEX:-}"
make_venv
wanted=$(fingerprint)
if [ -e "$stamp" ] && [ "$(sed -n 1p "$stamp")" = "$wanted" ]; then
  had=$(sed -n 2p "$stamp")
  if [ -z "${1-}" ] || [ "$had" = dev ]; then
    exit 0
  fi
fi

: >"$log"
extras=${1-}
[ "$accelerator" = cpu ] || extras=${extras:+$extras,}$accelerator
install_torch
say "petnet${extras:+[$extras]} and what it needs"
pip_install -c "$constraints" -e ".${extras:+[$extras]}"
[ "$accelerator" = cpu ] || check_gpu
printf '%s\n' "$wanted" "${1-}" >"$stamp.new"
mv "$stamp.new" "$stamp"
say "ready: $root/.venv"
