#!/usr/bin/env bash
# Size on disk of a fresh runtime in MB, without and with the window: the figures of docs/results/first_light.json.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for extra in "" "[window]"; do
  "${PYTHON:-python3}" -m venv "$folder/venv"
  "$folder/venv/bin/python" -m pip install -q --disable-pip-version-check --no-compile -c packaging/constraints.txt -e ".$extra"
  bytes=$(du -sb "$folder/venv" assets/models | awk '{sum += $1} END {print sum}')
  echo "mien$extra with its models: $((bytes / 1000000)) MB"
  rm -rf "$folder/venv"
done
