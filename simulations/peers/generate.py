"""Greedy generation with transformers: batch 1, 32 tokens read, 128 said; as `one_device generate` does it."""

import time

import torch

import device

READ, SAID = 32, 128


def main():
    found = device.arguments(__doc__)
    model = device.load(found).eval()
    # No end token, so that all say equally much.
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    prompt = torch.tensor([[index * 37 % 250 for index in range(READ)]])

    def say(count):
        began = time.perf_counter()
        said = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                              max_new_tokens=count, min_new_tokens=count)
        return time.perf_counter() - began, said[0, READ:].tolist()

    with torch.inference_mode():
        say(8)
        first = say(1)[0]
        whole = [say(SAID) for _ in range(found.repetitions)]
    seconds = device.median([seconds for seconds, _ in whole])
    device.report(found, tokens_per_second=SAID / seconds, first_token_seconds=first, said=whole[0][1][:16])


main()
