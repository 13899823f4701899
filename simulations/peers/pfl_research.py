"""Apple's pfl-research: its simulated backend in two processes with one thread each, its own clipping and noise."""
import os
import subprocess
import sys
import time

import numpy as np

import workload

OPTIONS = workload.arguments(__doc__).parse_args()


def start_workers():
    """pfl's own data parallelism: one process a rank."""
    environment = dict(os.environ, WORLD_SIZE=str(OPTIONS.processes), LOCAL_WORLD_SIZE=str(OPTIONS.processes),
                       MASTER_ADDR="127.0.0.1", MASTER_PORT="29591", TORCHELASTIC_RUN_ID="peers",
                       GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1", PFL_PYTORCH_DEVICE="cpu")
    workers = [subprocess.Popen([sys.executable] + sys.argv, env=dict(environment, RANK=str(i), LOCAL_RANK=str(i)))
               for i in range(OPTIONS.processes)]
    sys.exit(max(worker.wait() for worker in workers))


def work():
    import torch

    torch.set_num_threads(1)
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.callback.base import TrainingProcessCallback
    from pfl.data.dataset import Dataset
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
    from pfl.metrics import Metrics, Weighted
    from pfl.model.pytorch import PyTorchModel
    from pfl.privacy.gaussian_mechanism import GaussianMechanism
    from pfl.privacy.privacy_mechanism import CentrallyAppliedPrivacyMechanism

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = workload.adapted(OPTIONS.model)

        def loss(self, rows):
            return self.model(input_ids=rows, labels=rows, use_cache=False).loss

        def metrics(self, rows):
            with torch.no_grad():
                return {"loss": Weighted(self.loss(rows).item(), 1)}

    class Clock(TrainingProcessCallback):
        def __init__(self):
            self.marks = []

        def on_train_begin(self, *, model):
            self.marks.append(time.perf_counter())
            return Metrics()

        def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
            self.marks.append(time.perf_counter())
            return False, Metrics()

        def on_train_end(self, *, model):
            pass

    people = workload.people(OPTIONS.data)
    sets = [Dataset((torch.from_numpy(one.astype(np.int64)),), user_id=str(i)) for i, one in enumerate(people)]
    rounds = OPTIONS.rounds + 1
    order = [int(i) for r in range(rounds + 1) for i in workload.cohort(r, len(people), OPTIONS.nodes)]
    order = iter(order * 2)
    federated = FederatedDataset(lambda user: sets[user], lambda: next(order))
    model, clock = Model(), Clock()
    wrapped = PyTorchModel(
        model, lambda parameters, lr: torch.optim.SGD([p for p in parameters if p.requires_grad], lr=lr),
        torch.optim.SGD(workload.trained(model), lr=1.0))
    mechanism = CentrallyAppliedPrivacyMechanism(GaussianMechanism(workload.CLIP, workload.NOISE))
    # Evaluation in the first round only, which is not timed.
    terms = NNAlgorithmParams(central_num_iterations=rounds, evaluation_frequency=10**9,
                              train_cohort_size=OPTIONS.nodes, val_cohort_size=0)
    FederatedAveraging().run(
        terms, SimulatedBackend(federated, federated, [mechanism]), wrapped,
        NNTrainHyperParams(local_num_epochs=1, local_learning_rate=workload.RATE, local_batch_size=workload.ROWS),
        NNEvalHyperParams(local_batch_size=workload.ROWS), callbacks=[clock], send_metrics_to_platform=False)
    if os.environ["RANK"] == "0":
        workload.report("pfl-research", OPTIONS.nodes, list(np.diff(clock.marks)[1:]))


if __name__ == "__main__":
    work() if "RANK" in os.environ else start_workers()
