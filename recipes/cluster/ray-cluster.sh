#!/bin/bash
# Starts a node of a Ray cluster, which runs until it is stopped by Ctrl-C or SIGTERM. The machines
# need the same file system, and the same Python and packages.
#
#   ./ray-cluster.sh head                    on the first machine
#   ./ray-cluster.sh worker FIRST:6379       on each of the other machines
#
# Options of `ray start`, such as --num-cpus=8, may follow.
#
# Whoever can connect to a Ray cluster can run programs on it. Therefore all machines, including the
# one on which jasco runs, need the same secret, for example: export RAY_AUTH_TOKEN=$(openssl rand -hex 32)
: "${RAY_AUTH_TOKEN:?set it to the same secret on all machines}"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

case $1 in
    head) exec ray start --block --head --port=6379 --include-dashboard=false "${@:2}" ;;
    worker) exec ray start --block --address="${2:?HOST:PORT of the head}" "${@:3}" ;;
    *) sed -n '2,/^:/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
