# Sourced by the tests in containers: chooses a compose program, waits for conditions, and removes what was started.
# Before it is sourced, `files` (the compose files of the stack) and `purpose` (the end of the project's name) are set.
#
#   COMPOSE="docker compose" | podman-compose     the program to use; by default the first that works
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

# It fails when no password is missing. If one is missing afterwards, compose names it.
deploy/make-env >/dev/null 2>&1 || true
# One project a checkout: neither a stack in use nor the tests of another checkout are disturbed.
project=foldline-$purpose-$(pwd | cksum | cut -d' ' -f1)
for file in "${files[@]}"; do compose+=(--file "$file"); done
compose+=(--project-name "$project")
export STACK_IMAGE=foldline-test

free_ports() { # names of variables, each to hold a port that nobody listens on
  local name
  while read -r name; do export "${name?}"; done < <("$python" -c 'import sys
from foldline.embedded.ports import pick_port
taken = set()
for name in sys.argv[1:]:
    print(f"""{name}={pick_port("127.0.0.1", taken)}""")' "$@")
}

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

bring_up() { # the service the image is built by, further arguments of `up`
  local built=$1
  shift
  "${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1 || true
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "${compose[*]}: building and starting"
  "${compose[@]}" build "$built" # once, rather than for every container at the same time
  "${compose[@]}" up --build --detach "$@"
}

answers() { # URL
  "$python" -c 'import sys, urllib.request as http; http.urlopen(sys.argv[1], timeout=5)' "$1"
}
