"""W_q and W_v of a decoder of 1.3 billion random weights, beside full fine-tuning and LoRA.

python benchmarks/attention_decoder.py --peak-tflops 989 trains in bfloat16 on one GPU and prints
tokens per second, peak memory and the share of the device's peak, one policy after the other;
--tiny --device cpu only shows that it runs.
"""

import argparse
import gc
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from w2sg.train.attention import flops_estimate
from w2sg.train.policies import apply

BILLION = {
    "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 32_000,
}  # fmt: skip
TINY = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 100,
}  # fmt: skip
POLICIES = {
    "full": ("full", {}),
    "qkv": ("qkv", {}),
    "qv": ("qv", {}),
    "qv LoRA r8": ("qv", {"method": "lora", "rank": 8}),
}


def decoder(sizes, tokens, device):
    """Return a classifier of random weights in bfloat16, in training mode."""
    torch.manual_seed(0)
    config = LlamaConfig(**sizes, max_position_embeddings=tokens, pad_token_id=0)
    with torch.device(device):
        return LlamaForSequenceClassification(config).to(torch.bfloat16).train()


def now(device):
    """Return the clock once the device is idle."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(name, arguments, sizes):
    """Return tokens per second, peak bytes and operations per token of one policy."""
    roles, options = POLICIES[name]
    model = decoder(sizes, arguments.tokens, arguments.device)
    operations = flops_estimate(model, roles, tokens=arguments.tokens, **options).total
    optimizer = apply(model, roles, **options).make_optimizer()
    shape = (arguments.batch, arguments.tokens)
    ids = torch.randint(1, sizes["vocab_size"], shape, device=arguments.device)
    labels = torch.arange(arguments.batch, device=arguments.device) % 2
    seconds = []
    for step in range(arguments.repeats + 3):
        if step == 3 and arguments.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        began = now(arguments.device)
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(now(arguments.device) - began)
    peak = torch.cuda.max_memory_allocated() if arguments.device == "cuda" else 0
    return ids.numel() / statistics.median(seconds[3:]), peak, operations


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--peak-tflops", type=float, help="of the device, dense bfloat16")
    arguments = parser.parse_args()
    sizes = TINY if arguments.tiny else BILLION
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    print(f"{name}, batch {arguments.batch} x {arguments.tokens}, bfloat16")
    print("policy         tokens/s   peak GB  step FLOPs/token  share of peak")
    for policy in POLICIES:
        rate, peak, operations = measure(policy, arguments, sizes)
        share = ""
        if arguments.peak_tflops:
            share = f"{rate * operations / (1e12 * arguments.peak_tflops):13.1%}"
        print(f"{policy:12s} {rate:10,.0f} {peak / 1e9:9.2f} {operations / 1e9:15.2f} G {share}")
        gc.collect()
        if arguments.device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
