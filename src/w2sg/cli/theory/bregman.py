"""`w2sg theory bregman`: gain = misfit + residual in closed form, over the width of the student."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from w2sg.cli.options import refuse_unused, whole_number, within
from w2sg.cli.output import deliver, print_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from w2sg.theory.gaussian import LinearGaussianW2S

_FIELDS = ("teacher_risk", "student_risk", "gap", "misfit", "residual", "distance_to_posterior")


def bregman(
    *,
    d: int = 40,
    n: int = 20,
    tau2: float = 0.025,
    sigma2: float = 0.25,
    start: float = 0.8,
    lam: float | None = None,
    width: str = "20,40,80,320,1280,5120,inf",
    draws: int = 0,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Gain = misfit + residual of a Gaussian teacher and a random-feature ridge student.

    Inputs N(0, I_d), truth θ* with ‖θ*‖ = 1, teacher N(start·θ*, τ²I). The student sees n inputs
    with teacher labels of noise σ² and fits a ridge head on random features of each width.

    Args:
        d: Dimension of the inputs.
        n: Teacher-labelled inputs.
        tau2: Variance τ² of each coordinate of the teacher.
        sigma2: Noise σ² of the labels that the student sees.
        start: The mean teacher, and the start of the student, in units of the truth.
        lam: Ridge penalty of the student; left out, σ²/τ², the posterior mean.
        width: Student widths: a list such as 20,80,inf or a doubling range such as 20:5120.
        draws: Independent draws for a Monte Carlo check of every row; 0 for none.
        seed: Of the draws.
        out: Folder to write bregman.svg and bregman.json to.
        as_json: Print JSON instead of the table.
    """
    from w2sg.theory.gaussian import linear_gaussian_w2s

    try:
        widths = _widths(width)
        within("--d", d, 1, 10_000)
        within("--draws", draws, 0, 10**6)
        if not draws:
            refuse_unused(bregman, {"seed": seed}, ("seed",), "without --draws")
        star = np.full(d, d**-0.5)
        problem = (d, n, tau2, sigma2, star, start * star, lam)
        rows = [linear_gaussian_w2s(*problem, width=w) for w in widths]
        checks = _simulated(problem, widths, draws, seed) if draws else None
    except ValueError as error:
        print(f"w2sg theory bregman: {error}", file=sys.stderr)
        return 2

    record = {
        "d": d, "n": n, "tau2": tau2, "sigma2": sigma2, "start": start, "lam": lam,
        "width": widths,
        **{name: [getattr(row, name) for row in rows] for name in (*_FIELDS, "floor")},
    }  # fmt: skip
    if checks is not None:
        record["simulated"] = checks
    if not as_json:
        _print_table(widths, rows, checks)
    return deliver("theory bregman", record, lambda: _figure(widths, rows), out, as_json)


def _widths(text: str) -> list[int | None]:
    """Return widths, ``None`` for infinity; a range a:b doubles from a to b."""
    found: list[int | None] = []
    for part in text.split(","):
        word = part.strip()
        try:
            if word == "inf":
                found.append(None)
            elif ":" in word:
                low, high = (whole_number(end) for end in word.split(":"))
                if not 1 <= low <= high:
                    raise ValueError
                found += [low * 2**k for k in range((high // low).bit_length())]
            else:
                found.append(whole_number(word))
        except ValueError:
            raise ValueError(
                f"--width must be a list such as 20,80,inf or a range such as 20:5120, got {text!r}"
            ) from None
    return found


def _simulated(problem: tuple, widths: list[int | None], draws: int, seed: int) -> list[dict]:
    """Return mean and standard error of misfit and residual at each width."""
    from w2sg.theory.simulate.gaussian import linear_gaussian_w2s

    out = []
    for width in widths:
        found = linear_gaussian_w2s(*problem, width=width, n_draws=draws, seed=seed)
        terms = {"misfit": found.misfit, "residual": found.residual}
        out.append({k: [v.mean, v.standard_error] for k, v in terms.items()})
    return out


def _print_table(
    widths: list[int | None], rows: "list[LinearGaussianW2S]", checks: list[dict] | None
) -> None:
    heads = ["width", "student risk", "gain", "misfit", "residual", "to posterior mean"]
    heads += ["misfit, drawn", "residual, drawn"] if checks else []
    cells = []
    for i, (width, row) in enumerate(zip(widths, rows, strict=True)):
        line = ["∞" if width is None else str(width)]
        line += [f"{getattr(row, name):.4f}" for name in _FIELDS[1:]]
        if checks:
            line += [f"{mean:.3f} ± {error:.3f}" for mean, error in checks[i].values()]
        cells.append(line)
    title = f"teacher risk {rows[0].teacher_risk:.4f}, misfit floor {rows[0].floor:.4f}"
    print_table(title, heads, cells)


def _figure(widths: list[int | None], rows: "list[LinearGaussianW2S]") -> "Figure":
    from w2sg.figures import new_figure
    from w2sg.figures.canvas import PALETTE

    figure, (axes,) = new_figure(width=6.4, height=4.0)
    finite = [(w, row) for w, row in zip(widths, rows, strict=True) if w is not None]
    shown = sorted(finite, key=lambda pair: pair[0])
    x = [w for w, _ in shown]
    for name, style, colour in (("gap", "^-", 2), ("misfit", "o-", 0), ("residual", "s-", 1)):
        label = "gain" if name == "gap" else name
        values = [getattr(row, name) for _, row in shown]
        axes.plot(x, values, style, color=PALETTE[colour], label=label)
    axes.axhline(rows[0].floor, color="0.35", lw=0.9, ls="--", label="misfit floor")
    axes.axhline(0, color="0.35", lw=0.8)
    axes.set(xscale="log", xlabel="student width", ylabel="squared error")
    axes.legend()
    return figure
