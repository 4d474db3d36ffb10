# Sourced by the tests of the compose stack: names a project and ports of its own, starts it, removes it.
#
#   COMPOSE="docker compose" | podman-compose     which one to use; the first that works by default
#   CLUSTER=1                                     three NATS servers, as compose.cluster.yaml has them
#   COMPOSE_BUILD_ARGS="--network host ..."       what podman needs to build on this machine, if anything
python=.venv/bin/python

if [ -n "${COMPOSE:-}" ]; then
  read -ra compose <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v podman-compose >/dev/null; then
  compose=(podman-compose)
else
  echo "the compose stack needs one of them: neither 'docker compose' nor podman-compose is here" >&2
  exit 2
fi
if [ -n "${COMPOSE_BUILD_ARGS:-}" ] && [ "${compose[0]##*/}" = podman-compose ]; then
  compose+=("--podman-build-args=$COMPOSE_BUILD_ARGS")
fi

free_port() {
  "$python" -c 'import sys; from foldline.embedded.ports import pick_port; sys.stdout.write(str(pick_port("127.0.0.1")))'
}

[ -e .env ] || deploy/make-env >/dev/null
# One project a checkout: neither a stack in use nor the tests of another checkout are disturbed.
project=foldline-test-$(pwd | cksum | cut -d' ' -f1)
files=(--file compose.yaml)
[ -z "${CLUSTER:-}" ] || files+=(--file compose.cluster.yaml)
compose+=("${files[@]}" --project-name "$project")
STACK_API_PORT=$(free_port)
STACK_JOBS_PORT=$(free_port)
STACK_NATS_PORT=$(free_port)
export STACK_API_PORT STACK_JOBS_PORT STACK_NATS_PORT STACK_IMAGE=foldline-test

say() { printf '== %s\n' "$*"; }

finish() {
  code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    say "failed; the last lines of every container"
    "${compose[@]}" ps || true
    "${compose[@]}" logs --tail 60 || true
  fi
  say "removing the stack"
  "${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1 || say "could not remove the stack"
  exit "$code"
}

wait_for() { # what, seconds, command with arguments
  local what=$1 seconds=$2 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      say "not within $seconds s: $what"
      "$@" || return 1
    fi
    sleep 0.5
  done
  say "$what"
}

ready() {
  "$python" -c 'import sys, urllib.request as http; http.urlopen(sys.argv[1], timeout=5)' \
    "http://127.0.0.1:$STACK_API_PORT/ready"
}

greeted() {
  "$python" -c 'import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).makefile("rb").readline()
sys.exit(not line.startswith(b"INFO"))' "$STACK_NATS_PORT"
}

shared() { # by how many consumers: evenly, and nothing left to fold
  status | "$python" -c 'import json, sys
followers, count = json.load(sys.stdin)["followers"], int(sys.argv[1])
for one in followers:
    sizes = sorted(len(parts) for parts in one["owners"].values())
    if len(sizes) != count or one["unheld"] or sizes[-1] - sizes[0] > 1 or any(one["lag_events"].values()):
        sys.exit(f"{one}")' "$1"
}

status() {
  "${compose[@]}" exec -T api foldline status --json </dev/null
}

start() { # consumers
  export STACK_CONSUMERS=$1
  "${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1 || true
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "${compose[*]}: building and starting"
  "${compose[@]}" build api # once, rather than for every container at the same time
  "${compose[@]}" up --build --detach --scale "consumer=$1"
  wait_for "the API is ready" 120 ready
  wait_for "NATS answers" 30 greeted
  wait_for "$1 consumers share the partitions" 60 shared "$1"
}

nats_password() {
  printf '%s' "${STACK_NATS_PASSWORD:-$(sed -n 's/^STACK_NATS_PASSWORD=//p' .env)}"
}
