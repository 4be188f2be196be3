#!/usr/bin/env bash
# Make a base image named $1 without a registry: Debian 12 with Python 3.11, from the distribution's packages.
# Needs root, debootstrap and a running engine; takes a minute and about 300 MB of temporary space.
set -euo pipefail
name=${1:?usage: $0 NAME}
dir=$(mktemp -d)
trap 'rm -rf --one-file-system "$dir"' EXIT
debootstrap --variant=minbase --include=python3-venv bookworm "$dir/root" >"$dir/log" 2>&1 || {
  tail -n 20 "$dir/log" >&2
  exit 1
}
tar -C "$dir/root" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -c . | docker import - "$name" >/dev/null
