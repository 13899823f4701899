"""Batched PyTorch: nodes in groups, all in one graph; eager or compiled, f32 or with bf16 multiplications.

The frozen weights of a group are shared: q, k and v are one multiplication, gate and up another, the A of each beside
its weight; the B of each node come in by one batched multiplication a projection. One way back gives every node's own
gradient. Attention stays in f32: on processors its way back in bf16 is far slower.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as functional

import workload


class Groups:
    def __init__(self, options):
        model = workload.adapted(options.model)
        config = model.config
        self.hidden, self.heads = config.hidden_size, config.num_attention_heads
        self.inner, self.epsilon = config.intermediate_size, config.rms_norm_eps
        self.size, self.kind = options.group, torch.bfloat16 if options.bf16 else torch.float32
        self.people = workload.people(options.data)
        layers = model.base_model.model.model.layers
        self.layers = [self.layer(layer) for layer in layers]
        self.embedding = model.base_model.model.model.embed_tokens.weight.detach()
        self.norm = model.base_model.model.model.norm.weight.detach()
        outputs = [self.hidden] * 4 + [self.inner] * 2 + [self.hidden]
        self.outputs = outputs * len(layers)
        width = self.hidden // self.heads
        frequencies = 1.0 / 10_000 ** (torch.arange(0, width, 2).float() / width)
        angles = torch.outer(torch.arange(workload.LENGTH).float(), frequencies)
        self.cosine, self.sine = angles.cos(), angles.sin()
        self.loss = torch.compile(self.forward, dynamic=False) if options.compile else self.forward

    def layer(self, layer):
        attention, gate = layer.self_attn, layer.mlp

        def together(*parts):
            weights = [part.base_layer.weight for part in parts] + [part.lora_A["default"].weight for part in parts]
            return torch.cat(weights).detach().to(self.kind)

        return {
            "heads": together(attention.q_proj, attention.k_proj, attention.v_proj),
            "output": together(attention.o_proj),
            "gate_up": together(gate.gate_proj, gate.up_proj),
            "down": together(gate.down_proj),
            "norms": (layer.input_layernorm.weight.detach(), layer.post_attention_layernorm.weight.detach()),
        }

    def dimension(self):
        return sum(outputs * workload.RANK for outputs in self.outputs)

    def through(self, rows, weight, outputs, pairs):
        parts = functional.linear(rows, weight).split(outputs + [workload.RANK] * len(outputs), 1)
        added = []
        for plain, inner, b in zip(parts, parts[len(outputs):], pairs):
            nodes = b.shape[0]
            low = torch.bmm(inner.reshape(nodes, -1, workload.RANK), b.transpose(1, 2))
            added.append(plain + low.reshape(plain.shape))
        return added

    def turned(self, heads):
        first, second = heads.chunk(2, -1)
        cosine, sine = self.cosine.to(heads.dtype), self.sine.to(heads.dtype)
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)

    def normed(self, rows, weight):
        return functional.rms_norm(rows, (rows.shape[-1],), weight, self.epsilon).to(self.kind)

    def forward(self, tokens, *b):
        """tokens [nodes · 8, 128] -> the sum over nodes of their mean loss"""
        b = [(pair * (workload.ALPHA / workload.RANK)).to(self.kind) for pair in b]
        texts, hidden = tokens.shape[0], self.hidden
        shape = (texts, workload.LENGTH, self.heads, hidden // self.heads)
        state = functional.embedding(tokens, self.embedding).reshape(-1, hidden)
        for index, layer in enumerate(self.layers):
            q, k, v, o, gate, up, down = b[7 * index:7 * index + 7]
            normed = self.normed(state, layer["norms"][0])
            heads = self.through(normed, layer["heads"], [hidden] * 3, [q, k, v])
            query, key, value = (part.view(shape).transpose(1, 2).float() for part in heads)
            mixed = functional.scaled_dot_product_attention(self.turned(query), self.turned(key), value, is_causal=True)
            mixed = mixed.transpose(1, 2).reshape(-1, hidden).to(self.kind)
            state = state + self.through(mixed, layer["output"], [hidden], [o])[0]
            normed = self.normed(state, layer["norms"][1])
            opened, carried = self.through(normed, layer["gate_up"], [self.inner] * 2, [gate, up])
            gated = functional.silu(opened) * carried
            state = state + self.through(gated, layer["down"], [hidden], [down])[0]
        normed = self.normed(state, self.norm).view(texts, workload.LENGTH, hidden)[:, :-1]
        scores = functional.linear(normed.reshape(-1, hidden), self.embedding.to(self.kind)).float()
        targets = tokens[:, 1:].reshape(-1)
        count = workload.ROWS * (workload.LENGTH - 1)
        return functional.cross_entropy(scores, targets, reduction="sum") / count

    def run(self, start, nodes, each=None):
        total = torch.zeros_like(start)
        starts = start.split([outputs * workload.RANK for outputs in self.outputs])
        starts = [part.view(outputs, workload.RANK) for part, outputs in zip(starts, self.outputs)]
        for first in range(0, len(nodes), self.size):
            group = nodes[first:first + self.size]
            tokens = torch.from_numpy(self.people[group].astype(np.int64)).reshape(-1, workload.LENGTH)
            b = [part.expand(len(group), -1, -1).clone().requires_grad_() for part in starts]
            slopes = torch.autograd.grad(self.loss(tokens, *b), b)
            with torch.no_grad():
                moved = torch.cat([slope.flatten(1) for slope in slopes], 1) * -workload.RATE
                moved *= (workload.CLIP / moved.norm(dim=1).clamp_min(1e-12)).clamp_max(1.0)[:, None]
                total += moved.sum(0)
            if each is not None:
                each.extend(moved)
        return total


def check(options):
    """Groups against the plain loop: the largest relative error of the sum of eight clipped updates."""
    groups, loop = Groups(options), workload.Loop(options)
    start = torch.randn(groups.dimension(), generator=torch.Generator().manual_seed(3)) * 0.05
    ours, theirs = groups.run(start, np.arange(8)), loop.run(start, np.arange(8))
    print(json.dumps({"check": float((ours - theirs).norm() / theirs.norm())}))


if __name__ == "__main__":
    parser = workload.arguments(__doc__)
    parser.add_argument("--group", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--check", action="store_true", help="compare with the plain loop instead of measuring")
    options = parser.parse_args()
    name = "PyTorch in groups" + ", compiled" * options.compile + ", bf16" * options.bf16
    check(options) if options.check else workload.federate(options, Groups, name)
