"""What every baseline does, so that rates can be compared: the benchmark scenario of `murmur-simulate learning`.

A small Llama (hidden 128, 4 layers, 4 heads, intermediate 344, vocabulary 512, context 128) with LoRA of rank 4 on all
seven projections, A drawn once, B trained from zero: 21,248 parameters. A node's data are the first 1,024 bytes of its
conversations ("role: text" and a line feed), one token a byte, as 8 rows of 128. A node takes one step of gradient
descent (rate 0.5) on that batch; its update is clipped to 0.3, the mean over 200 nodes gets Gaussian noise of
0.3 / 200. Weights are drawn from a seed and saved in a folder that both sides read.
"""
import argparse
import json
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

ROWS, LENGTH = 8, 128
RATE, CLIP, NOISE = 0.5, 0.3, 1.0
RANK, ALPHA = 4, 8
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", required=True, help="JSON lines with user and messages")
    parser.add_argument("--model", required=True, help="folder with the drawn weights; made if it is not there")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds; one more warms up")
    parser.add_argument("--nodes", type=int, default=200, help="nodes a round")
    parser.add_argument("--processes", type=int, default=2, help="with one thread each")
    return parser


def people(path):
    """-> [people, 8, 128] bytes, in the order of names."""
    need, heard = ROWS * LENGTH, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            conversation = json.loads(line)
            said = heard.setdefault(conversation["user"], bytearray())
            if len(said) < need:
                for message in conversation["messages"]:
                    said += f"{message['role']}: {message['content']}\n".encode()
    full = [bytes(heard[name][:need]) for name in sorted(heard) if len(heard[name]) >= need]
    return np.stack([np.frombuffer(said, np.uint8).reshape(ROWS, LENGTH) for said in full])


def cohort(round_, people_count, nodes):
    return np.random.default_rng([1, round_]).choice(people_count, nodes, replace=nodes > people_count)


def base(folder):
    """The frozen model, drawn and saved at first."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=512, hidden_size=128, intermediate_size=344, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=True,
            bos_token_id=256, eos_token_id=257, pad_token_id=258)
        LlamaForCausalLM(config).float().save_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.config.use_cache = False
    return model


def adapted(folder):
    """The model with PEFT's adapter on it: A drawn from a seed and frozen, B trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = base(folder)
    torch.manual_seed(2)
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, lora_dropout=0.0))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_B" in name)
    return model.train()


def trained(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Loop:
    """Nodes one after the other: what a plain PyTorch loop does. `run` gives the sum of clipped updates."""

    def __init__(self, options):
        self.model = adapted(options.model)
        self.parameters = trained(self.model)
        self.people = people(options.data)

    def dimension(self):
        return sum(parameter.numel() for parameter in self.parameters)

    def run(self, start, nodes):
        import torch

        total = torch.zeros_like(start)
        starts = start.split([parameter.numel() for parameter in self.parameters])
        for node in nodes:
            with torch.no_grad():
                for parameter, value in zip(self.parameters, starts):
                    parameter.copy_(value.view_as(parameter))
            rows = torch.from_numpy(self.people[node].astype(np.int64))
            optimizer = torch.optim.SGD(self.parameters, lr=RATE)
            optimizer.zero_grad()
            self.model(input_ids=rows, labels=rows, use_cache=False).loss.backward()
            optimizer.step()
            with torch.no_grad():
                moved = torch.cat([parameter.flatten() for parameter in self.parameters]) - start
                total += moved * min(1.0, CLIP / max(float(moved.norm()), 1e-12))
        return total


def _work(pipe, make, options):
    import torch

    torch.set_num_threads(1)
    worker = make(options)
    pipe.send(worker.dimension())
    while (order := pipe.recv()) is not None:
        start, nodes = order
        pipe.send(worker.run(torch.from_numpy(start), nodes).numpy())


def federate(options, make, name):
    """Rounds over worker processes; prints one line with the rate of the median round."""
    import multiprocessing

    import torch

    count = len(people(options.data))
    base(options.model)
    context = multiprocessing.get_context("spawn")
    workers = []
    for _ in range(options.processes):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, make, options), daemon=True)
        process.start()
        workers.append((process, ours))
    dimension = [pipe.recv() for _, pipe in workers][0]
    start, seconds = torch.zeros(dimension), []
    for round_ in range(options.rounds + 1):
        began = time.perf_counter()
        parts = np.array_split(cohort(round_, count, options.nodes), len(workers))
        for (_, pipe), part in zip(workers, parts):
            pipe.send((start.numpy(), part))
        total = sum(torch.from_numpy(pipe.recv()) for _, pipe in workers)
        start = start + (total + torch.randn(dimension) * NOISE * CLIP) / options.nodes
        seconds.append(time.perf_counter() - began)
    for process, pipe in workers:
        pipe.send(None)
        process.join()
    report(name, options.nodes, seconds[1:])


def report(name, nodes, seconds):
    print(json.dumps({"name": name, "clients_per_s": round(nodes / float(np.median(seconds)), 2),
                      "rounds": [round(s, 3) for s in seconds]}), flush=True)
