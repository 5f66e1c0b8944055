"""Evidence whose answer is known: Gaussian features, a linear truth, teachers of known accuracy."""

import numpy as np

from w2sg.forecast import Evidence


def noisy_column(
    *, n: int = 200, big_n: int = 1500, flip: float = 0.3, d: int = 12, seed: int = 0
) -> tuple[Evidence, np.ndarray, np.ndarray]:
    """Return evidence with given labels, a share of them flipped, and fresh rows with truth."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + big_n + 4000, d))
    truth = (x[:, 0] + 0.2 * rng.normal(size=len(x)) > 0).astype(int)
    told = np.where(rng.random(len(x)) < flip, 1 - truth, truth)
    m = n + big_n
    return Evidence(truth[:n], x[:m], np.eye(2)[told[:m]]), x[m:], truth[m:]


def weak_probe(*, n: int = 120, big_n: int = 1000, seed: int = 0) -> Evidence:
    """Return evidence with a teacher that sees a noisy copy of the first strong feature alone."""
    from w2sg.stages.rehearsal_teacher import of_features

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + big_n, 10))
    truth = (x[:, 0] + x[:, 1] > 0).astype(int)
    weak = x[:, :1] + 0.3 * rng.normal(size=(n + big_n, 3))
    teacher = of_features(weak, truth[:n], 2, seed=0)
    return Evidence(truth[:n], x, teacher.answers, refit=teacher.refit, weak=weak)
