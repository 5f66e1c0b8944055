"""What stands for a model or a Python object in a key; what names nothing that there is."""

import uuid
import warnings

from w2sg.runs.resolve import estimators
from w2sg.runs.store import digest
from w2sg.spec import Named, Spec


def model_identity(*models: str) -> dict[str, str | list[str]]:
    """Return what identifies a model's weights, or those of several."""
    from w2sg.models.sources import fingerprint

    found = [fingerprint(model) for model in models]
    return {"model": found[0] if len(found) == 1 else found}


def refuse_unknown(spec: Spec) -> None:
    """Refuse names of losses and classifiers that there are not, before anything is read.

    Raises:
        ValueError: There is no such loss or classifier.
    """
    from w2sg import losses
    from w2sg.models.estimators import check_estimator

    if isinstance(spec.student.loss, str):
        try:
            losses.get(spec.student.loss)
        except ValueError as error:
            raise ValueError(f"student.loss = {spec.student.loss!r}: {error}") from None
    elif not isinstance(given := spec.student.loss.value, losses.Loss | None):
        raise ValueError(
            f"student.loss must be a name or a w2sg.losses.Loss, got {type(given).__name__}; "
            "w2sg.losses.Loss makes one of a function of logits, targets and context"
        )
    for estimator in estimators(spec.teacher) if spec.teacher.kind == "sklearn" else ():
        value = estimator.value if isinstance(estimator, Named) else estimator
        if value is not None:  # else only its name is left, as in a spec read from a file
            check_estimator(value)


def object_identity(name: str, value: Named) -> dict[str, str | None]:
    """Return what stands for a Python object in a key: name and version, else a new word each time.

    Args:
        name: Field of the spec that holds it.
        value: The object with its name and version.

    Raises:
        ValueError: Only the name of the object is left, as in a spec read from a file.
    """
    if value.value is None:
        raise ValueError(
            f"{name} is the Python object {value.name!r}, which a file cannot hold; run this spec "
            "from Python with w2sg.Named(object, name=…, version=…)"
        )
    if value.name is None or value.version is None:
        warnings.warn(
            f"{name} is a Python object without name and version: what depends on it is computed "
            f"again in every run; wrap it as w2sg.Named(object, name=…, version=…)",
            stacklevel=2,
        )
        return {"uncached": uuid.uuid4().hex}
    return value.identity


def run_id(spec: Spec) -> str:
    """Return the name of a run's folder: a digest of its spec without the store's place."""
    fields = spec.model_dump(mode="json")
    fields["run"].pop("store")
    return digest(fields)[:12]
