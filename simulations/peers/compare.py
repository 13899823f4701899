"""Runs `murmur-simulate learning benchmark` and every baseline in turn, on the same weights and bytes, and prints their
rates and ratios.

    python compare.py --program ../../target/release/murmur-simulate --data assistant.jsonl --model /tmp/benchmark-model

Each runs in its best setting on a quiet machine, two processes (or worker threads) with one thread each. With
`--neighbour` only ours runs: alone, and beside a process that keeps one core busy; and alone again.
Ours is measured in f32 and, where a bf16 peer is chosen, in bf16 too; each peer is set beside ours of its precision.
bf16 peers are slow on a processor without bf16 instructions: `--bf16-nodes` and `--bf16-rounds` give them (and ours in
bf16) fewer nodes and rounds of the same work, so that a rate comes out within `--limit-s`.
`--only REGEX` chooses; a name that is not installed is said to be missing. pfl-research needs a Python of its own where
its dependencies clash (`--pfl-python`).
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Scenarios are found by name from here.
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = [
    ("Flower", "flower.py", []),
    ("pfl-research", "pfl_research.py", []),
    ("PyTorch loop", "pytorch_loop.py", []),
    ("PyTorch in groups", "pytorch_groups.py", []),
    ("PyTorch in groups, compiled", "pytorch_groups.py", ["--compile"]),
    ("PyTorch in groups, compiled, bf16", "pytorch_groups.py", ["--compile", "--bf16"]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16-nodes", type=int, help="as --nodes if left out")
    parser.add_argument("--bf16-rounds", type=int, help="as --rounds if left out")
    parser.add_argument("--limit-s", type=float, default=280, help="a run that takes longer is ended and has failed")
    parser.add_argument("--only", default=".")
    parser.add_argument("--pfl-python", default=sys.executable)
    parser.add_argument("--neighbour", action="store_true")
    options = parser.parse_args()
    for name in ("program", "data", "model"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    subprocess.run([sys.executable, "-c", f"import workload; workload.base({options.model!r})"], cwd=HERE, check=True,
                   stderr=subprocess.DEVNULL)
    beside(options) if options.neighbour else table(options)


def size(options, coarse):
    """-> nodes and rounds"""
    if not coarse:
        return options.nodes, options.rounds
    return options.bf16_nodes or options.nodes, options.bf16_rounds or options.rounds


def ours(options, coarse=False):
    nodes, rounds = size(options, coarse)
    sets = ["model.shape=", f"model.folder={options.model}", "data.made=", f"data.path={options.data}",
            "data.held_out=0.05", f"rounds={rounds}", f"cohort.nodes={nodes}", "evaluation.people_max=2",
            f"model.precision={'bf16' if coarse else 'f32'}"]
    command = [options.program, "learning", "benchmark", "--json"]
    for one in sets:
        command += ["--set", one]
    line = last_line(command, options.limit_s)
    return json.loads(line) if line else None


def peer(options, script, more):
    python = options.pfl_python if script.startswith("pfl") else sys.executable
    nodes, rounds = size(options, "--bf16" in more)
    command = [python, os.path.join(HERE, script), "--data", options.data, "--model", options.model,
               "--nodes", str(nodes), "--rounds", str(rounds), *more]
    line = last_line(command, options.limit_s)
    return json.loads(line)["clients_per_s"] if line else None


def last_line(command, limit_s):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=True, cwd=ROOT)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"")
        said = said if isinstance(said, str) else said.decode(errors="replace")
        print(f"failed: {' '.join(command[:3])}: {said.strip().splitlines()[-1:] or error}", file=sys.stderr)
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return lines[-1] if lines else None


def table(options):
    chosen = [one for one in PEERS if re.search(options.only, one[0])]
    kinds = sorted({"--bf16" in more for _, _, more in chosen} | {False})
    first = {coarse: ours(options, coarse) for coarse in kinds}
    rows = []
    for name, script, more in chosen:
        rows.append((name, "--bf16" in more, peer(options, script, more)))
        print(f"{name}: {rows[-1][2]} clients/s", file=sys.stderr, flush=True)
    # First and last, so that a machine that slows down meanwhile is seen.
    rates = {coarse: mean(first[coarse], ours(options, coarse)) for coarse in kinds}
    for coarse in reversed(kinds):
        rate = rates[coarse]
        rows.insert(0, (f"murmur-simulate, {'bf16' if coarse else 'f32'}", coarse, rate and round(rate, 2)))
    print(f"{'':40} clients/s   ours is")
    for name, coarse, value in rows:
        times = f"{rates[coarse] / value:.2f}×" if rates[coarse] and value else ""
        print(f"{name:40} {value if value else 'missing':>9}   {times}")
    if first[False]:
        print(f"matmul_peak_share {first[False]['matmul_peak_share']:.2f}, load average {os.getloadavg()[0]:.1f}")


def mean(first, last):
    """Of two runs' rates; none where one has failed."""
    if not first or not last:
        return None
    rates = [one["clients_per_s"] for one in (first, last)]
    print(f"ours first {rates[0]:.1f}, last {rates[1]:.1f}", file=sys.stderr)
    return sum(rates) / 2


def beside(options):
    alone = ours(options)["clients_per_s"]
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.5)
        together = ours(options)["clients_per_s"]
    finally:
        busy.kill()
        busy.wait()
    again = ours(options)["clients_per_s"]
    quiet = max(alone, again)
    print(f"alone {alone:.1f} and {again:.1f} clients/s, beside a busy core {together:.1f}: {together / quiet:.0%}")


if __name__ == "__main__":
    main()
