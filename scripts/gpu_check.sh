#!/usr/bin/env bash
# Every trainer on this machine's GPU at nnU-Net's default sizes: step, memory, checkpoint, continuation.
#
#   scripts/gpu_check.sh                          # under 8 minutes; writes gpu_check.md
#   scripts/gpu_check.sh --device cpu --tiny      # the same code without a GPU: does it run?
#
# PYTHON chooses the interpreter (default: .venv/bin/python where it exists, else python3). All options:
# scripts/gpu_check.sh --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-}
if [[ -z $python ]]; then
    python=$root/.venv/bin/python
    [[ -x $python ]] || python=python3
fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$python" "$root/benchmarks/gpu_check.py" "$@"
