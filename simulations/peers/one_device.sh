#!/usr/bin/env bash
# One device beside transformers and PEFT: the same model, shapes, threads and work, one process each, ratios at the end.
#
#   simulations/peers/one_device.sh generate|finetune PRECISION THREADS…      PRECISION: float32, bfloat16, autocast
#
# `autocast` (peer only: weights in f32, products in bf16) stands beside our bfloat16.
# PYTHON: a Python with torch 2.13.0, transformers 5.23.0 and peft 0.21.2 (default: python3). MODEL: the folder of the
# random model, made when it is not there (540 MB). OURS: the built example (default: built here). REPETITIONS: 3.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
model=${MODEL:-$root/target/peers/llama-135m}
ours=${OURS:-}
work=${1:?generate or finetune}
precision=${2:?float32, bfloat16 or autocast}
shift 2

if [ -z "$ours" ]; then
    (cd "$root" && cargo build --release -q -p model --example one_device)
    ours=$root/target/release/examples/one_device
fi
[ -e "$model/config.json" ] || "$ours" model "$model" > /dev/null

own_precision=${precision/autocast/bfloat16}
own_work=${work/finetune/train}
printf '%-9s %-9s %7s %12s %12s %6s %10s %10s %6s  %s\n' \
    work precision threads ours/s peer/s ratio 'ours MiB' 'peer MiB' memory load
for threads in "${@:-2}"; do
    load=$(cut -d ' ' -f 1 /proc/loadavg 2> /dev/null || echo '?')
    peer=$("$python" "$here/$work.py" "$model" "$precision" "$threads" --repetitions "${REPETITIONS:-3}")
    own=$("$ours" "$own_work" "$model" "$own_precision" "$threads")
    "$python" - "$work" "$precision" "$threads" "$own" "$peer" "$load" <<'PYTHON'
import json, sys
work, precision, threads, own, peer, load = sys.argv[1:]
own, peer = json.loads(own), json.loads(peer)
print("%-9s %-9s %7s %12.1f %12.1f %6.2f %10.0f %10.0f %6.2f  %s" % (
    work, precision, threads, own["tokens_per_second"], peer["tokens_per_second"],
    own["tokens_per_second"] / peer["tokens_per_second"], own["peak_mib"], peer["peak_mib"],
    own["peak_mib"] / peer["peak_mib"], load))
if "said" in own and own["said"] != peer["said"]:
    print("  the first tokens differ: ours", own["said"], "peer", peer["said"])
PYTHON
done
