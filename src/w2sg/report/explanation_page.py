"""The page of an explanation: the experiment on frozen features beside its controls."""

from typing import TYPE_CHECKING

from w2sg.figures.forest import forest_plot
from w2sg.report.collect import TEACHERS, source
from w2sg.report.drawing import NARROW, WIDE, drawn
from w2sg.report.numbers import in_points
from w2sg.report.page import page_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from w2sg.diagnostics.controls import Explanation
    from w2sg.gain import Estimate
    from w2sg.spec import Spec


FOREST = ("estimate", "low", "high")


def render_explanation(found: "Explanation", spec: "Spec", trained: "Estimate") -> str:
    """Return the page as HTML; equal explanations give equal bytes.

    Args:
        found: The controls.
        spec: The run that they belong to.
        trained: Gain of the student that the run trained.
    """
    made = [control for control in found.controls if control.gain.reason is None]
    changes = "; ".join(f"{control.name} {in_points(control.change)}" for control in made)

    def draw(width: float) -> "Figure":
        figure = forest_plot(
            [control.name for control in made],
            *([100 * (getattr(c.change, end) or 0.0) for c in made] for end in FOREST),
            marked=[control.differs for control in made],
            axis_label="change of the gain, points",
            form="+.1f",
            narrow=width == NARROW,
        )
        if width == WIDE:
            figure.set_size_inches(width, figure.get_figheight())
        return figure

    return page_of(
        "explanation.html",
        found=found,
        trained=trained,
        spec=spec,
        source=source(spec),
        teacher=TEACHERS[spec.teacher.kind],
        drawing=drawn("controls", f"Change of the gain by control: {changes}", draw)
        if made
        else None,
    )
