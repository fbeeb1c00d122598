#!/usr/bin/env bash
# A single-node Slurm on this machine, run as root, for `make test-slurm`. Debian or Ubuntu.
#
#   scripts/slurm_single_node.sh start [FOLDER]   # installs what is missing; safe to repeat
#   scripts/slurm_single_node.sh stop [FOLDER]
#
# Everything is kept in FOLDER (default /var/tmp/nnunetv2_fair_slurm) except /etc/slurm/slurm.conf,
# a link into it that `stop` removes: jobs do not keep SLURM_CONF, so there is no other way. A Slurm
# that this machine already belongs to is left alone. Two GPUs are simulated, so that requests
# for them are exercised; partitions are main (default) and short (1 minute).
set -euo pipefail

action=${1:-start}
folder=$(realpath -m "${2:-/var/tmp/nnunetv2_fair_slurm}")
socket=$folder/munge/socket
configuration=$folder/slurm.conf
link=/etc/slurm/slurm.conf
unset SLURM_CONF
export DEBIAN_FRONTEND=noninteractive

die() {
  echo "$0: $*" >&2
  exit 1
}

# a pid file outlives its process, and the kernel reuses numbers: the name must match too
running() {
  local pid
  pid=$(cat "$folder/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]
}

stop_one() {
  running "$1" || return 0
  local pid
  pid=$(cat "$folder/$1.pid")
  kill "$pid"
  for _ in $(seq 100); do
    [ -d "/proc/$pid" ] || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

stop() {
  if running slurmctld; then
    scancel --quiet --user=root || true
    for _ in $(seq 100); do
      [ -n "$(squeue --noheader 2>/dev/null)" ] || break
      sleep 0.3
    done
  fi
  for daemon in slurmd slurmctld munged; do
    stop_one "$daemon"
  done
  if [ "$(readlink "$link")" = "$configuration" ]; then
    rm "$link"
  fi
}

install_packages() {
  local missing=""
  for program in slurmctld slurmd munged sbatch; do
    command -v "$program" >/dev/null || missing="$missing $program"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "no$missing on the PATH, and no apt-get to install them."
  apt-get update -qq
  # the packages' services are not started: ours have their own configuration
  RUNLEVEL=1 apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

configure() {
  local node cpus memory
  node=$(hostname -s)
  # more cores than there are, so that jobs of a few cores run side by side on a small machine
  cpus=$(($(nproc) > 4 ? $(nproc) : 4))
  memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  mkdir -p "$folder/munge" "$folder/state" "$folder/spool" "$folder/cards"
  chmod 755 "$folder" "$folder/munge"
  touch "$folder/cards/card0" "$folder/cards/card1"
  [ -s "$folder/munge/key" ] || head -c 1024 /dev/urandom >"$folder/munge/key"
  chmod 600 "$folder/munge/key"
  cat >"$configuration" <<CONF
ClusterName=onenode
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
EnforcePartLimits=ALL
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 State=UP
PartitionName=short Nodes=ALL MaxTime=1 State=UP
CONF
  echo "NodeName=$node Name=gpu File=$folder/cards/card[0-1]" >"$folder/gres.conf"
  mkdir -p "$(dirname "$link")"
  ln -sfn "$configuration" "$link"
}

start() {
  [ "$(id -u)" = 0 ] || die "Slurm's daemons need root."
  if [ -e "$link" ] && [ "$(readlink "$link")" != "$configuration" ]; then
    die "$link already exists: this machine has its own Slurm, which is left alone."
  fi
  install_packages
  configure
  if ! running munged; then
    rm -f "$socket"
    munged --force --key-file="$folder/munge/key" --socket="$socket" \
      --pid-file="$folder/munged.pid" --log-file="$folder/munge/log" \
      --seed-file="$folder/munge/seed"
  fi
  running slurmctld || slurmctld -f "$configuration"
  running slurmd || slurmd -f "$configuration"
  for _ in $(seq 100); do
    case $(sinfo --noheader --format=%t --partition=main 2>/dev/null) in
      idle | mix | alloc)
        echo "Slurm runs on $(hostname -s); its files are in $folder."
        return
        ;;
      down* | drain*) scontrol update NodeName="$(hostname -s)" State=RESUME 2>/dev/null || true ;;
    esac
    sleep 0.3
  done
  tail -n 5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2 || true
  die "The node does not come up; its logs are in $folder."
}

case $action in
  start) start ;;
  stop) stop ;;
  *) die "expected start or stop, not $action." ;;
esac
