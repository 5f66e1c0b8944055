"""The page of an explanation: the experiment on frozen features beside its controls."""

from typing import TYPE_CHECKING

from w2sg.figures import to_svg
from w2sg.figures.forest import forest_plot
from w2sg.report.collect import TEACHERS
from w2sg.report.page import environment

if TYPE_CHECKING:
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
    figure = forest_plot(
        [control.name for control in made],
        *([100 * (getattr(c.change, end) or 0.0) for c in made] for end in FOREST),
        marked=[control.differs for control in made],
        axis_label="change of the gain, points",
        form="+.1f",
    ) if made else None  # fmt: skip
    return (
        environment()
        .get_template("explanation.html")
        .render(
            found=found,
            trained=trained,
            spec=spec,
            source=spec.data.bundled or spec.data.path or spec.data.hub,
            teacher=TEACHERS[spec.teacher.kind],
            figure="" if figure is None else to_svg(figure),
        )
    )
