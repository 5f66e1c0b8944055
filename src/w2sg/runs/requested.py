"""The spec that a call asks for: validated, a model given as objects saved beside the results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2sg._paths import expanded
from w2sg.spec import Named, Spec, SpecError, load, note_unused, refuse_ignored


def as_spec(
    spec: str | Path | Mapping[str, Any] | Spec, overrides: Mapping[str, Any] | None
) -> Spec:
    """Return the spec of a file or a mapping, or one that is validated already.

    Raises:
        SpecError: The spec is wrong, or it is validated and there are overrides.

    Warns:
        SpecNote: What of it has no effect.
    """
    if not isinstance(spec, Spec):
        spec = load(spec, overrides)
    elif overrides:
        raise SpecError("overrides are for a file or a mapping; this spec is already validated")
    else:
        refuse_ignored(spec)  # it may be that of a stored result, which was opened as it was
    note_unused(spec)
    return spec


def with_stored_model(spec: Spec) -> Spec:
    """Save a model given as (model, tokenizer) beside the results, so that it has an identity."""
    given = spec.student.model
    if not isinstance(given, Named):
        return spec
    try:
        model, tokenizer = given.value
        save = model.save_pretrained, tokenizer.save_pretrained
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            "student.model must be a folder, a hub id, or the pair (model, tokenizer) of "
            f"transformers, got {type(given.value).__name__}"
        ) from None
    name = f"{given.name or 'model'}-{given.version or 'unversioned'}"
    folder = expanded(spec.run.store) / "models" / name
    for write in save:
        write(folder)
    student = spec.student.model_copy(update={"model": str(folder)})
    return spec.model_copy(update={"student": student})
