"""Correlation dimension against two SVDs, on 50,000 × 1,024 and 50,000 × 768 features.

Run it as ``python benchmarks/overlap.py``; give a row count to try a smaller one.
"""

import resource
import sys
import time

import numpy as np
import scipy.linalg

from w2sg.diagnostics.overlap import correlation_dimension

D_S, D_W, SHARED = 300, 200, 60


def paired_features(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Strong and weak features with 60 common directions out of 300 and 200, plus a noise floor."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(rows, D_S + D_W - SHARED))
    strong = latent[:, :D_S] @ rng.normal(size=(D_S, 1024)) + 0.1 * rng.normal(size=(rows, 1024))
    weak = latent[:, -D_W:] @ rng.normal(size=(D_W, 768)) + 0.1 * rng.normal(size=(rows, 768))
    return strong, weak


def main(rows: int) -> None:
    """Time both roads on the same arrays and print their ratio, error and memory."""
    strong, weak = paired_features(rows)
    held = (strong.nbytes + weak.nbytes) / 2**30
    # processor time: other work on the machine does not change the ratio
    start = time.process_time()
    ours = correlation_dimension(strong, weak, D_S, D_W)
    ours_s = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.process_time()
    u_s = scipy.linalg.svd(strong, full_matrices=False)[0][:, :D_S]
    u_w = scipy.linalg.svd(weak, full_matrices=False)[0][:, :D_W]
    reference = float(np.square(u_s.T @ u_w).sum())
    svd_s = time.process_time() - start
    print(f"{'rows':>26} {rows}")
    print(f"{'correlation_dimension':>26} {ours_s:.2f} s")
    print(f"{'two scipy.linalg.svd':>26} {svd_s:.2f} s")
    print(f"{'times faster':>26} {svd_s / ours_s:.1f}")
    print(f"{'relative difference':>26} {abs(ours.raw / reference - 1):.1e}")
    print(f"{'truth, debiased':>26} {SHARED}, {ours.debiased:.2f}")
    print(f"{'features, peak memory':>26} {held:.2f} GiB, {peak:.2f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
