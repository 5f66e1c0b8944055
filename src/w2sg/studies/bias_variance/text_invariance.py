"""What shrinking all soft labels moves, on stored answers of students of real text.

Reverse cross-entropy has the same minimum for q and for αq + (1−α)/K, so its student should not
move by more than another seed moves it; that of cross-entropy should, in log loss and entropy.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import entr

from w2sg._arrays import FloatArray
from w2sg.figures import new_figure
from w2sg.studies.study import Claim, Study

SMALLEST = 1e-12
MEASURES = ("accuracy", "NLL", "entropy")


def text_invariance(
    truth: Int[ndarray, " items"],
    plain: Mapping[str, Float[ndarray, "seeds items k"]],
    shrunk: Mapping[str, Float[ndarray, "seeds items k"]],
) -> Study:
    """Compare students of plain and of shrunk labels, paired by seed.

    Args:
        truth: Class numbers of the test items.
        plain: Loss → probabilities of its students; holds ``ce`` and ``reverse_ce``.
        shrunk: The same losses, seeds and items, trained on shrunk labels.

    Returns:
        Arrays ``LOSS moves`` (seeds, 3) and ``LOSS noise`` (3,), the standard deviation of the
        plain student over seeds, in the order of accuracy, NLL, entropy.

    Raises:
        ValueError: Another set of losses, shapes that differ, fewer than two seeds.
    """
    if set(plain) != set(shrunk) or not {"ce", "reverse_ce"} <= set(plain):
        raise ValueError(
            f"plain and shrunk must hold the same losses, ce and reverse_ce among them, got "
            f"{sorted(plain)} and {sorted(shrunk)}"
        )
    arrays: dict[str, FloatArray] = {}
    for loss in plain:
        if np.shape(plain[loss]) != np.shape(shrunk[loss]) or len(plain[loss]) < 2:
            raise ValueError(
                f"{loss}: plain and shrunk must have one shape with at least 2 seeds, got "
                f"{np.shape(plain[loss])} and {np.shape(shrunk[loss])}"
            )
        before, after = _measured(truth, plain[loss]), _measured(truth, shrunk[loss])
        arrays[f"{loss} moves"] = after - before
        arrays[f"{loss} noise"] = before.std(axis=0, ddof=1)
    claims = []
    for i, name in enumerate(MEASURES):
        move, noise = arrays["reverse_ce moves"][:, i].mean(), arrays["reverse_ce noise"][i]
        claims.append(
            Claim(
                f"Shrunk labels move {name} of reverse_ce by less than its seed noise",
                f"{move:+.4f}, noise {noise:.4f}",
                bool(abs(move) < noise),
            )
        )
    for i in (1, 2):
        move, noise = arrays["ce moves"][:, i].mean(), arrays["ce noise"][i]
        claims.append(
            Claim(
                f"Shrunk labels move {MEASURES[i]} of ce by more than its seed noise",
                f"{move:+.4f}, noise {noise:.4f}",
                bool(abs(move) > noise),
            )
        )
    figure, panels = new_figure(1, 3, width=9.0, height=2.6)
    for i, (axes, name) in enumerate(zip(panels, MEASURES, strict=True)):
        for row, loss in enumerate(plain):
            moves, noise = arrays[f"{loss} moves"][:, i], arrays[f"{loss} noise"][i]
            axes.barh(row, 2 * noise, left=-noise, height=0.5, color="0.85")
            axes.plot(moves, np.full(len(moves), row), "o", ms=4, color="#1b6ca8")
        axes.axvline(0, color="0.35", linewidth=0.8)
        axes.set_yticks(range(len(plain)), list(plain) if i == 0 else [""] * len(plain))
        axes.set_xlabel(f"move of {name}")
    panels[0].set_title("dots: seeds; grey: ± seed noise", fontsize=9)
    return Study(arrays, figure, tuple(claims))


def _measured(truth: Int[ndarray, " items"], p: FloatArray) -> FloatArray:
    """Accuracy, NLL and entropy per seed, (seeds, 3)."""
    raised = np.maximum(p, SMALLEST)
    nll = -np.log(raised[:, np.arange(len(truth)), truth]).mean(axis=1)
    right = (p.argmax(axis=-1) == truth).mean(axis=1)
    return np.column_stack([right, nll, entr(p).sum(axis=-1).mean(axis=1)])
