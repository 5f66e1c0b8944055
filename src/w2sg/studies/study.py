"""What a study hands back: the numbers, the figure, and whether its claims held."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Claim:
    """A published or derived statement, and what was found.

    Attributes:
        statement: What should be so.
        found: The numbers that decide it.
        holds: Whether they say so.
    """

    statement: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Study:
    """A reproduced figure with its evidence.

    Attributes:
        arrays: Everything that is drawn, by name.
        figure: The drawing.
        claims: Statements checked against the arrays.
    """

    arrays: dict[str, NDArray[np.float64]]
    figure: "Figure"
    claims: tuple[Claim, ...]
