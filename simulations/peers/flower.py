"""Flower's simulation engine (Ray), two actors with one thread each; clipping and noise by its own strategy."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["PYTHONPATH"] = HERE + os.pathsep + os.environ.get("PYTHONPATH", "")
# Ray starts its workers at nice 15, where anything else would slow them.
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np

import workload

KEPT = {}


def kept(model, data):
    """Model and data once in each process, not in every call."""
    import torch

    if not KEPT:
        torch.set_num_threads(1)
        KEPT["model"], KEPT["people"] = workload.adapted(model), workload.people(data)
    return KEPT["model"], KEPT["people"]


def client_app(model_folder, data):
    from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.train()
    def train(message, context):
        import torch

        model, people = kept(model_folder, data)
        parameters = workload.trained(model)
        with torch.no_grad():
            for parameter, value in zip(parameters, message.content["arrays"].to_numpy_ndarrays()):
                parameter.copy_(torch.from_numpy(np.array(value)))
        node = int(context.node_config["partition-id"]) % len(people)
        rows = torch.from_numpy(people[node].astype(np.int64))
        optimizer = torch.optim.SGD(parameters, lr=workload.RATE)
        loss = model(input_ids=rows, labels=rows, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        arrays = ArrayRecord({str(i): Array(p.detach().numpy()) for i, p in enumerate(parameters)})
        metrics = MetricRecord({"train_loss": loss.item(), "num-examples": workload.ROWS})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    return app


def main():
    options = workload.arguments(__doc__).parse_args()
    from flwr.app import Array, ArrayRecord
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg
    from flwr.simulation import run_simulation

    count, marks, server = len(workload.people(options.data)), [], ServerApp()
    parameters = workload.trained(workload.adapted(options.model))
    nodes = max(count, options.nodes)

    @server.main()
    def serve(grid, context):
        arrays = ArrayRecord({str(i): Array(p.detach().numpy()) for i, p in enumerate(parameters)})
        plain = FedAvg(fraction_train=options.nodes / nodes, fraction_evaluate=0.0,
                       min_train_nodes=options.nodes, min_available_nodes=nodes)
        strategy = DifferentialPrivacyServerSideFixedClipping(
            plain, noise_multiplier=workload.NOISE, clipping_norm=workload.CLIP, num_sampled_clients=options.nodes)
        # Called before the first round and after each: the clock.
        strategy.start(grid=grid, initial_arrays=arrays, num_rounds=options.rounds + 1,
                       evaluate_fn=lambda round_, arrays: marks.append(time.perf_counter()))

    backend = {"client_resources": {"num_cpus": os.cpu_count() / options.processes, "num_gpus": 0.0},
               "init_args": {"num_cpus": os.cpu_count(), "logging_level": "ERROR", "log_to_driver": False}}
    run_simulation(server_app=server, client_app=client_app(options.model, options.data), num_supernodes=nodes,
                   backend_name="ray", backend_config=backend)
    seconds = np.diff(marks)
    assert len(seconds) == options.rounds + 1, "a round failed"
    workload.report("Flower", options.nodes, list(seconds[1:]))


if __name__ == "__main__":
    main()
