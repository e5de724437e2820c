#!/usr/bin/env bash
# Starts a FerryMQ broker in the background and prints its process id once its port accepts, so that
# a benchmark can start FerryMQ and other brokers in the same way:
#
#   ferrymq-up.sh --name N --port P --data DIR [--connect URI [--nc-ttl N]]
#
# --connect bridges to the broker at that URI; --nc-ttl bounds the hops (unlimited without it).
# The broker keeps persistent messages in DIR/store, as ActiveMQ keeps its own in DIR, each synced
# before its answer; its output goes to DIR/broker.log. FERRYMQ names the program; without it, the release
# build of this checkout is used.
set -euo pipefail

fail() { echo "ferrymq-up.sh: $*" >&2; exit 2; }
project=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
program=${FERRYMQ:-${CARGO_TARGET_DIR:-$project/target}/release/ferrymq}
[ -x "$program" ] || fail "$program is missing; build it with: cargo build --release"

name='' port='' data='' connect='' ttl=''
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || fail "$1 needs a value"
  case $1 in
    --name) name=$2 ;;
    --port) port=$2 ;;
    --data) data=$2 ;;
    --connect) connect=$2 ;;
    --nc-ttl) ttl=$2 ;;
    *) fail "unknown flag $1" ;;
  esac
  shift 2
done
[ -n "$name" ] && [ -n "$port" ] && [ -n "$data" ] || fail "--name, --port and --data are needed"
mkdir -p -- "$data"

arguments=()
if [ -n "$connect" ]; then
  {
    printf '[[network_connector]]\nname = "bridge"\nuri = "static:(%s)"\n' "$connect"
    [ -z "$ttl" ] || printf 'network_ttl = %d\n' "$ttl"
  } >"$data/broker.toml"
  arguments+=("$data/broker.toml")
fi
accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
if accepts; then fail "port $port is already in use"; fi

setsid "$program" broker ${arguments[@]+"${arguments[@]}"} --name "$name" \
  --data "$data/store" --listen "tcp://127.0.0.1:$port" </dev/null >"$data/broker.log" 2>&1 &
pid=$!
for ((waited = 0; waited < 1000; waited++)); do
  if accepts; then
    echo "$pid"
    exit
  fi
  kill -0 "$pid" 2>/dev/null || { tail -n 5 "$data/broker.log" >&2; fail "the broker ended early"; }
  sleep 0.01
done
kill "$pid"
fail "port $port does not accept; see $data/broker.log"
