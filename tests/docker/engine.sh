#!/usr/bin/env bash
# A Docker engine of the tests' own, for machines that have the packages but no running engine.
#
#   eval "$(tests/docker/engine.sh start)"     exports DOCKER_HOST; does nothing where an engine answers already
#   tests/docker/engine.sh stop                ends what `start` began, and removes everything it wrote
#
# Needs root, Linux and dockerd on the PATH. All its state lies in one temporary folder. It changes neither the
# firewall nor routing: containers reach each other and 127.0.0.1 ports reach containers, but containers do not
# reach the outside (builds do, with `--network host`).
set -euo pipefail

answers() { timeout 20 docker info >/dev/null 2>&1; }

start() {
  if answers; then
    echo "an engine answers already" >&2
    return
  fi
  if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
    echo "no engine answers, and starting one takes root and dockerd" >&2
    return 1
  fi
  local dir
  dir=$(mktemp -d "${TMPDIR:-/tmp}/scriptorium-engine.XXXXXX")
  mkdir "$dir/tmp"
  echo '{}' >"$dir/daemon.json"  # the machine's own settings are for its own engine
  # setsid: a Ctrl-C meant for the tests must not end the engine before they have cleaned up.
  TMPDIR=$dir/tmp setsid dockerd --data-root "$dir/root" --exec-root "$dir/exec" --pidfile "$dir/pid" \
    --host "unix://$dir/docker.sock" --config-file "$dir/daemon.json" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    >"$dir/log" 2>&1 </dev/null &
  export DOCKER_HOST=unix://$dir/docker.sock
  for _ in $(seq 60); do
    if answers; then
      printf 'export DOCKER_HOST=%q SCRIPTORIUM_TEST_ENGINE=%q\n' "$DOCKER_HOST" "$dir"
      return
    fi
    kill -0 $! 2>/dev/null || break
    sleep 0.5
  done
  tail -n 20 "$dir/log" >&2
  SCRIPTORIUM_TEST_ENGINE=$dir stop
  return 1
}

stop() {
  local dir=${SCRIPTORIUM_TEST_ENGINE:-}
  case $dir in
    '') return ;;  # not our engine
    */scriptorium-engine.??????) ;;
    *) echo "not a folder of this script: $dir" >&2; return 1 ;;
  esac
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null || true)
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
    for _ in $(seq 60); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.5
    done
    kill -KILL "$pid" 2>/dev/null || true
  fi
  # Deepest first; a mount left behind would let the rm below reach what is mounted.
  awk -v top="$dir/" 'index($2, top) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n 1 umount
  rm -rf --one-file-system "$dir"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
