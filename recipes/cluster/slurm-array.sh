#!/bin/bash
# A job array in which each job processes one shard of a run. Pass the arguments of jasco, without
# --shard, and the options of sbatch for your cluster:
#
#   sbatch --array=1-8 --partition=gpu --gpus=1 --time=60 slurm-array.sh \
#       eval MODEL --data DATA --judge JUDGE --run RUN
#
#SBATCH --job-name=jasco
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=TERM@60

if [ "${SLURM_ARRAY_TASK_MIN:-0}" -lt 1 ]; then
    echo "slurm-array.sh: submit it as an array from 1 on: sbatch --array=1-8 ..." >&2
    exit 2
fi

# To submit only some of the shards again, give their number: SHARDS=8 sbatch --array=3,5 ...
shards=${SHARDS:-$SLURM_ARRAY_TASK_MAX}

# When Slurm preempts the job or its time limit is near, jasco gets SIGTERM, saves completed work
# and exits with status 130 (143 if it has not started yet). This shell gets the signal as well, and
# waits for jasco.
trap : TERM
srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
    jasco "$@" --shard "$SLURM_ARRAY_TASK_ID/$shards"
status=$?

# Slurm requeues a preempted job. If the job is still running, it is requeued here. It resumes when
# it runs again.
case $status in
    130 | 143)
        if [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" = RUNNING ]; then
            scontrol requeue "$SLURM_JOB_ID"
        fi
        ;;
esac
exit "$status"
