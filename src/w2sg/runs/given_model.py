"""A model that Python gave as an object, saved beside the results so that it has an identity."""

from w2sg._paths import expanded
from w2sg.spec import Named, Spec


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
