#!/bin/bash
# Processes the shards of a run on several machines with the same file system. Each machine takes
# one shard after the other. Pass the arguments of jasco, without --shard:
#
#   HOSTS="gpu1 gpu2 gpu3" SHARDS=12 ./ssh-shards.sh eval MODEL --data DATA --judge JUDGE --run RUN
#
read -ra hosts <<< "${HOSTS:?names of the machines}"
shards=${SHARDS:-${#hosts[@]}}

# The remote command runs in this folder and writes a log to it. -tt ends it when the connection is
# closed.
process_shards() {
    local host=$1 shard=$2 status=0 command
    for ((; shard <= shards; shard += ${#hosts[@]})); do
        command="cd $(printf %q "$PWD") && jasco$(printf ' %q' "${@:3}" --shard "$shard/$shards")"
        ssh -n -tt "$host" "$command > shard-$shard.log 2>&1"
        case $? in
            0) ;;
            2 | 3) return 1 ;; # the input is wrong or refused: other shards would fail as well
            *) status=1 ;;
        esac
    done
    return "$status"
}

set -m # each job is a process group, which Ctrl-C ends
trap 'kill -- "${jobs[@]/#/-}"' INT TERM
jobs=()
for index in "${!hosts[@]}"; do
    process_shards "${hosts[$index]}" "$((index + 1))" "$@" &
    jobs+=($!)
done
status=0
for job in "${jobs[@]}"; do
    wait "$job" || status=1
done
[ "$status" -eq 0 ] || echo "not finished: see shard-*.log; the same command resumes" >&2
exit "$status"
