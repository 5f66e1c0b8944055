"""What all pages share: the templates, how they write numbers and texts, one theme, one script."""

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from w2sg import arms
from w2sg.report import numbers
from w2sg.report.collect import TEACHERS
from w2sg.report.drawing import THEME
from w2sg.report.texts import clipped, label, visible

if TYPE_CHECKING:
    from jinja2 import Environment


def page_of(template: str, **values: Any) -> str:
    """Return a page as HTML that loads nothing; equal values give equal bytes.

    The one script, which saves figures, is allowed by its digest and nothing else is.

    Args:
        template: Name of the template, which extends ``base.html``.
        values: What it shows.
    """
    script = environment().get_template("page.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        environment()
        .get_template(template)
        .render(script=script, script_hash=f"sha256-{digest}", **values)
    )


@cache
def environment() -> "Environment":
    """Return the templates with the filters that write numbers and texts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("w2sg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters |= {
        name: getattr(numbers, name)
        for name in (
            "percent",
            "in_percent",
            "in_points",
            "in_units",
            "ratio",
            "plain",
            "signed",
            "seconds",
            "minus",
        )
    }
    made.filters |= {"visible": visible, "clipped": clipped, "label": label}
    made.globals |= {
        "over_seeds": numbers.over_seeds,
        "arms": arms.TABLE,
        "theme": THEME,
        "teachers": TEACHERS,
    }
    return made
