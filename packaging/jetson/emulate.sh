#!/bin/bash
# Installs Mien in an emulated arm64 Debian 12, annotates the demo there, and compares its decisions with this machine's.
#
#   sudo apt-get install qemu-user-static debootstrap
#   sudo PYTHON=.venv/bin/python packaging/jetson/emulate.sh FOLDER
#
# PYTHON runs Mien on this machine ('mien prepare' has fetched the face networks). FOLDER takes 1.2 GB; what is in it is
# used again by a second run. Wheels are downloaded here and installed there, so that only their code is emulated.
# An emulated processor says nothing about speed. MIRROR is the Debian archive.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
mirror=${MIRROR:-http://deb.debian.org/debian}
suite=bookworm version=3.11 glibc=36  # the Debian release, its Python and glibc
# The cores of a Jetson Orin are Cortex-A78AE; this is the nearest that QEMU 7.2 knows.
export QEMU_CPU=${QEMU_CPU:-cortex-a76}

fail() { echo "emulate.sh: $1" >&2; exit 2; }
[ $# = 1 ] || fail "usage: emulate.sh FOLDER"
[ "$(id -u)" = 0 ] || fail "needs root, for chroot and debootstrap"
command -v debootstrap qemu-aarch64-static > /dev/null || fail "install the packages qemu-user-static and debootstrap"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
debian=$folder/debian

step() { echo "[$(date +%H:%M:%S)] $*"; }

# The kernel must know that arm64 programs run in QEMU; on an installed Debian the package has seen to it.
register=/proc/sys/fs/binfmt_misc
[ -e $register/register ] || mount -t binfmt_misc binfmt_misc $register
[ -e $register/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > $register/register

if [ ! -e "$debian/.complete" ]; then
  step "Debian $suite for arm64 (minutes)"
  rm -rf "$debian"
  debootstrap --arch=arm64 --variant=minbase --include=python3-venv "$suite" "$debian" "$mirror" > "$folder/debootstrap.log" \
    || fail "debootstrap failed: see $folder/debootstrap.log"
  touch "$debian/.complete"
fi

step "wheels for aarch64, Python $version, glibc 2.$glibc"
platforms=(--platform manylinux2014_aarch64)
for minor in $(seq $glibc -1 17); do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
rm -rf "$debian/wheels"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$debian/wheels" "$root"
grep -v 'python_version < "3.11"' "$root/packaging/constraints.txt" > "$folder/constraints.txt"
"$python" -m pip download --quiet --only-binary=:all: --implementation cp --python-version $version "${platforms[@]}" \
  -c "$folder/constraints.txt" --dest "$debian/wheels" "$debian"/wheels/mien-*.whl

mountpoint -q "$debian/proc" || mount -t proc proc "$debian/proc"
trap 'umount "$debian/proc"' EXIT
there() { chroot "$debian" /usr/bin/env -i PATH=/opt/mien/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 QEMU_CPU="$QEMU_CPU" \
  MIEN_MODELS=/models OMP_NUM_THREADS=1 "$@"; }

step "installing, emulated: $(there uname -m), $(there python3 --version)"
there python3 -m venv --clear /opt/mien
there pip install --quiet --no-index --find-links /wheels mien
mkdir -p "$debian/models"
cp "$("$python" -c 'from engine.tracking.face_models import models_folder; print(models_folder())')"/*.tflite "$debian/models/"

step "mien doctor, emulated"
there mien doctor || true  # reports; annotate decides

step "annotating the demo, emulated"
rm -rf "$debian/out"
time there mien annotate demo --out /out

step "annotating the demo here"
(cd "$root" && "$python" -m app annotate demo --out "$folder/here" --force)

step "comparison"
"$python" "$root/packaging/jetson/compare_decisions.py" "$folder/here/demo/faces.csv" "$debian/out/demo/faces.csv"
