"""`run_probe_w2s` against a loop over scikit-learn's Ridge: 20 sizes × 10 trials × 8 ridges.

Run it as ``python benchmarks/probe_runs.py``; both roads see the same rows and labels.
"""

import time

import numpy as np
from sklearn.linear_model import Ridge

from w2sg._seeds import child_seed
from w2sg.diagnostics.probe_runs import run_probe_w2s

# the published range of sizes, on features a third as wide
ROWS, D_W, D_S, TRIALS = 16_000, 128, 256, 10
SIZES_N = np.linspace(800, 3000, 20).astype(int)
UNLABELLED = 9_800
RIDGES = np.geomspace(1e-3, 1e3, 8)


def scikit_loop(weak, strong, y) -> np.ndarray:
    """Errors of teacher, student, baseline and ceiling, fitted one by one."""
    order = np.random.default_rng(child_seed(0, "test")).permutation(ROWS)
    test, pool = order[: ROWS // 5], order[ROWS // 5 :]
    errors = np.empty((4, len(SIZES_N), TRIALS, len(RIDGES)))
    for t in range(TRIALS):
        drawn = np.random.default_rng(child_seed(0, "trial", t)).permutation(pool)
        last = drawn[-UNLABELLED:]
        for i, n in enumerate(SIZES_N):
            first = drawn[:n]
            both = np.concatenate([first, last])
            for r, ridge in enumerate(RIDGES):
                teacher = Ridge(alpha=ridge, fit_intercept=False).fit(weak[first], y[first])
                pseudo = teacher.predict(weak[last])
                fits = (
                    (teacher, weak),
                    (Ridge(alpha=ridge, fit_intercept=False).fit(strong[last], pseudo), strong),
                    (Ridge(alpha=ridge, fit_intercept=False).fit(strong[first], y[first]), strong),
                    (Ridge(alpha=ridge, fit_intercept=False).fit(strong[both], y[both]), strong),
                )
                for j, (model, x) in enumerate(fits):
                    errors[j, i, t, r] = np.square(model.predict(x[test]) - y[test]).mean()
    return errors


def main() -> None:
    """Time both roads and print their ratio and the largest difference of any error."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(ROWS, 320))
    weak = latent[:, :200] @ rng.normal(size=(200, D_W)) / 14
    strong = latent[:, 60:] @ rng.normal(size=(260, D_S)) / 16
    y = latent @ rng.normal(size=320) / 18 + 0.3 * rng.normal(size=ROWS)
    start = time.process_time()
    runs = run_probe_w2s(
        (weak, strong), y, SIZES_N, UNLABELLED, TRIALS, ridges=RIDGES, n_test=ROWS // 5
    )
    ours_s = time.process_time() - start
    start = time.process_time()
    reference = scikit_loop(weak, strong, y)
    loop_s = time.process_time() - start
    ours = np.stack([runs.teacher, runs.student, runs.baseline, runs.ceiling])
    print(f"{'fits':>22} {reference.size}")
    print(f"{'run_probe_w2s':>22} {ours_s:.2f} s")
    print(f"{'scikit-learn loop':>22} {loop_s:.2f} s")
    print(f"{'times faster':>22} {loop_s / ours_s:.1f}")
    print(f"{'largest difference':>22} {np.abs(ours / reference - 1).max():.1e}")


if __name__ == "__main__":
    main()
