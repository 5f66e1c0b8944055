"""Cost of training W_q and W_v, beside full fine-tuning and LoRA, in one interleaved run.

python benchmarks/attention.py [--device cuda] prints three tables: policies on a BERT of MiniLM's
size; how far down the backward pass goes; and what splitting a fused projection costs.
"""

import argparse
import itertools
import statistics
import time

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers import BertConfig, BertForSequenceClassification, GPT2Config
from transformers import GPT2ForSequenceClassification as GPT2

from w2sg.train.attention import Layout, SplitProjection
from w2sg.train.policies import apply

WIDTH, LAYERS, HEADS, TOKENS, BATCH = 384, 6, 12, 64, 16


def bert():
    """Return a classifier of MiniLM's size with a small vocabulary."""
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        vocab_size=2000,
    )
    return BertForSequenceClassification(config)


def gpt2():
    """Return a fused classifier of the same size."""
    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, vocab_size=2000, n_positions=TOKENS
    )
    config.pad_token_id = 0
    return GPT2(config)


class Step:
    """One training step of a policy, timed in its parts."""

    def __init__(self, build, roles, device, **options):
        """Build the model and its optimizer."""
        self.model = build().to(device).train()
        self.policy = apply(self.model, roles, **options)
        self.optimizer = self.policy.make_optimizer()
        ids = torch.randint(1, 2000, (BATCH, TOKENS), device=device)
        self.inputs = {"input_ids": ids, "labels": torch.arange(BATCH, device=device) % 2}
        self.device = device

    def now(self):
        """Return the clock once the device is idle."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def __call__(self):
        """Return seconds of forward, backward and update."""
        marks = [self.now()]
        loss = self.model(**self.inputs).loss
        marks.append(self.now())
        loss.backward()
        marks.append(self.now())
        self.optimizer.step()
        marks.append(self.now())
        self.optimizer.zero_grad()
        return [b - a for a, b in itertools.pairwise(marks)]

    def saved_bytes(self):
        """Bytes that the forward pass keeps for the backward pass, weights not included."""
        weights = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        kept = {}

        def pack(x):
            storage = x.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            loss = self.model(**self.inputs).loss
        total = sum(kept.values())
        del loss
        return total

    def state_bytes(self):
        """Bytes of gradients and of the optimizer's state."""
        self.model(**self.inputs).loss.backward()
        gradients = sum(p.grad.nbytes for p in self.model.parameters() if p.grad is not None)
        self.optimizer.step()
        self.optimizer.zero_grad()
        state = sum(
            v.nbytes
            for s in self.optimizer.state.values()
            for v in s.values()
            if torch.is_tensor(v) and v.ndim
        )
        return gradients, state

    def peak_bytes(self):
        """Most bytes alive in one step: weights, state, gradients, activations and scratch."""
        self.optimizer.zero_grad()
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self()
            return self.resident_bytes() + torch.cuda.max_memory_allocated() - before
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            self()
        events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
        events.sort(key=lambda e: e.start_ns())
        return self.resident_bytes() + max(itertools.accumulate(e.nbytes() for e in events))

    def resident_bytes(self):
        """Bytes that stay between steps: weights and the optimizer's state."""
        kept = [v for s in self.optimizer.state.values() for v in s.values()]
        kept = [*self.model.parameters(), *self.model.buffers(), *filter(torch.is_tensor, kept)]
        return sum(t.nbytes for t in kept)


def interleaved(steps, repeats):
    """Return median seconds of each part, every step once per round so that load hits all alike."""
    for step in steps.values():
        step()
    runs = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            runs[name].append(step())
    return {
        name: [statistics.median(part) for part in zip(*rows, strict=True)]
        for name, rows in runs.items()
    }


def policies(device, repeats):
    """Print time, activations and state of each policy."""
    steps = {
        "full": Step(bert, "full", device),
        "qkv": Step(bert, "qkv", device),
        "qv": Step(bert, "qv", device),
        "qv LoRA r8": Step(bert, "qv", device, method="lora", rank=8),
    }
    times = interleaved(steps, repeats)
    whole = sum(times["full"])
    print(f"policies on BERT {LAYERS} x {WIDTH}, batch {BATCH} x {TOKENS}, {device}")
    print("policy        step/full  forward  backward  update  peak MB  kept MB  grad MB  optim MB")
    for name, step in steps.items():
        parts = [t / whole for t in times[name]]
        gradients, state = step.state_bytes()
        kept = step.saved_bytes()
        print(
            f"{name:12s}  {sum(parts):9.2f}  {parts[0]:7.2f}  {parts[1]:8.2f}  {parts[2]:6.2f}"
            f"  {step.peak_bytes() / 1e6:7.1f}  {kept / 1e6:7.1f}  {gradients / 1e6:7.1f}"
            f"  {state / 1e6:8.1f}"
        )


def depth(device, repeats):
    """Print what training one layer costs, from the first to the last."""
    steps = {f"layer {n} only": Step(bert, "qv", device, layers=[n]) for n in (0, 2, LAYERS - 1)}
    times = interleaved(steps, repeats)
    base = times["layer 0 only"][1]
    print("\nthe backward pass stops below the lowest trained projection")
    print("trained        backward / that of layer 0   kept MB")
    for name, step in steps.items():
        print(f"{name:14s}  {times[name][1] / base:26.2f}  {step.saved_bytes() / 1e6:8.1f}")


class Separate(nn.Module):
    """What a model with separate projections does: three layers, no joining."""

    def __init__(self, split):
        """Take the three layers of a split projection."""
        super().__init__()
        self.parts = nn.ModuleList(getattr(split, f"{r}_proj") for r in "qkv")

    def forward(self, x):
        """Return q, k and v."""
        return [part(x) for part in self.parts]


class Chunked(nn.Module):
    """A fused or split layer and the chunking that follows it."""

    def __init__(self, layer):
        """Store the layer."""
        super().__init__()
        self.layer = layer

    def forward(self, x):
        """Return q, k and v."""
        return self.layer(x).chunk(3, -1)


def fused(device, repeats):
    """Print whole steps of a split model and the projection alone."""
    steps = {
        "fused qkv": Step(gpt2, "qkv", device),
        "split qkv": Step(gpt2, "qkv", device, ratio=2.0),
        "split qv": Step(gpt2, "qv", device),
    }
    times = interleaved(steps, repeats)
    base = sum(times["fused qkv"])
    print(f"\nsplitting a fused projection: GPT-2 {LAYERS} x {WIDTH}, whole steps")
    for name in steps:
        print(f"{name:10s}  step / fused qkv {sum(times[name]) / base:5.2f}")

    print("the projection alone, forward and backward, over three separate layers")
    print("trained   separate  split  fused")
    for trained in ("qkv", "qv"):
        alone = interleaved(projections(trained, device), 5 * repeats)
        base = alone["separate"][0]
        ratios = {name: f"{seconds / base:5.2f}" for name, (seconds,) in alone.items()}
        print(
            f"{trained:8s}  {ratios['separate']:>8s}  {ratios['split']}  {ratios.get('fused', '')}"
        )


def projections(trained, device):
    """Return timed calls of one projection as three layers, split, and fused."""
    layout = Layout(1, (("q", WIDTH), ("k", WIDTH), ("v", WIDTH)))
    split = SplitProjection(nn.Linear(WIDTH, 3 * WIDTH), layout).to(device)
    for role in "qkv":
        split.part(role).requires_grad_(role in trained)
    x = torch.randn(BATCH * TOKENS, WIDTH, device=device, requires_grad=True)
    layers = {"separate": Separate(split), "split": Chunked(split)}
    if trained == "qkv":  # a fused layer cannot train parts of itself
        layers["fused"] = Chunked(nn.Linear(WIDTH, 3 * WIDTH).to(device))

    def timed(layer):
        start = time.perf_counter()
        sum(part.square().sum() for part in layer(x)).backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return [time.perf_counter() - start]

    return {name: (lambda layer=layer: timed(layer)) for name, layer in layers.items()}


def main():
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=12)
    arguments = parser.parse_args()
    policies(arguments.device, arguments.repeats)
    depth(arguments.device, arguments.repeats)
    fused(arguments.device, arguments.repeats)


if __name__ == "__main__":
    main()
