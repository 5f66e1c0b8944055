"""The frozen, strict description of a run: every field, its allowed values, its visible default."""

from w2sg.spec.fields import Named
from w2sg.spec.ignored import note_unused, refuse_ignored
from w2sg.spec.refusals import SpecError, SpecNote
from w2sg.spec.run import DataSpec, RunSpec, Spec, StudentSpec, TeacherSpec, load
from w2sg.spec.toml import parse_overrides, read_toml, to_toml

__all__ = [
    "DataSpec",
    "Named",
    "RunSpec",
    "Spec",
    "SpecError",
    "SpecNote",
    "StudentSpec",
    "TeacherSpec",
    "load",
    "note_unused",
    "parse_overrides",
    "read_toml",
    "refuse_ignored",
    "to_toml",
]
