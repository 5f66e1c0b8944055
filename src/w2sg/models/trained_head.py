"""A classification head that a checkpoint brings: its rows put into the order of the data's names.

The rows of a trained head mean the classes of the checkpoint, in the order of its ``id2label``;
the data have an order of their own. They are matched by name, never by position.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from w2sg.models.loading import Loaded, head_names
from w2sg.models.weight_files import ModelError


@dataclass(frozen=True)
class Head:
    """How the head of a classifier came to be.

    Attributes:
        kind: ``"trained"`` where it came with the checkpoint, so that it knew a task before;
            ``"trained in part"`` where only its last layer is new, as for another number of
            classes.
        classes: What the checkpoint calls the rows of its head, in its own order, where it brings
            one for as many classes as the data have.
        moved: Whether rows were moved to stand in the order of the data.
    """

    kind: Literal["new", "trained", "trained in part"] = "new"
    classes: tuple[str, ...] = ()
    moved: bool = False

    def facts(self) -> dict[str, Any]:
        """Return it as a stage stores it."""
        if not self.classes:
            return {"head": self.kind}
        return {"head": self.kind, "head_classes": list(self.classes), "head_moved": self.moved}


def match_head(
    loaded: Loaded,
    id2label: Mapping[int, str],
    label_names: Sequence[str],
    name: str,
    *,
    refuse: bool,
) -> Head:
    """Put the rows of a head that came trained into the order of the data's classes, in place.

    A head whose rows have no names but those that transformers gives (``LABEL_0``) is replaced by
    a new one: nothing says which class of the data a row means, nor that it was ever trained.

    Args:
        loaded: The model.
        id2label: Row of the checkpoint's head → what the checkpoint calls it.
        label_names: The data's K classes.
        name: As the user calls the model.
        refuse: Whether names that do not fit are refused; else the rows stay where they are, for
            a model whose head is replaced by stored weights.

    Raises:
        ValueError: The head has K rows, and they have other names than the data's classes.
    """
    import torch

    tensors = dict(loaded.model.named_parameters())
    names = head_names(loaded.model)
    last = _last_layer(names, tensors, len(label_names))
    came = [key for key in names if key not in loaded.new]
    if not any(key in came and tensors[key].ndim > 1 for key in last):
        return Head("trained in part" if came else "new")
    own = [str(id2label.get(row, row)) for row in range(len(label_names))]
    order = _order(own, label_names)
    if order is None:
        if own == [f"LABEL_{row}" for row in range(len(own))]:
            _draw_again(loaded.model, names)
            return Head("new", tuple(own))
        if not refuse:
            return Head("trained", tuple(own))
        raise ModelError(
            f"model {name!r} brings a trained head for the classes {own}, and the data have "
            f"{list(label_names)}: which row means which class cannot be told. Write the data's "
            "names into id2label of its config.json, in the order of the head's rows, or leave "
            "the head out: AutoModel.from_pretrained(…).save_pretrained(FOLDER)"
        )
    moved = order != list(range(len(order)))
    if moved:
        with torch.no_grad():
            for key in last:
                tensors[key].copy_(tensors[key][order].clone())
    return Head("trained", tuple(own), moved)


def order_new_rows(model: Any, head: Head, ranks: Sequence[int]) -> None:
    """Give class k of a new head the initial weights that were drawn for row `ranks[k]`.

    Class numbers follow the sorted names of the classes; without this, another name for a class
    would be another draw of its weights.

    Args:
        model: With its head as it was drawn.
        head: Where the head is from; one that came trained keeps its rows.
        ranks: A permutation of 0 … K − 1.
    """
    import torch

    if head.kind == "trained":
        return
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for key in _last_layer(head_names(model), tensors, len(ranks)):
            tensors[key].copy_(tensors[key][list(ranks)].clone())


def _draw_again(model: Any, names: Sequence[str]) -> None:
    import torch

    fresh = dict(type(model)(model.config).named_parameters())
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for name in names:
            tensors[name].copy_(fresh[name])


def _last_layer(names: Sequence[str], tensors: Mapping[str, Any], n_classes: int) -> list[str]:
    """The parameters of the head that have a row per class: those of its last layer."""
    by_class = [key for key in names if tensors[key].shape[0] == n_classes]
    layer = by_class[-1].rpartition(".")[0] if by_class else ""
    return [key for key in by_class if key.rpartition(".")[0] == layer]


def _order(own: Sequence[str], label_names: Sequence[str]) -> list[int] | None:
    """For each of the data's classes, the row of the checkpoint's head; None where it is unsure."""
    for form in (str, _plain):
        mine, theirs = [form(one) for one in label_names], [form(one) for one in own]
        if sorted(mine) == sorted(theirs) and len(set(mine)) == len(mine):
            return [theirs.index(one) for one in mine]
    return None


def _plain(label: str) -> str:
    """A name without case, spaces and the word that transformers puts before a bare number."""
    text = unicodedata.normalize("NFKC", label).casefold().strip()
    number = text.removeprefix("label_")
    return number if number.isdecimal() else text
