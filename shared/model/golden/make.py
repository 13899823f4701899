"""Makes the golden files of this folder, once, with the reference implementations.

    python -m venv /tmp/parity && /tmp/parity/bin/pip install torch==2.13.0 transformers peft
    /tmp/parity/bin/python make.py

Made with torch 2.13.0, transformers 5.23.0, peft 0.21.2, tokenizers 0.23.3. Every weight is random, norms and
biases too; the logits' standard deviation is asserted to be at least 1. Names written here are made up.
"""

import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = dict(vocab_size=48, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, rms_norm_eps=1e-5,
             eos_token_id=1, bos_token_id=None, pad_token_id=None)


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1.0 + 0.3 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * 1.5 / parameter.shape[-1] ** 0.5)


def tokenizer(folder):
    words = {"<unk>": 0, "<end>": 1} | {f"w{index}": index for index in range(2, 48)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"eos_token": "<end>", "unk_token": "<unk>"}, file)


def logits(model, length):
    generator = torch.Generator().manual_seed(length)
    tokens = torch.randint(0, 48, (1, length), generator=generator)
    with torch.no_grad():
        scores = model(input_ids=tokens, use_cache=False).logits[0]
    assert scores.std() >= 1, scores.std()
    return tokens[0].to(torch.int32), scores.float()


def model(name, made, length, seed):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    made = made.float().eval()
    randomise(made, seed)
    made.save_pretrained(folder)
    tokenizer(folder)
    tokens, scores = logits(made, length)
    save_file({"tokens": tokens, "logits": scores}, os.path.join(folder, "expected.safetensors"))
    return made


def adapter(base, length):
    config = LoraConfig(r=2, lora_alpha=6, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
                        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
    adapted = get_peft_model(base, config).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    folder = os.path.join(HERE, "llama-adapter")
    shutil.rmtree(folder, ignore_errors=True)
    adapted.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    tokens, scores = logits(adapted, length)
    save_file({"tokens": tokens, "logits": scores}, os.path.join(folder, "expected.safetensors"))


TEMPLATES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
              "+ '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "header": "{{- bos_token }}\n{%- if strftime_now is defined and false %}\n    {{- strftime_now('%d') }}\n{%- endif %}\n"
              "{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}\n"
              "    {{- message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
              "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "default-system": "{%- if tools %}\n    {{- 'tools' }}\n{%- else %}\n    {%- if messages[0]['role'] == 'system' %}\n"
                      "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    {%- else %}\n"
                      "        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}\n    {%- endif %}\n{%- endif %}\n"
                      "{%- for message in messages %}\n    {%- if (message.role == \"user\") or (message.role == \"system\" "
                      "and not loop.first) or (message.role == \"assistant\" and not message.tool_calls) %}\n"
                      "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n"
                      "    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
                      "    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    "instruct": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + "
                "message['content'].strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + "
                "message['content'].strip() + eos_token }}{% elif message['role'] == 'system' %}{{ '<<SYS>>' + "
                "message['content'] + '<</SYS>>' }}{% else %}{{ raise_exception('Only user, system and assistant!') }}"
                "{% endif %}{% endfor %}",
    "thinking": "{%- for message in messages %}\n  {%- set content = message.content %}\n"
                "  {%- if message.role == 'assistant' and '</think>' in content %}\n"
                "    {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n  {%- endif %}\n"
                "<{{ message.role }}>{{ content }}</{{ message.role }}>\n{% endfor %}",
    "json": "{% for message in messages %}{{ message.content | tojson }}\n{% endfor %}",
    "generation": "{% for message in messages %}{% if message.role == 'assistant' %}A:{% generation %}{{ message.content }}"
                  "{{ eos_token }}{% endgeneration %}\n{% else %}U:{{ message.content }}\n{% endif %}{% endfor %}",
}
CONVERSATIONS = [
    [["user", "Is the ferry running today?"], ["assistant", "Yes, until six."]],
    [["system", "Be brief."], ["user", "  Two blanks before.\n"], ["assistant", "Noted: <b>\"2\" & 'é'</b>"], ["user", "日本語 👋🏽"]],
    [["user", "Count."], ["assistant", "<think>one\ntwo</think>\n\nTwo."], ["user", ""]],
]


def templates():
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2}, unk_token="<unk>")),
                                   bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    cases = []
    for name, template in TEMPLATES.items():
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": text} for role, text in conversation]
            for prompt in (False, True):
                expected = fast.apply_chat_template(messages, chat_template=template, add_generation_prompt=prompt, tokenize=False)
                cases.append({"name": name, "template": template, "messages": conversation, "prompt": prompt, "expected": expected})
    with open(os.path.join(HERE, "templates.json"), "w") as file:
        json.dump(cases, file, ensure_ascii=False, indent=1)


def main():
    torch.set_num_threads(1)
    llama = model("llama", LlamaForCausalLM(LlamaConfig(
        **SHAPE, hidden_size=24, head_dim=8, num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False)), 40, 1)
    model("llama3-scaling", LlamaForCausalLM(LlamaConfig(
        **SHAPE, hidden_size=32, num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False, attention_bias=True,
        mlp_bias=True, rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                                            high_freq_factor=4.0, original_max_position_embeddings=16))), 56, 2)
    model("qwen2", Qwen2ForCausalLM(Qwen2Config(
        **SHAPE, hidden_size=32, num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=1000000.0))), 40, 3)
    adapter(llama, 40)
    templates()


main()
