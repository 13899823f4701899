"""Writes next_state.txt: what the server's rules must give, bit for bit.

An independent computation: Python integers for the rotation, numpy float32 for the rules, one
operation at a time, no code shared with the crate. Needs numpy 2 and blake3:
    python3 make.py > next_state.txt

Format, one item a line: `case NAME`, then `key value` lines. Floats are the hexadecimal digits of
their little-endian bytes. Each `sum` begins a step; `mean`, `state` and `hash` are what it gives.
"""

import random
import struct

import blake3
import numpy as np

f32, f64 = np.float32, np.float64
ONE = 1 << 32


def chacha_block(key, counter):
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    state += [counter, 0, 0, 0]
    x = state[:]

    def quarter(a, b, c, d):
        for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) & 0xFFFFFFFF
            v = x[r] ^ x[p]
            x[r] = ((v << turn) | (v >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, state)))


def signs(key, count):
    stream = b"".join(chacha_block(key, i) for i in range(count // 512 + 1))
    return [-1 if stream[i // 8] >> (i % 8) & 1 else 1 for i in range(count)]


def inverse(values, key):
    """D·H·values by the definition of H: H[i][j] = (-1)^popcount(i & j)."""
    d = len(values)
    rows = [sum(v if (i & j).bit_count() % 2 == 0 else -v for j, v in enumerate(values)) for i in range(d)]
    return [s * v for s, v in zip(signs(key, d), rows)]


def pack(values, bits):
    whole = sum((v % (1 << bits)) << (i * bits) for i, v in enumerate(values))
    return whole.to_bytes((len(values) * bits + 7) // 8, "little")


def fixed(raw):
    return np.array([raw], dtype=np.uint64).astype(f32)[0] / f32(ONE)


def mean_update(case, values):
    divisor = f64(case["scale_q32"]) / f64(ONE) * np.sqrt(f64(len(values))) * f64(case["survivors"])
    total = inverse(values, case["seed"])[: case["dimension"]]
    return (np.array(total, dtype=np.int64).astype(f64) / divisor).astype(f32)


def advance(case, state, mean):
    rate = fixed(case["learning_rate"])
    rule, x = case["rule"], state["x"]
    zeros = np.zeros_like(mean)
    if rule == "FedAvg":
        return {"x": x + rate * mean, "moments": []}
    if rule == "FedAvgM":
        old = state["moments"][0] if state["moments"] else zeros
        m = fixed(case["momentum"]) * old
        m = m + mean
        return {"x": x + rate * m, "moments": [m]}
    tau = fixed(case["tau"])
    start = zeros + tau * tau
    square = mean * mean
    if rule == "FedAdagrad":
        v = (state["moments"][0] if state["moments"] else start) + square
        return {"x": x + rate * mean / (np.sqrt(v) + tau), "moments": [v]}
    m, v = state["moments"] if state["moments"] else (zeros, start)
    m = fixed(case["beta1"]) * m + fixed(ONE - case["beta1"]) * mean
    step = fixed(ONE - case["beta2"]) * square
    if rule == "FedAdam":
        v = fixed(case["beta2"]) * v + step
    else:
        v = v - step * np.sign(v - square)
    return {"x": x + rate * m / (np.sqrt(v) + tau), "moments": [m, v]}


def encode(case, state, step):
    tag = {"FedAvg": 0, "FedAvgM": 1, "FedAdagrad": 2, "FedAdam": 3, "FedYogi": 4}[case["rule"]]
    head = b"murstate" + bytes([1, tag]) + struct.pack("<QQ", step, case["dimension"])
    return head + b"".join(v.astype("<f4").tobytes() for v in [state["x"], *state["moments"]])


def show(case):
    shown = {k: v.hex() if isinstance(v, bytes) else v for k, v in case.items() if k != "name"}
    print("case", case["name"])
    for key, value in shown.items():
        print(key, value)


def run(case, make_sum):
    source = random.Random(case["name"])
    padded = max(4, 1 << (case["dimension"] - 1).bit_length())
    x = np.array([source.gauss(0, 0.05) for _ in range(case["dimension"])], dtype=f32)
    show(case)
    print("initial", x.astype("<f4").tobytes().hex())
    state = {"x": x, "moments": []}
    for step in (1, 2, 3):
        values = make_sum(source, padded, case["bits"])
        mean = mean_update(case, values)
        state = advance(case, state, mean)
        assert all(v.dtype == f32 and np.isfinite(v).all() for v in [state["x"], *state["moments"]])
        encoded = encode(case, state, step)
        hasher = blake3.blake3(encoded, derive_key_context="murmuration state v1")
        print("sum", pack(values, case["bits"]).hex())
        print("mean", mean.astype("<f4").tobytes().hex())
        print("state", encoded.hex())
        print("hash", hasher.hexdigest())


def small(source, padded, bits):
    return [round(source.gauss(0, 2 ** (bits - 5))) for _ in range(padded)]


def extreme(source, padded, bits):
    half = 1 << (bits - 1)
    return [source.choice((-half, half - 1, 0, 1, -1)) for _ in range(padded)]


def case(name, rule, dimension, bits, scale, survivors, rate, **terms):
    seed = bytes(random.Random("seed " + name).randbytes(32))
    return {
        "name": name, "rule": rule, "dimension": dimension, "bits": bits,
        "scale_q32": int(scale * ONE), "seed": seed, "survivors": survivors,
        "learning_rate": int(rate * ONE), **{k: int(v * ONE) for k, v in terms.items()},
    }


adam = {"beta1": 0.9, "beta2": 0.99, "tau": 0.001}
run(case("fedavg", "FedAvg", 5, 20, 1684.25, 8, 1.0), small)
run(case("fedavg-fine", "FedAvg", 37, 32, 431143.7, 63, 0.7), small)
run(case("fedavg-extreme", "FedAvg", 100, 32, 2**-32, 1, 1.3), extreme)
run(case("fedavgm", "FedAvgM", 37, 20, 1684.25, 7, 0.9, momentum=0.9), small)
run(case("fedadagrad", "FedAdagrad", 37, 20, 1684.25, 7, 0.1, tau=0.001), small)
run(case("fedadam", "FedAdam", 37, 20, 1684.25, 7, 0.01, **adam), small)
run(case("fedadam-subnormal", "FedAdam", 9, 8, 2**31, 64, 0.01, beta1=0.5, beta2=0.999999, tau=2**-32), small)
run(case("fedyogi", "FedYogi", 37, 20, 1684.25, 7, 0.01, **adam), small)
run(case("fedyogi-extreme", "FedYogi", 64, 16, 3.5, 12, 0.25, **adam), extreme)
