"""What a training run depends on: one YAML file a run, whose every setting has a default, a reason and bounds.

`training/configs/edge.yaml` spells the defaults out. The checkpoint that ships was made in several runs, each of which
began with the weights of the one before (docs/training.md). Needs no torch, so that a mistake in a file is said at
once.
"""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from training.settings.model_config import MOVENET, ModelConfig, Section

WIDTH = 120


class TrainingConfigError(ValueError):
    """The configuration can't be used; the message names the file and the field."""


class DataConfig(Section):
    """Where the sequences come from: generated motion, a folder of annotated videos, or both in each batch."""

    folder: str | None = Field(
        None, min_length=1, description="Annotated videos in the Kinetics-TPS layout; null: generated motion alone."
    )
    folder_share: float = Field(
        0.5, gt=0, le=1, description="With a folder, its share of a batch's sequences; 1: nothing is generated."
    )
    held_out_share: float = Field(
        0.2,
        ge=0,
        le=0.9,
        description="Share of each class's videos that nothing is learned from: half of them choose the weights, half "
        "are reported on.",
    )
    vocabulary: Literal["auto", "profile", "folder"] = Field(
        "auto",
        description="Which actions and states are learned: the profile's, or those that the folder's labels have. "
        "auto: the profile's while anything is generated, else the folder's.",
    )
    visual_dropout: float = Field(
        0.3,
        ge=0,
        le=1,
        description="With model.visual, share of the folder's sequences whose RoI features are withheld, so that the "
        "network never depends on them.",
    )
    batch: int = Field(32, ge=2, le=4096, description="Sequences a step.")
    window: int = Field(64, ge=2, le=512, description="Steps of the longest sequence.")
    reuse: int = Field(
        3,
        ge=1,
        le=100,
        description="About how often a batch is used: making one costs more than learning from it.",
    )
    pool: int = Field(40, ge=1, le=1000, description="Generated batches kept for that, about 6 MB each.")
    normalisation_batches: int = Field(
        12,
        ge=1,
        le=1000,
        description="Batches that means, spreads and rarities come from, before the first step.",
    )


class OptimiserConfig(Section):
    """AdamW, or SGD with momentum; the learning rate with a linear warm-up and a cosine."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with `momentum`.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of `sgd`.")
    learning_rate: float = Field(0.003, gt=0, le=10, description="The greatest.")
    trunk_share: float = Field(
        0.1, ge=0, le=1, description="With model.vgg.tuned, the VGG's learning rate, as a share of the others'."
    )
    final_share: float = Field(0.02, ge=0, le=1, description="Share of it that the cosine ends at.")
    warm_up: int = Field(100, ge=0, description="Steps; at most a tenth of the run.")
    weight_decay: float = Field(0.02, ge=0, le=1)
    clip_norm: float | None = Field(1.0, gt=0, description="Greatest norm of all gradients together; null: no limit.")
    ema_decay: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Above 0, evaluated and saved are running means of the weights; early on they forget faster, as "
        "(1 + step) / (10 + step).",
    )


class StatesConfig(Section):
    """Loss of the part states: binary cross-entropy, masked to the states that a part has and to visible parts."""

    weight: float = Field(1.0, ge=0, le=1000)
    loss: Literal["weighted", "focal", "plain"] = Field(
        "weighted",
        description="weighted: positives count sqrt((1 - share) / share) times; focal: what is learned already counts "
        "little; plain: neither.",
    )
    positive_limits: tuple[float, float] = Field((0.7, 5.0), description="Least and greatest weight with `weighted`.")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="How fast an entry that is right stops to count.")
    focal_alpha: float = Field(
        0.25, gt=0, lt=1, description="Weight of positives with `focal`; the rest is for negatives."
    )

    @model_validator(mode="after")
    def _ordered(self) -> StatesConfig:
        least, greatest = self.positive_limits
        if not 0 < least <= greatest:
            raise ValueError("positive_limits must be two numbers above 0, the least first")
        return self


class RelevanceConfig(Section):
    """Loss of the parts' relevance: binary cross-entropy where the action is known."""

    weight: float = Field(0.5, ge=0, le=1000)


class ActionsConfig(Section):
    """Losses of the action: cross-entropy of single frames, and of the LSTM over the window."""

    frame_weight: float = Field(0.5, ge=0, le=1000, description="Each frame on its own, without the LSTM.")
    every_step_weight: float = Field(0.7, ge=0, le=1000, description="The LSTM at every step.")
    last_step_weight: float = Field(1.0, ge=0, le=1000, description="The LSTM at the last step of the window.")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    balance: Literal["none", "weights", "sampling"] = Field(
        "none",
        description="Against rare actions. weights: they count more; sampling: as many sequences end with each; none: "
        "as the generator draws them, people standing and walking four times as often as the rarest.",
    )
    greatest_weight: float = Field(5.0, ge=1, le=1000, description="Limit of `weights`, and 1 through it the least.")
    prevalence: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="How many times as often as training shows them actions occur where the model is used, such as "
        "{carry: 0.35}; scores are moved accordingly at the end of the run.",
    )


class EvaluationConfig(Section):
    """Held-out motions, cameras and people, or with a folder its held-out videos. What is reported chose nothing."""

    select: Literal["accuracy", "area"] = Field(
        "accuracy",
        description="What the best weights are best at. accuracy: mean of the actions' shares of right steps; area: of "
        "held-out videos, the benchmark's (docs/evaluation.md).",
    )
    sequences: int = Field(
        2200, ge=0, description="Generated ones, of the evaluation at the end; 0 leaves it out. Videos are all taken."
    )
    every: int = Field(
        0, ge=0, description="Steps between evaluations that find the best weights; 0: the last are kept."
    )
    selection_sequences: int = Field(440, ge=11, description="Of each of those, without a folder.")
    patience: int = Field(
        0, ge=0, description="Evaluations in a row without a better one that end the run; 0: none do."
    )
    calibration_sequences: int = Field(
        1100,
        ge=0,
        description="That the temperature of the action scores is fitted on, at the end; 0: it stays 1. With a folder "
        "it is fitted on videos.",
    )

    @model_validator(mode="after")
    def _possible(self) -> EvaluationConfig:
        if self.patience and not self.every:
            raise ValueError("patience needs evaluations: set every to a number of steps")
        return self


class LogConfig(Section):
    """What is written beside the checkpoint. Changes no number, so a resumed run may have another."""

    every: int = Field(1, ge=1, description="Steps between rows of NAME.log.csv.")
    tensorboard: bool = Field(False, description="Also into NAME.tensorboard/; needs the package tensorboard.")
    save_seconds: float = Field(60.0, gt=0, description="Between two writings of NAME.resume.pt.")


class TrainingConfig(Section):
    """One run."""

    profile: str = Field("edge", description="Which profile's vocabulary and model.")
    seed: int = Field(0, ge=0, lt=2**31, description="Everything random follows from it.")
    steps: int = Field(3000, ge=1, description="Steps of the optimiser.")
    device: str = Field("cpu", description="cpu, cuda, cuda:N, or auto: CUDA where there is one.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="Of what is safe to compute with fewer bits. bfloat16 is nearly twice as fast on CUDA and on "
        "processors that know it (avx512_bf16, amx_bf16), and half as fast on others; float16, with scaled losses, is "
        "for CUDA.",
    )
    start: str | None = Field(
        None,
        description="A checkpoint whose weights the run begins with: a file, or the name of one that ships, such as "
        "edge. Outputs are taken over by their names.",
    )
    data: DataConfig = DataConfig.model_validate({})
    model: ModelConfig = ModelConfig.model_validate({})
    optimiser: OptimiserConfig = OptimiserConfig.model_validate({})
    states: StatesConfig = StatesConfig.model_validate({})
    relevance: RelevanceConfig = RelevanceConfig.model_validate({})
    actions: ActionsConfig = ActionsConfig.model_validate({})
    evaluation: EvaluationConfig = EvaluationConfig.model_validate({})
    log: LogConfig = LogConfig.model_validate({})

    @model_validator(mode="after")
    def _trains_something(self) -> TrainingConfig:
        actions = (self.actions.frame_weight, self.actions.every_step_weight, self.actions.last_step_weight)
        if not any((self.states.weight, self.relevance.weight, *actions)):
            raise ValueError("every weight of the loss is 0: there is nothing to learn")
        return self

    @model_validator(mode="after")
    def _folder_is_there(self) -> TrainingConfig:
        if self.data.folder is None:
            wanted = {
                "model.visual": self.model.visual != "none",
                "model.detector": self.model.detector != MOVENET,
                "evaluation.select: area": self.evaluation.select == "area",
                "data.vocabulary: folder": self.data.vocabulary == "folder",
            }
            for name in (name for name, asked in wanted.items() if asked):
                raise ValueError(f"{name} needs annotated videos: set data.folder")
        elif self.data.vocabulary == "folder" and self.data.folder_share < 1:
            raise ValueError("data.vocabulary: generated sequences have the profile's: set data.folder_share to 1")
        elif self.model.detector != MOVENET and self.data.folder_share < 1:
            raise ValueError("model.detector: generated sequences are of keypoints: set data.folder_share to 1")
        return self


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a YAML file, or the configuration that a checkpoint (`*.safetensors`) was trained with; without a path the
    defaults. `overrides` (nested, as in the file) are laid over it.

    Raises `TrainingConfigError` with every fault named by file and field.
    """
    content = {} if path is None else _from_checkpoint(path) if path.suffix == ".safetensors" else _from_yaml(path)
    try:
        return TrainingConfig.model_validate(_laid_over(content, overrides or {}))
    except ValidationError as error:
        faults = "; ".join(_fault(fault) for fault in error.errors(include_url=False))
        raise TrainingConfigError(f"{path or 'training configuration'}: {faults}") from None


def commented(config: TrainingConfig | None = None) -> str:
    """The configuration as YAML that `load` reads, with what each setting means; by default the defaults."""
    lines = [
        "# A training run: `run_stream.py train --config FILE`. A file may leave out whatever it doesn't change.",
        "# `run_stream.py train config` prints all settings with their defaults.",
        "",
    ]
    return "\n".join([*lines, *_settings(config or load(), "")]) + "\n"


def _settings(section: Section, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield ""
            yield from _comment(type(value).__doc__ or "", indent)
            yield f"{indent}{name}:"
            yield from _settings(value, indent + "  ")
            continue
        yield from _comment(field.description or "", indent)
        yield f"{indent}{name}: {json.dumps(value) if not isinstance(value, str) else value}"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingConfigError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TrainingConfigError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise TrainingConfigError(f"{path}{f', line {mark.line + 1}' if mark else ''}: not valid YAML") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TrainingConfigError(f"{path}: must be a mapping of settings; `run_stream.py train config` prints them")
    return content


def _from_checkpoint(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            metrics: Any = json.loads((file.metadata() or {}).get("metrics", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise TrainingConfigError(f"{path}: can't be read as a checkpoint: {error}") from None
    config = metrics.get("config") if isinstance(metrics, dict) else None
    if not isinstance(config, dict) or "data" not in config:
        raise TrainingConfigError(f"{path}: holds no configuration of a training run that this version knows")
    return config


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            merged[key] = _laid_over(current, value)
        else:
            merged[key] = value
    return merged


def _fault(fault: ErrorDetails) -> str:
    place = [str(step) for step in fault["loc"]]
    name = ".".join(place)
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such setting{_suggestion(place)}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name or 'the file'}: {message} (got {fault['input']!r:.60})"


def _suggestion(place: list[str]) -> str:
    section: Any = TrainingConfig
    for step in place[:-1]:
        section = section.model_fields[step].annotation
    near = difflib.get_close_matches(place[-1], list(section.model_fields), 1)
    return f"; did you mean {near[0]}?" if near else ""
