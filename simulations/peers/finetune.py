"""Fine-tuning with transformers and PEFT: LoRA of rank 8 on q and v, AdamW, 4 × 256 tokens a step; as `one_device
train` does it. `autocast` multiplies in bf16 with weights in f32; `bfloat16` holds the frozen weights in bf16, too."""

import contextlib
import time

import torch
from peft import LoraConfig, get_peft_model

import device

ROWS, LENGTH = 4, 256


def main():
    found = device.arguments(__doc__)
    model = device.load(found)
    model.config.use_cache = False
    torch.manual_seed(1)
    lora = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, lora).train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0)
    narrow = found.precision != "float32"
    format = (lambda: torch.autocast("cpu", torch.bfloat16)) if narrow else contextlib.nullcontext
    times, losses = [], []
    for step in range(found.repetitions + 1):
        tokens = torch.randint(0, 250, (ROWS, LENGTH))
        began = time.perf_counter()
        with format():
            loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
        losses.append(loss.item())
    # The first step warms up.
    seconds = device.median(times[1:] or times)
    device.report(found, tokens_per_second=ROWS * LENGTH / seconds, losses=[losses[0], losses[-1]])


main()
