"""Flower's SecAgg+ beside our secure aggregation: no training, the protocol alone.

    python secagg.py round  --nodes 50 --values 100000    # whole rounds: SecAggPlusWorkflow and secaggplus_mod on Ray
    python secagg.py unmask --nodes 50 --values 1000000 --dropped 5    # its functions called directly, no Ray

Needs `pip install "flwr[simulation]==1.41.0"`. The settings favour Flower where there is a choice: the complete graph as
ours, a threshold of 0.6 (ours is two thirds), one actor a core, Ray's workers without their lower priority, start of Ray
and first round outside the time. Its masks come from numpy's Mersenne Twister with a 32-bit seed (ours: ChaCha20,
256 bits), its setup messages are not signed (ours are). Prints one line of JSON; times are the median, in seconds.
"""

import argparse
import json
import logging
import os
import statistics
import time
import warnings

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")

import numpy as np

CLIPPING, QUANTIZATION, MODULUS = 8.0, 2**22, 2**32  # Flower's defaults


def made_update(values):
    """The same for every node, so that the mean is known."""
    return np.random.default_rng(7).standard_normal(values, dtype=np.float32) * 0.1


def threshold(nodes):
    return int(0.6 * nodes) + 1


class Stages:
    """Seconds of every stage of every round."""

    def __init__(self):
        self.rounds = []

    def timed(self, name, stage):
        def run(*arguments):
            began = time.perf_counter()
            fine = stage(*arguments)
            self.rounds[-1][name] = time.perf_counter() - began
            assert fine, f"{name} failed"
            return fine

        return run


def node_app(values):
    from flwr.client import NumPyClient
    from flwr.client.mod import secaggplus_mod
    from flwr.clientapp import ClientApp

    class MadeNode(NumPyClient):
        def fit(self, parameters, config):
            return [made_update(values)], 1, {}

    return ClientApp(client_fn=lambda context: MadeNode().to_client(), mods=[secaggplus_mod])


def server_app(options, stages, found):
    from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
    from flwr.compat.common.recorddict_compat import arrayrecord_to_parameters
    from flwr.server import ServerConfig
    from flwr.server.compat import LegacyContext
    from flwr.server.strategy import FedAvg
    from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
    from flwr.serverapp import ServerApp

    server = ServerApp()

    @server.main()
    def main(grid, context):
        nodes = options.nodes
        initial = ndarrays_to_parameters([np.zeros(options.values, dtype=np.float32)])
        strategy = FedAvg(
            fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=nodes, min_available_clients=nodes,
            min_evaluate_clients=0, initial_parameters=initial,
        )
        config = ServerConfig(num_rounds=options.rounds + 1)
        context = LegacyContext(context=context, config=config, strategy=strategy)
        secure = SecAggPlusWorkflow(
            num_shares=nodes, reconstruction_threshold=threshold(nodes), max_weight=1.0,
            clipping_range=CLIPPING, quantization_range=QUANTIZATION, modulus_range=MODULUS,
        )
        for name in ("setup", "share_keys", "collect_masked_vectors", "unmask"):
            stage = f"{name}_stage"
            setattr(secure, stage, stages.timed(name, getattr(secure, stage)))

        def one_round(grid, context):
            stages.rounds.append({})
            began = time.perf_counter()
            secure(grid, context)
            stages.rounds[-1]["whole"] = time.perf_counter() - began

        DefaultWorkflow(fit_workflow=one_round)(grid, context)
        record = next(iter(context.state.array_records.values()))
        found.extend(parameters_to_ndarrays(arrayrecord_to_parameters(record, True)))

    return server


def whole_rounds(options):
    from flwr.simulation import run_simulation

    stages, found = Stages(), []
    run_simulation(
        server_app=server_app(options, stages, found), client_app=node_app(options.values),
        num_supernodes=options.nodes, backend_name="ray",
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": os.cpu_count(), "log_to_driver": False, "logging_level": "ERROR"},
        },
    )
    error = float(np.abs(found[0] - made_update(options.values)).max())
    assert error < 1e-4, f"the sum is wrong by {error}"
    timed = stages.rounds[1:]
    assert len(timed) == options.rounds, timed
    return {name: statistics.median(stage[name] for stage in timed) for name in timed[0]}


def add_pair_masks(own, others, keys, vector, shape):
    """What `own` adds for each of `others`, as `secaggplus_mod` does."""
    from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
    from flwr.common.secure_aggregation.ndarrays_arithmetic import parameters_addition, parameters_subtraction
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

    for other in others:
        mask = pseudo_rand_gen(generate_shared_key(keys[own][0], keys[other][1]), MODULUS, shape)
        combine = parameters_addition if own > other else parameters_subtraction
        vector = combine(vector, mask)
    return vector


def unmasking(options):
    """Unmasking as `unmask_stage` does it, from shares to the dequantised mean. The sum that goes in is made without the
    pairwise masks that cancel; of each secret only as many shares are combined as are needed, where the stage takes all."""
    from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
    from flwr.common.secure_aggregation.ndarrays_arithmetic import (
        parameters_addition, parameters_mod, parameters_subtraction)
    from flwr.common.secure_aggregation.quantization import dequantize, quantize
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
    from flwr.supercore.primitives.asymmetric import bytes_to_private_key, generate_key_pairs, private_key_to_bytes

    nodes, shape = options.nodes, [(1,), (options.values,)]
    dropped = list(range(options.dropped))
    survivors = list(range(options.dropped, nodes))
    keys = [generate_key_pairs() for _ in range(nodes)]
    seeds = {node: os.urandom(32) for node in survivors}
    quantised = [np.array([QUANTIZATION]), quantize([made_update(options.values)], CLIPPING, QUANTIZATION)[0].astype(np.int64)]
    total = [np.zeros(1, np.int64), np.zeros(options.values, np.int64)]
    for node in survivors:
        masked = parameters_addition(quantised, pseudo_rand_gen(seeds[node], MODULUS, shape))
        total = parameters_addition(total, add_pair_masks(node, dropped, keys, masked, shape))
    total = parameters_mod(total, MODULUS)
    need = threshold(nodes)
    secret = lambda node: seeds[node] if node in seeds else private_key_to_bytes(keys[node][0])
    shares = {node: create_shares(secret(node), need, nodes)[:need] for node in range(nodes)}

    def unmask():
        values = total
        for node in survivors:
            values = parameters_subtraction(values, pseudo_rand_gen(combine_shares(shares[node]), MODULUS, shape))
        for node in dropped:
            recovered = {**dict(enumerate(keys)), node: (bytes_to_private_key(combine_shares(shares[node])), None)}
            values = add_pair_masks(node, survivors, recovered, values, shape)
        values = dequantize(parameters_mod(values, MODULUS)[1:], CLIPPING, QUANTIZATION)[0]
        return (values - (len(survivors) - 1) * CLIPPING) / len(survivors)

    times = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        mean = unmask()
        times.append(time.perf_counter() - began)
        error = float(np.abs(mean - made_update(options.values)).max())
        assert error < 1e-4, f"the mean is wrong by {error}"
    return {"whole": statistics.median(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["round", "unmask"])
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--dropped", type=int, default=5, help="unmask: how many have dropped out")
    parser.add_argument("--rounds", type=int, default=3, help="timed; of whole rounds one more goes before")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("flwr").setLevel(logging.ERROR)
    seconds = whole_rounds(options) if options.what == "round" else unmasking(options)
    told = {"peer": "flower", "what": options.what, "nodes": options.nodes, "values": options.values}
    print(json.dumps({**told, "seconds": {name: round(value, 4) for name, value in seconds.items()}}), flush=True)


if __name__ == "__main__":
    main()
