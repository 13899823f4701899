"""What generate.py and finetune.py share: arguments, the model folder, peak memory, one line of JSON."""

import argparse
import json
import resource
import warnings

warnings.filterwarnings("ignore")

import torch
import transformers

transformers.logging.set_verbosity_error()

FORMATS = {"float32": torch.float32, "autocast": torch.float32, "bfloat16": torch.bfloat16}


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", help="made by the example one_device of the crate model")
    parser.add_argument("precision", choices=FORMATS)
    parser.add_argument("threads", type=int)
    parser.add_argument("--repetitions", type=int, default=3)
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    return found


def load(found):
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(found.folder, dtype=FORMATS[found.precision])


def median(values):
    return sorted(values)[len(values) // 2]


def report(found, **figures):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures | {"peak_mib": peak, "threads": found.threads}))
