# Sourced by the tests of the compose stack: names a project and ports of its own, starts it, removes it.
#
#   CLUSTER=1     three NATS servers, as compose.cluster.yaml has them
#
# deploy/compose.bash has further variables.
purpose=test
files=(compose.yaml)
[ -z "${CLUSTER:-}" ] || files+=(compose.cluster.yaml)
. deploy/compose.bash
free_ports STACK_API_PORT STACK_JOBS_PORT STACK_SIDECAR_PORT STACK_DAEMON_PORT STACK_NATS_PORT

greeted() {
  "$python" -c 'import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).makefile("rb").readline()
sys.exit(not line.startswith(b"INFO"))' "$STACK_NATS_PORT"
}

connected() { # the sidecar, to the line
  "$python" -c 'import json, sys, urllib.request as http
sys.exit(json.load(http.urlopen(sys.argv[1], timeout=5))["line"] != "connected")' \
    "http://127.0.0.1:$STACK_SIDECAR_PORT/v1/healthz"
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
  bring_up api --scale "consumer=$1"
  wait_for "the API is ready" 120 answers "http://127.0.0.1:$STACK_API_PORT/ready?for=reads,writes"
  wait_for "NATS answers" 30 greeted
  wait_for "the sidecar has the line" 60 connected
  wait_for "$1 consumers share the partitions" 60 shared "$1"
}

nats_password() {
  printf '%s' "${STACK_NATS_PASSWORD:-$(sed -n 's/^STACK_NATS_PASSWORD=//p' .env)}"
}
