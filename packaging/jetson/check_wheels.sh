#!/bin/bash
# Resolves every package of the program and its extras, but not those for training and tests, as pinned wheels for both
# JetPacks, on any machine: nothing is built or installed. Needs the package index.
#
#   packaging/jetson/check_wheels.sh [PYTHON]
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:-python3}
requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
"$python" - "$root/pyproject.toml" > "$requirements" <<'PYTHON'
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
extras = project["optional-dependencies"]
print("\n".join([*project["dependencies"], *extras["window"], *extras["gpu"], *extras["serve"], *extras["mqtt"], *extras["lsl"]]))
PYTHON

resolve() {  # version of Python, glibc
  local platforms=() minor
  for minor in $(seq "$2" -1 17); do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
  # Markers are evaluated on this machine, so the pins for the other Python are left out by hand.
  local pins; pins=$(mktemp)
  if [ "$1" = 3.10 ]; then
    sed -E '/python_version >= "3.11"/d; s/; python_version < "3.11"//' "$root/packaging/constraints.txt" > "$pins"
    sed -E 's/; python_version < .3\.11.//' "$requirements" > "$requirements.$1"
  else
    sed -E '/python_version < "3.11"/d; s/; python_version >= "3.11"//' "$root/packaging/constraints.txt" > "$pins"
    sed -E "/python_version < '3\.11'/d" "$requirements" > "$requirements.$1"
  fi
  "$python" -m pip install --quiet --dry-run --ignore-installed --target /nonexistent --only-binary=:all: \
    --implementation cp --python-version "$1" "${platforms[@]}" --platform manylinux2014_aarch64 \
    -c "$pins" -r "$requirements.$1" --report "$requirements.json" > /dev/null
  "$python" -c 'import json, sys; print(sys.argv[1], ":", len(json.load(open(sys.argv[2]))["install"]), "wheels")' \
    "JetPack $3, Python $1, glibc 2.$2" "$requirements.json"
  rm -f "$pins" "$requirements.$1" "$requirements.json"
}

resolve 3.10 35 6
resolve 3.12 39 7
