"""E9: singular values and overlaps of a random first layer plus one gradient spike."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import FINITE_SIZE
from w2sg.studies.study import Claim, Study
from w2sg.theory import multi_index
from w2sg.theory.simulate import multi_index as simulate

RATIO = 2.0
SIZES = (0.6, 1.4, 1.7, 2.2, 3.0)


def study(*, d: int = 300, repetitions: int = 10, seed: int = 0) -> Study:
    """Draw the top singular value and both overlaps over the size of the spike."""
    grid = np.linspace(0, 3.2, 321)
    theory = multi_index.outlier_alignment(grid, RATIO)
    runs = [
        simulate.outlier_alignment(size, RATIO, d=d, repetitions=repetitions, seed=seed)
        for size in SIZES
    ]
    figure, (values, overlaps) = new_figure(1, 2, width=9.2, height=3.6)
    arrays, claims = {"theta": grid, "simulated_theta": np.array(SIZES)}, []
    edge = RATIO**0.25
    for name, axes, label in (
        ("singular_value", values, "top singular value"),
        ("right", overlaps, "right vector (direction)"),
        ("left", overlaps, "left vector (neurons)"),
    ):
        curve = getattr(theory, name)
        means = np.array([getattr(run, name).mean for run in runs])
        errors = np.array([getattr(run, name).standard_error for run in runs])
        (line,) = axes.plot(grid, curve, label=label)
        axes.errorbar(SIZES, means, 3 * errors, fmt="o", ms=4, color=line.get_color())
        arrays |= {f"{name}_theory": curve, f"{name}_simulation": means}
        expected = getattr(multi_index.outlier_alignment(SIZES, RATIO), name)
        # below the threshold an overlap is 0 only up to the size of a random one
        slack = FINITE_SIZE * np.maximum(expected, 1.0) + (
            10 / d if name != "singular_value" else 0
        )
        inside = np.abs(means - expected) <= 3 * errors + slack
        claims.append(
            Claim(
                f"{label}: simulation is theory, below and above θ = c^¼",
                f"{int(inside.sum())} of {inside.size} points; largest gap "
                f"{np.abs(means - expected).max():.4f}",
                bool(inside.all()),
            )
        )
    for axes in (values, overlaps):
        axes.axvline(edge, color="0.35", ls=":", lw=1.0)
        axes.set(xlabel="size θ of the spike")
        axes.legend()
    values.set(ylabel="singular value", title=f"c = p/d = {RATIO:g}")
    overlaps.set(ylabel="squared overlap", title=f"threshold θ = c^¼ = {edge:.3f}")
    return Study(arrays, figure, tuple(claims))
