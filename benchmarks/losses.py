"""Time of each loss, forward and backward, against PyTorch's fused cross-entropy.

    python benchmarks/losses.py [--rows 4096] [--classes 1000] [--repeats 15]

Both see the same soft targets. The ratio is of the fastest repeats within one run, and the losses
take turns, so that a slow second of the machine does not fall on one of them. The target is 1.5; a
second column compares with cross-entropy on class numbers, which reads half the memory.
"""

import argparse
import time

import torch
import torch.nn.functional as F

from w2sg import losses

NAMES = (
    "ce",
    "reverse_ce",
    "forward_kl",
    "reverse_kl",
    "symmetric",
    "entropy",
    "cace",
    "cace:quantile=0.5",
    "confidence",
    "bootstrap",
    "bootstrap:0.95:soft",
    "product",
    "gce",
    "squared",
    "bregman:itakura_saito",
)


def milliseconds(step):
    """Return the processor time of one call: what else the machine does is not in it."""
    start = time.process_time()
    step()
    return (time.process_time() - start) * 1e3


def main():
    """Print one row per loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=15)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    logits = torch.randn(chosen.rows, chosen.classes, requires_grad=True)
    targets = torch.softmax(2 * torch.randn(chosen.rows, chosen.classes), -1)
    labels = targets.argmax(-1)

    def step_of(function):
        def step():
            logits.grad = None
            function().sum().backward()

        return step

    steps = {
        "torch, soft targets": step_of(lambda: F.cross_entropy(logits, targets, reduction="none")),
        "torch, class numbers": step_of(lambda: F.cross_entropy(logits, labels, reduction="none")),
    }
    for name in NAMES:
        loss = losses.get(name)
        context = loss.batch_statistics(logits.detach(), targets)
        steps[name] = step_of(lambda loss=loss, c=context: loss(logits, targets, context=c))
    times = {name: [] for name in steps}
    for _ in range(chosen.repeats):
        for name, step in steps.items():
            times[name].append(milliseconds(step))
    best = {name: min(values) for name, values in times.items()}
    soft, hard = best["torch, soft targets"], best["torch, class numbers"]
    size = f"{chosen.rows} x {chosen.classes}"
    print(f"{size}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'loss':24}{'ms':>8}{'vs soft':>10}{'vs class numbers':>18}")
    for name, value in best.items():
        print(f"{name:24}{value:8.1f}{value / soft:10.2f}{value / hard:18.2f}")


if __name__ == "__main__":
    main()
