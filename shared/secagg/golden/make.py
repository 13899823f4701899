"""Computes vectors.txt with other libraries than the crate uses.

    python3 -m venv venv && venv/bin/pip install cryptography blake3
    venv/bin/python make.py > vectors.txt

Nothing here shares code with the crate: curve, cipher and HKDF come from OpenSSL through
`cryptography`, BLAKE3 from its own package, GF(2^8) from logarithm tables.
"""

import hashlib
import struct

import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MEMBERS, THRESHOLD, BITS = 4, 3, 20
PLAN, ROSTER, CLOSED, MODEL = (bytes([b]) * 32 for b in (0x11, 0x22, 0x33, 0x44))


def made_up(name):
    return hashlib.sha256(name.encode()).digest()


def derived(secret, domain, *parts):
    info = domain + b"".join(parts)
    return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret)


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def agreed(secret, other):
    key = X25519PrivateKey.from_private_bytes(secret)
    return key.exchange(X25519PublicKey.from_public_bytes(other))


# --- GF(2^8) by logarithms to the base 3 ---
EXP, LOG = [0] * 510, [0] * 256
x = 1
for i in range(255):
    EXP[i] = EXP[i + 255] = x
    LOG[x] = i
    x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)  # times 3


def times(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def power(a, n):
    result = 1
    for _ in range(n):
        result = times(result, a)
    return result


def shares(secret, coefficients, count):
    made = []
    for x in range(1, count + 1):
        share = bytearray(secret)
        for degree, coefficient in enumerate(coefficients, 1):
            for byte in range(32):
                share[byte] ^= times(coefficient[byte], power(x, degree))
        made.append(bytes(share))
    return made


# --- members ---
mask = [made_up(f"mask {i}") for i in range(MEMBERS)]
seal = [made_up(f"seal {i}") for i in range(MEMBERS)]
seed = [made_up(f"seed {i}") for i in range(MEMBERS)]
mask_public = [public(key) for key in mask]
seal_public = [public(key) for key in seal]


def commitment(seed):
    return blake3.blake3(seed, derive_key_context="murmuration 2026-11-22 secagg seed commitment v1").digest()


for i in range(MEMBERS):
    print(f"public.{i}", (mask_public[i] + seal_public[i] + commitment(seed[i])).hex())

# --- sharing ---
coefficients = [made_up(f"coefficient {k}") for k in range(1, THRESHOLD)]
for i, share in enumerate(shares(made_up("secret"), coefficients, MEMBERS)):
    print(f"share.{i}", share.hex())

# --- dealing by member 1 ---
drawn = [made_up(f"drawn {k}") for k in range(2 * (THRESHOLD - 1))]
mask_shares = shares(mask[1], drawn[:2], MEMBERS)
seed_shares = shares(seed[1], drawn[2:], MEMBERS)
for target in (0, 2, 3):
    route = PLAN + ROSTER + bytes([1, target])
    key = derived(
        agreed(seal[1], seal_public[target]),
        b"murmuration secagg seal key v1", route, seal_public[1], seal_public[target],
    )
    pair = mask_shares[target] + seed_shares[target]
    print(f"sealed.1.{target}", ChaCha20Poly1305(key).encrypt(bytes(12), pair, route).hex())


# --- masks ---
def fields(key, count):
    """Eight lanes: lane l reads the 64-byte blocks l, l + 8, ... as one number, coordinate k its field k // 8."""
    strides = -(-(-(-count // 8) * BITS) // 512)
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(512 * strides))
    blocks = [stream[at:at + 64] for at in range(0, len(stream), 64)]
    lanes = [int.from_bytes(b"".join(blocks[lane::8]), "little") for lane in range(8)]
    return [lanes[k % 8] >> k // 8 * BITS & 2**BITS - 1 for k in range(count)]


def masked(own, members, values):
    context = PLAN + CLOSED + MODEL
    key = derived(seed[own], b"murmuration secagg self mask v2", context, bytes([own]))
    total = [v + w for v, w in zip(values, fields(key, len(values)))]
    for other in members:
        if other == own:
            continue
        low, high = min(own, other), max(own, other)
        key = derived(
            agreed(mask[own], mask_public[other]), b"murmuration secagg pair mask v2",
            context, bytes([low, high]), mask_public[low], mask_public[high],
        )
        sign = 1 if own == low else -1
        total = [v + sign * w for v, w in zip(total, fields(key, len(values)))]
    return [v % 2**BITS for v in total]


for own, members in ((0, (0, 1, 2, 3)), (2, (0, 1, 2, 3)), (2, (1, 2, 3))):
    name = "".join(map(str, members))
    values = masked(own, members, [7 * k for k in range(5000)])
    print(f"masked.{own}.{name}", struct.pack("<40I", *values[:40]).hex())
    print(f"all.{own}.{name}", hashlib.sha256(struct.pack("<5000I", *values)).hexdigest())


# --- inbox and tree ---
def blake(context, *parts):
    context = f"murmuration 2026-11-22 secagg {context} v1"
    return blake3.blake3(b"".join(parts), derive_key_context=context).digest()


def entry(source, sealed):
    return bytes([source]) + struct.pack("<I", len(sealed)) + sealed


print("inbox.1", blake("inbox", bytes([1]), struct.pack("<I", 2), entry(0, b"a" * 80), entry(3, b"b" * 80)).hex())

for count in range(1, 8):
    level = [blake("merkle leaf", made_up(f"leaf {i}")) for i in range(count)]
    while len(level) > 1:
        pairs = [blake("merkle node", *level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]
    print(f"merkle.{count}", blake("merkle root", struct.pack("<Q", count), level[0]).hex())
