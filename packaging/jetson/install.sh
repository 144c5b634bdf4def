#!/bin/bash
# Installs Mien on a Jetson with JetPack 6 (Python 3.10) or 7 (Python 3.12), into a virtual environment of its own.
#
#   packaging/jetson/install.sh [--headless] [--engines] [--dry-run] [FOLDER]
#
# FOLDER is ~/.local/share/mien if not given. --headless leaves the window out, --engines builds the TensorRT engines
# (minutes), --dry-run prints the commands. Needs the network, and root only for what it asks apt to install.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
release=${MIEN_TEGRA_RELEASE:-/etc/nv_tegra_release}
machine=${MIEN_MACHINE:-$(uname -m)}
extras="[gpu,window]" engines="" dry="" folder=$HOME/.local/share/mien
for option in "$@"; do
  case $option in
    --headless) extras="[gpu]" ;;
    --engines) engines=yes ;;
    --dry-run) dry=yes ;;
    -*) echo "install.sh: unknown option $option" >&2; exit 2 ;;
    *) folder=$option ;;
  esac
done

fail() { echo "install.sh: $1" >&2; exit 2; }
run() { if [ -n "$dry" ]; then echo "$*"; else "$@"; fi; }

[ "$machine" = aarch64 ] || fail "this machine is $machine, a Jetson is aarch64: use 'make run' or the wheel"
[ -r "$release" ] || fail "$release cannot be read: this is not a Jetson with JetPack"
major=$(sed -nE '1s/^# R([0-9]+) .*/\1/p' "$release")
case $major in
  36) jetpack=6 python=python3.10 ;;
  38 | 39) jetpack=7 python=python3.12 ;;
  *) fail "Linux for Tegra R$major is neither JetPack 6 (R36) nor 7 (R38, R39)" ;;
esac
echo "JetPack $jetpack (R$major), $python"

# JetPack's TensorRT has Python bindings for the system's Python only, so the environment uses the same version.
packages=("$python-venv" python3-libnvinfer)
[ "$extras" = "[gpu]" ] || packages+=(libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxcb-icccm4
  libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxkbcommon-x11-0 libx11-xcb1)
run sudo apt-get install -y --no-install-recommends "${packages[@]}"

run "$python" -m venv "$folder"
# constraints.txt pins other versions for Python 3.10: the last wheels for glibc 2.35 and that Python.
run "$folder/bin/pip" install --upgrade pip
run "$folder/bin/pip" install -c "$root/packaging/constraints.txt" "$root$extras"

# Only TensorRT is taken from the system, by a link: its other packages (NumPy 1) do not fit.
bindings=$("$python" -c 'import importlib.util as u; s = u.find_spec("tensorrt"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null || true)
if [ -n "$bindings" ] || [ -n "$dry" ]; then
  run ln -sfn "${bindings:-/usr/lib/${python%%.*}/dist-packages/tensorrt}" "$folder/lib/$python/site-packages/tensorrt"
else
  echo "install.sh: TensorRT was not found (apt package python3-libnvinfer): the CPU will be used" >&2
fi

run "$folder/bin/mien" prepare
[ -z "$engines" ] || run "$folder/bin/mien" engines build
run "$folder/bin/mien" doctor
echo "start it with $folder/bin/mien"
