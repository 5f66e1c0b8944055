"""What Python users call: `run` a spec, and what comes back."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg._arguments import as_flag, as_names, as_number, as_path, as_whole, check_callable
from w2sg._extras import require
from w2sg._paths import expanded, input_files, refuse_overwriting
from w2sg.data.parts import label_warnings
from w2sg.diagnostics.ledger import Ledger, MeanTeacher
from w2sg.gain import Estimate
from w2sg.runs.execute import Outcome, Watch, execute
from w2sg.runs.identity import run_id
from w2sg.runs.requested import as_spec, with_stored_model
from w2sg.runs.store import STARTED, explained, write_atomically, write_json
from w2sg.spec import Spec, load, to_toml

if TYPE_CHECKING:
    import pandas as pd

    from w2sg.diagnostics.controls import Explanation
    from w2sg.runs.preflight import Preflight


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        outcome: The run as it lies in its store.
        folder: Where its spec, summary and report are.
    """

    outcome: Outcome
    folder: Path

    @property
    def spec(self) -> Spec:
        """What was run, every default filled in."""
        return self.outcome.spec

    @property
    def gain(self) -> Estimate:
        """Student − teacher in accuracy, with its interval."""
        return Estimate(**self.facts["gain"])

    @property
    def pgr(self) -> Estimate:
        """Performance gap recovered, or the reason why it is withheld."""
        return Estimate(**self.facts["pgr"])

    @property
    def ledger(self) -> Ledger:
        """Gain = misfit + residual, in the log loss or the Brier score, with what it means."""
        stored = dict(self.facts["ledger"])
        if (mean := stored.pop("mean_teacher")) is not None:
            mean = MeanTeacher(**{name: Estimate(**value) for name, value in mean.items()})
        for name, value in stored.items():
            if isinstance(value, dict):
                stored[name] = Estimate(**value)
            elif isinstance(value, list):
                stored[name] = tuple(value)
        return Ledger(**stored, mean_teacher=mean)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the evaluation found, as JSON."""
        return self.outcome.of_role("evaluation").facts

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of labels and given answers, in sentences, as the terminal said."""
        seed = self.spec.run.seeds[0]
        report = self.outcome.artifact(self.outcome.data[seed]).facts["report"]
        teacher = self.outcome.of_role(f"teacher/{seed}").facts
        return (*label_warnings(report, seed), *teacher.get("notes", ()))

    def table(self) -> "pd.DataFrame":
        """Return one row per arm: accuracy with its interval, other metrics, gain over teacher."""
        import pandas as pd

        rows = []
        for arm in self.facts["arms"]:
            found = self.facts["metrics"][arm]
            accuracy = found["accuracy"]
            gained = self.facts["against_teacher"].get(arm, {})
            rows.append(
                {
                    "arm": arm,
                    "accuracy": accuracy["estimate"],
                    "low": accuracy["low"],
                    "high": accuracy["high"],
                    **{k: found[k] for k in ("auroc", "nll", "brier", "calibration_error")},
                    "gain": gained.get("estimate"),
                    "gain_low": gained.get("low"),
                    "gain_high": gained.get("high"),
                }
            )
        return pd.DataFrame(rows).set_index("arm")

    def scores(self) -> "pd.DataFrame":
        """Return one row per seed, arm and test item: prediction, correctness, losses."""
        import pandas as pd

        return pd.read_parquet(self.outcome.of_role("evaluation").folder / "scores.parquet")

    @property
    def forecast(self) -> dict[str, Any] | None:
        """What `preflight` forecast of this run, ``None`` if it was not asked."""
        file = self.folder / "forecast.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    @property
    def explanation(self) -> "Explanation | None":
        """The controls that `explain` last compared, ``None`` if it was not asked."""
        file = self.folder / "explanation.json"
        if not file.is_file():
            return None
        from w2sg.diagnostics.controls import Explanation

        return Explanation.of_json(json.loads(file.read_text(encoding="utf-8")))

    def report(self, path: str | Path) -> Path:
        """Write the page and return its path."""
        from w2sg.report import render

        target = self._writable(as_path("path", path), "the page", ".html")
        write_atomically(target, render(self.outcome, self.forecast, self.explanation))
        return target

    def _writable(self, path: str | Path, what: str, ending: str = "") -> Path:
        """Where to write, refused where it is a folder or a file that this result stands on."""
        target = expanded(path, what)
        if ending and target.is_dir():
            raise ValueError(f"{what} {str(path)!r} is a folder; give the name of a file in it")
        refuse_overwriting(target, input_files(self.spec.model_dump()), what)
        inside = (
            target.resolve().relative_to(self.outcome.store.root.resolve()).parts[0]
            if (
                target.resolve().is_relative_to(self.outcome.store.root.resolve())
                and target.resolve() != self.outcome.store.root.resolve()
            )
            else ""
        )
        if inside in ("stages", "partial", "work", "tmp", "locks"):
            raise ValueError(
                f"{what} {str(path)!r} lies among the stages of the store; choose another place"
            )
        return target

    def explain(self, *, untrained: bool = True, watch: Watch | None = None) -> "Explanation":
        """Return why it gained: matched controls on frozen features, each with its interval.

        Computed once and kept in the store; nothing is fine-tuned. Written beside the result too,
        as ``explanation.json``, so that a report made from now on shows it.

        Args:
            untrained: Whether to make the features of an untrained network of the student's
                shape; without them that control is withheld.
            watch: Called with every event.
        """
        from w2sg.runs.explain import explain

        as_flag("untrained", untrained)
        require("train", "an explanation")
        check_callable("watch", watch)
        found = explain(self.outcome, untrained=untrained, watch=watch)
        _write_beside(self.folder / "explanation.json", asdict(found))
        return found

    def best_arm(self) -> str:
        """Return the arm that labels new rows: the most accurate one that is a trained student."""
        order = [arm for arm in self.facts["best"]["order"] if arm != "teacher"]
        return order[0]

    def save(self, folder: str | Path, *, arm: str | None = None, seed: int | None = None) -> Path:
        """Write a student as a Hugging Face model with a card, loadable anywhere.

        Args:
            folder: Where to; created.
            arm: Which student; the best by default.
            seed: Of which seed; the first by default.

        Raises:
            ValueError: There is no such arm or seed in this run.
        """
        from w2sg.report import model_card

        target = self._writable(as_path("folder", folder), "the folder of the model")
        if target.exists() and not target.is_dir():
            raise ValueError(f"the folder of the model {str(folder)!r} is a file; give a folder")
        if target.is_dir() and any(target.iterdir()) and not (target / "config.json").is_file():
            raise ValueError(
                f"the folder of the model {str(folder)!r} holds other files and no model; give a "
                "new folder"
            )
        classifier = self.classifier(arm=arm, seed=seed)
        target.mkdir(parents=True, exist_ok=True)
        tokenizer = classifier.tokenizer  # cuts where the student was trained to be cut
        tokenizer.model_max_length = min(tokenizer.model_max_length, self.spec.student.max_length)
        classifier.model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        write_atomically(target / "README.md", model_card(self.outcome))
        return target

    def classifier(self, *, arm: str | None = None, seed: int | None = None) -> Any:
        """Return a trained student with its tokenizer, ready to be asked."""
        from w2sg.models.sources import fingerprint
        from w2sg.runs.payloads import read_weights
        from w2sg.runs.resolve import settings_of
        from w2sg.stages import strong_student

        require("train", "a trained student")
        arm = self.best_arm() if arm is None else arm
        seed = self.spec.run.seeds[0] if seed is None else seed
        role = f"{arm}/{seed}"
        trained = [arm for arm in self.facts["arms"] if arm != "teacher"]
        if arm not in trained or isinstance(seed, bool) or seed not in self.spec.run.seeds:
            raise ValueError(
                f"there is no {arm!r} of seed {seed}; arms: {', '.join(trained)}; seeds: "
                f"{list(self.spec.run.seeds)}"
            )
        artifact = self.outcome.of_role(role)
        trained_with = artifact.manifest.body["spec"]
        settings = settings_of(self.spec, trained_with["precision"])
        if fingerprint(settings.model) != trained_with["model"]:
            raise ValueError(
                f"model {settings.model!r} has changed since {role} was trained on it; put the old "
                "files back, or run the spec again"
            )
        return strong_student.load(
            settings,
            tuple(self.facts["label_names"]),
            read_weights(artifact),
            seed=seed,
        )


def run(
    spec: str | Path | Mapping[str, Any] | Spec,
    overrides: Mapping[str, Any] | None = None,
    *,
    watch: Watch | None = None,
    loggers: tuple[str, ...] = (),
    processes_per_training: int = 1,
    checkpoint_seconds: float = 300.0,
) -> Result:
    """Run a spec: what is stored is loaded, the rest is computed, the report is written.

    Args:
        spec: Path of a TOML file, a mapping of the same tables, or a validated spec.
        overrides: Dotted fields, such as ``{"student.epochs": 1}``.
        watch: Called with every event, for progress.
        loggers: Names of loggers that trainings report to: tensorboard, wandb, mlflow, trackio.
        processes_per_training: How many share a training, one GPU each where there are any.
        checkpoint_seconds: Time between two checkpoints of a training.

    Returns:
        The result; its folder holds ``spec.toml``, ``result.json`` and ``report.html``.

    Raises:
        SpecError: The spec is wrong.
        ValueError: The data cannot be used.
        MissingExtra: What trains is not installed.
        RunFailed: A stage failed; the others are kept.
    """
    check_callable("watch", watch)
    checked = as_spec(spec, overrides)
    require("train", "a run")
    outcome = execute(
        with_stored_model(checked),
        watch=watch,
        loggers=as_names("loggers", loggers),
        processes_per_training=as_whole("processes_per_training", processes_per_training, low=1),
        checkpoint_seconds=as_number("checkpoint_seconds", checkpoint_seconds, zero=True),
    )
    with explained(outcome.store.root):
        result = keep(outcome)
        result.report(result.folder / "report.html")
    return result


def keep(outcome: Outcome) -> Result:
    """Write beside the results what was run and which stages it consists of."""
    folder = outcome.store.root / "runs" / run_id(outcome.spec)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "spec.toml", to_toml(outcome.spec))
    _write_beside(folder / "result.json", _record(outcome))
    (folder / STARTED).unlink(missing_ok=True)
    return Result(outcome, folder)


def preflight(
    spec: str | Path | Mapping[str, Any] | Spec,
    overrides: Mapping[str, Any] | None = None,
    *,
    watch: Watch | None = None,
) -> "Preflight":
    """Forecast a run before training anything: will it help, how sure is that, what to do instead.

    Writes ``forecast.json`` and ``preflight.html`` into the folder that the run itself will use.

    Args:
        spec: As for `run`.
        overrides: As for `run`.
        watch: Called with every event.

    Returns:
        The forecast; ``.verdict`` is *train: …*, *do not train: …* or *cannot tell: …*, ``.facts``
        all of it as JSON.

    Raises:
        SpecError: The spec is wrong.
        ValueError: The data cannot be used, or are too thin for a forecast.
        RunFailed: Features could not be made.
    """
    from w2sg.report.forecast_page import render_forecast
    from w2sg.runs.preflight import preflight as forecast_run

    check_callable("watch", watch)
    checked = as_spec(spec, overrides)
    require("train", "a forecast")
    checked = with_stored_model(checked)
    found = forecast_run(checked, watch=watch)
    folder = preflight_folder(checked)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"started": found.manifest.started, "key": found.manifest.key, **found.facts}
    _write_beside(folder / "forecast.json", record)
    write_atomically(folder / "preflight.html", render_forecast(found))
    return found


def preflight_folder(spec: Spec) -> Path:
    """Return where the forecast of a run is written: the folder of the run."""
    return expanded(spec.run.store) / "runs" / run_id(spec)


def open_result(folder: str | Path) -> Result:
    """Return a stored result: every stage is read, nothing is computed.

    Args:
        folder: The folder of a result, or its ``spec.toml``.

    Raises:
        ValueError: There is no finished run there, or parts of it are gone.
    """
    from w2sg.runs.reopen import reopen

    folder = expanded(as_path("folder", folder), "the result")
    folder = folder.parent if folder.is_file() else folder
    if not (folder / "result.json").is_file():
        raise ValueError(
            f"{str(folder)!r} holds no finished run; a result folder is what `w2sg run` prints"
        )
    return Result(reopen(load(folder / "spec.toml", stored=True), folder), folder)


def _write_beside(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that is whole or not there."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_json(Path(folder) / path.name, content)
        shutil.move(Path(folder) / path.name, path)


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "version": 1,
        "roles": dict(outcome.plan.roles),
        "data": {str(seed): key for seed, key in outcome.data.items()},
        "stages": [[key, call.label] for key, call in outcome.plan.calls.items()],
        "computed": list(outcome.computed),
        "n_naive": outcome.plan.n_naive,
    }
