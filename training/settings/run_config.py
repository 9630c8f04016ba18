"""The configuration of a training run: one YAML file per run; every setting has a default and limits.

`training/configs/edge.yaml` has all defaults; docs/training.md explains the main settings and the recipes. The module
does not import torch, so that errors in a file are reported at once.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from stages import settings
from stages.packaged_checkpoints import EDGE_OPEN
from stages.settings_file import SettingsFileError, error_text, merged, read_settings

MOVENET = "movenet"
"""The keypoint detector's name in a configuration."""


class Section(settings.Section):
    """A section of a training configuration: numbers must also be finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class VggRegionsConfig(Section):
    """The VGG-16 that reads regions with `regions: vgg`."""

    weights: str | None = Field(
        "vgg16",
        min_length=1,
        description="vgg16 (`partstream weights fetch vgg16`), or a file: torchvision's VGG-16, a Faster "
        "R-CNN with one, or the output of `stages.region_features.vgg_weights`. null: random weights from the seed.",
    )
    channels: int = Field(
        64, ge=1, le=64, description="With random weights, channels of the first layers; the last have 8 times as many."
    )
    hidden: int = Field(4096, ge=1, le=4096, description="Outputs of fc6 and fc7: the length of a region's feature.")
    short_side: int = Field(
        256,
        ge=32,
        le=1024,
        multiple_of=16,
        description="Pictures are scaled to this length of the shorter side, in pixels.",
    )


class ModelConfig(Section):
    """Sizes of the network and its active stages."""

    relevance_hidden: int = Field(32, ge=1, le=4096)
    state_hidden: int = Field(80, ge=1, le=4096)
    prior_hidden: int = Field(32, ge=1, le=4096)
    graph_hidden: int = Field(64, ge=1, le=4096)
    person_hidden: int = Field(
        0,
        ge=0,
        le=4096,
        description="Size of the person embedding, which joins the part graph's result. 0: none.",
    )
    action_width: int = Field(96, ge=1, le=4096)
    action_hidden: int = Field(128, ge=1, le=4096)
    action_layers: int = Field(1, ge=1, le=8)
    dropout: float = Field(0.4, ge=0, lt=1, description="Dropout of the part states' hidden layer.")
    action_kernel: int = Field(
        1,
        ge=1,
        le=16,
        description="Steps that the temporal convolution before the action LSTM reads, including the current one. 1: "
        "no convolution. Its weights start at zero, so a run from a checkpoint without it begins with its answers.",
    )
    action_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Dropout of the action LSTM's inputs, the same in all steps of a sequence.",
    )
    part_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Probability that a part is absent for some consecutive steps of a training sequence, as if the "
        "detector had missed it.",
    )
    posture_actions: tuple[str, ...] = Field(
        (),
        description="Actions that are postures, such as stand, sit and lie. With them, posture, movement and gesture "
        "are separate heads, from which the scores of the actions are composed. Empty: one softmax over all actions.",
    )
    movement_actions: tuple[str, ...] = Field(
        (),
        description="With posture_actions, actions that move the whole body, such as walk and fall. All others are "
        "gestures. A gesture takes precedence over movement and posture, and a movement over posture.",
    )
    detector: str = Field(
        MOVENET,
        min_length=1,
        description="Detector for the folder's videos and later for cameras: movenet, which finds "
        "keypoints; the file of a detector of people, parts and objects (`partstream train detector`); or "
        "cascade-rcnn (COCO) or the file of another mmdet detector without parts, in which case the parts come from "
        "MoveNet's keypoints. The checkpoint carries any detector except MoveNet.",
    )
    visual: Literal["none", "objects", "all"] = Field(
        "none",
        description="Regions read besides the keypoints. objects: around each hand, and the whole picture; "
        "all: also each part.",
    )
    regions: Literal["detector", "vgg"] = Field(
        "detector",
        description="How regions are read. detector: from the detector's feature maps; vgg: with a VGG-16 "
        "on the picture, where a part's object is the whole picture if no other is known.",
    )
    visual_hidden: int = Field(
        32,
        ge=0,
        le=4096,
        description="Length of a region's embedding; 0: its features enter relevance and states directly.",
    )
    visual_strides: tuple[Literal[4, 8, 16, 32], ...] = Field(
        (8, 16), min_length=1, description="Feature maps that regions are pooled from, by stride in pixels."
    )
    visual_bins: int = Field(2, ge=1, le=14, description="Bins per side that a region is pooled into.")
    geometry: bool = Field(
        True,
        description="Whether the geometry of the keypoints is read. This switch and those below are for ablations.",
    )
    relevance_gates: bool = Field(True, description="Whether a part's relevance scales its feature.")
    language: bool = Field(True, description="Whether language priors are part of a part's representation.")
    language_model: str = Field(
        "minilm",
        min_length=1,
        description="Model that computes the language priors, once per vocabulary: minilm, "
        "bert-base-uncased, another name on Hugging Face's hub, or a folder.",
    )
    graph: Literal["sequential", "mean"] = Field(
        "sequential",
        description="How parts are combined into a person: sequential, by an LSTM in a fixed order; or mean.",
    )
    temporal: bool = Field(
        True,
        description="Whether the action is recognised over time. false: from each frame alone; the three "
        "action losses then apply to the same scores.",
    )
    vgg: VggRegionsConfig = VggRegionsConfig.model_validate({})

    @model_validator(mode="after")
    def _parts_have_features(self) -> ModelConfig:
        if not self.geometry and self.visual != "all":
            raise ValueError("without geometry, visual must be all, because parts would have no features")
        if not self.geometry and self.person_hidden:
            raise ValueError("person_hidden: without geometry, there is nothing to embed: set person_hidden to 0")
        if self.regions == "vgg" and self.visual == "none":
            raise ValueError("regions: vgg reads pictures: set visual to all or objects")
        if self.detector != MOVENET and (self.geometry or self.regions != "vgg"):
            raise ValueError("detector: only movenet finds keypoints: set geometry to false and regions to vgg")
        return self

    @model_validator(mode="after")
    def _has_time_to_convolve(self) -> ModelConfig:
        if self.action_kernel > 1 and not self.temporal:
            raise ValueError("action_kernel: without temporal, steps are independent: set action_kernel to 1")
        return self

    @model_validator(mode="after")
    def _movements_have_postures(self) -> ModelConfig:
        if self.movement_actions and not self.posture_actions:
            raise ValueError("movement_actions: name the posture_actions too")
        if both := sorted(set(self.posture_actions) & set(self.movement_actions)):
            raise ValueError(f"posture_actions, movement_actions: {', '.join(both)} can't be in both")
        return self


Terms = Literal["open", "none-stated", "research", "nc"]
"""open: any use, with conditions; nc: non-commercial use; research: published for research; none-stated: none found."""


class RecordedConfig(Section):
    """Motion of real people: captures, 2-D sequences and labelled videos of a data folder (docs/data-folder.md)."""

    folder: str | None = Field(None, min_length=1, description="The data folder; null: no recorded motion.")
    terms: tuple[Terms, ...] = Field(
        ("open", "none-stated", "research", "nc"),
        min_length=1,
        description="Use sources with these terms; the terms of the weights depend on them.",
    )
    also: tuple[str, ...] = Field(
        (),
        description="Sources to use regardless of their terms. Those without stated terms then count as permitting any "
        "use of the weights.",
    )
    without: tuple[str, ...] = Field((), description="Sources not to use.")
    captures: float = Field(
        0.3, ge=0, le=1, description="Share of a batch from 3-D motion, projected through random cameras."
    )
    poses: float = Field(0.25, ge=0, le=1, description="Share of a batch from 2-D keypoints.")
    tracks: float = Field(0.15, ge=0, le=1, description="Share of a batch from people tracked in labelled videos.")

    actions: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="How often sequences end with an action, relative to the other actions, such as {walk: 3}. "
        "Without it, all actions of a source are equally likely.",
    )

    @property
    def shares(self) -> dict[str, float]:
        """The shares by the name of the source; all 0 without a folder."""
        given = {"captures": self.captures, "poses": self.poses, "tracks": self.tracks}
        return given if self.folder is not None else dict.fromkeys(given, 0.0)

    @model_validator(mode="after")
    def _at_most_a_batch(self) -> RecordedConfig:
        if self.captures + self.poses + self.tracks > 1 + 1e-9:
            raise ValueError("captures, poses and tracks are shares of a batch: together at most 1")
        return self


class ClipsConfig(Section):
    """Clips of people from which the checkpoint `start` learns further."""

    name: ClassVar[str] = ""
    """The name of this section, and of the clips' source in batches and in a checkpoint's metrics."""

    folder: str | None = Field(None, min_length=1)
    share: float = Field(0.25, gt=0, le=0.9, description="Share of a batch from the clips.")
    hold_out: bool = Field(True)
    keep_weight: float = Field(
        12.0,
        ge=0,
        le=1000,
        description="Weight of the distance to the answers of `start`, which replace the labels of generated and "
        "recorded motion. 0: the labels are used.",
    )
    odds: float = Field(
        2.0,
        gt=0,
        le=100,
        description="Factor applied to the odds of a new action at the end of the run. A network that saw a few people "
        "is too uncertain about others; the default gave the best balance on held-out people. Smaller values give "
        "fewer false answers and fewer correct ones.",
    )


DEFAULTS: dict[str, Any] = {
    "steps": 300,
    "data": {"normalisation_batches": 1},
    "optimiser": {"learning_rate": 0.001, "warm_up": 20, "ema_decay": 0.98},
    "actions": {"balance": "sampling"},
    "evaluation": {"sequences": 480, "calibration_sequences": 0},
}
"""Settings of a run with clips, where neither a file nor an option gives others: a short run with small steps that
keeps the temperature of `start`."""
MINUTES = 10.0
"""Longest run with clips without `--minutes`, including the analysis of the clips."""


class ExamplesConfig(ClipsConfig):
    """A few clips of each new action, added to the actions of the checkpoint `start` (docs/train-your-own.md)."""

    name: ClassVar[str] = "examples"

    folder: str | None = Field(
        None, min_length=1, description="Folder with a folder of clips for each action; null: no examples."
    )
    hold_out: bool = Field(
        True,
        description="Hold out one in five clips of each action with at least five, to measure how often the action is "
        "recognised. false: train on all clips and measure nothing.",
    )


class VerdictsConfig(ClipsConfig):
    """Verdicts of the review page on clips, from which the checkpoint `start` learns (docs/train-your-own.md)."""

    name: ClassVar[str] = "verdicts"

    folder: str | None = Field(
        None, min_length=1, description="Folder of verdicts, as the review page fills it; null: no verdicts."
    )
    hold_out: bool = Field(
        True,
        description="Hold out about one in five clips, by camera and time, to measure on. false: learn from all clips "
        "and measure nothing.",
    )
    wrong_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Weight of the loss of an action that was said wrongly: -log(1 - its probability).",
    )


WIDTH = 120
MOST_STEPS, MOST_SEQUENCES = 1_000_000_000, 10_000_000
_CLIPS: tuple[type[ClipsConfig], ...] = (ExamplesConfig, VerdictsConfig)
_PositiveWeight = Annotated[float, Field(gt=0, le=1000)]


class TrainingConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the field."""


class DataConfig(Section):
    """Source of the sequences: generated and recorded motion, examples, verdicts, and a folder of annotated videos."""

    recorded: RecordedConfig = RecordedConfig.model_validate({})

    examples: ExamplesConfig = ExamplesConfig.model_validate({})

    verdicts: VerdictsConfig = VerdictsConfig.model_validate({})

    folder: str | None = Field(
        None, min_length=1, description="Annotated videos in the Kinetics-TPS layout; null: generated motion only."
    )
    folder_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="With a folder, its share of the sequences without recorded motion; 1: nothing is generated.",
    )
    held_out_share: float = Field(
        0.2,
        ge=0,
        le=0.9,
        description="Share of each class's videos that is held out: half of them select the weights, half "
        "give the reported figures.",
    )
    vocabulary: Literal["auto", "profile", "folder"] = Field(
        "auto",
        description="Source of the actions and states: the profile, or the folder's labels. auto: the "
        "profile's as long as anything is generated, else the folder's.",
    )
    without_actions: tuple[str, ...] = Field(
        (),
        description="Actions of the profile that are not learned: the checkpoint lacks them, and frames that show them "
        "are unknown.",
    )
    visual_dropout: float = Field(
        0.3,
        ge=0,
        le=1,
        description="With model.visual, share of the folder's sequences that are learned without RoI "
        "features, so that the network does not depend on them.",
    )
    batch: int = Field(32, ge=2, le=4096, description="Sequences per step.")
    window: int = Field(64, ge=2, le=512, description="Steps of the longest sequence.")
    reuse: int = Field(
        3,
        ge=1,
        le=100,
        description="How often a batch is used on average, because generating one costs more than learning from it.",
    )
    pool: int = Field(40, ge=1, le=1000, description="Generated batches kept for reuse, about 6 MB each.")
    normalisation_batches: int = Field(
        12,
        ge=1,
        le=1000,
        description="Batches from which means, standard deviations and rarities are computed before the first step.",
    )

    @property
    def clips(self) -> ClipsConfig | None:
        """The section of the clips from which the checkpoint `start` learns further; None without any."""
        return next((one for one in (self.examples, self.verdicts) if one.folder is not None), None)

    @property
    def only_folder(self) -> bool:
        """Whether all sequences come from the folder of annotated videos."""
        return self.folder is not None and self.folder_share == 1 and self.recorded.folder is None


class OptimiserConfig(Section):
    """AdamW, or SGD with momentum; the learning rate has a linear warm-up and a cosine decay."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="adamw, or sgd with `momentum`.")
    momentum: float = Field(0.9, ge=0, lt=1, description="For `sgd` only.")
    learning_rate: float = Field(0.003, gt=0, le=10, description="Peak learning rate.")
    final_share: float = Field(0.02, ge=0, le=1, description="Share of `learning_rate` at which the cosine ends.")
    warm_up: int = Field(100, ge=0, le=MOST_STEPS, description="Steps of linear warm-up; at most a tenth of the run.")
    weight_decay: float = Field(0.02, ge=0, le=1)
    clip_norm: float | None = Field(
        1.0, gt=0, le=1e9, description="Maximum norm of all gradients together; null: no limit."
    )
    ema_decay: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Above 0, running means of the weights are evaluated and saved. Early in the run the "
        "decay is at most (1 + step) / (10 + step).",
    )


class StatesConfig(Section):
    """Loss of the part states: binary cross-entropy, masked to the part's own states and to visible parts."""

    weight: float = Field(1.0, ge=0, le=1000)
    loss: Literal["weighted", "focal", "plain"] = Field(
        "weighted",
        description="weighted: positives are weighted by sqrt((1 - share) / share); focal: examples that "
        "are already learned count little; plain: neither.",
    )
    positive_limits: tuple[_PositiveWeight, _PositiveWeight] = Field(
        (0.7, 5.0), description="Smallest and largest weight with `weighted`."
    )
    focal_gamma: float = Field(
        2.0, ge=0, le=10, description="How quickly the weight of a correct entry falls with `focal`."
    )
    focal_alpha: float = Field(
        0.25, gt=0, lt=1, description="Weight of positives with `focal`; negatives have the rest."
    )

    @model_validator(mode="after")
    def _ordered(self) -> StatesConfig:
        least, greatest = self.positive_limits
        if least > greatest:
            raise ValueError("positive_limits must be two numbers, the smaller first")
        return self


class RelevanceConfig(Section):
    """Loss of the parts' relevance: binary cross-entropy where the action is known."""

    weight: float = Field(0.5, ge=0, le=1000)


class ActionsConfig(Section):
    """Losses of the action: cross-entropy of single frames, and of the LSTM over the window."""

    frame_weight: float = Field(0.5, ge=0, le=1000, description="Each frame alone, without the LSTM.")
    every_step_weight: float = Field(0.7, ge=0, le=1000, description="The LSTM at every step.")
    last_step_weight: float = Field(1.0, ge=0, le=1000, description="The LSTM at the last step of the window.")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    balance: Literal["none", "sampling"] = Field(
        "none",
        description="Treatment of rare actions. sampling: equally many sequences "
        "end with each action; none: as the generator draws them, with people who stand or walk nine times as "
        "frequent as the rarest action.",
    )
    prevalence: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="How often an action occurs in use, relative to training, such as {carry: 0.35}. The "
        "scores are shifted accordingly at the end of the run.",
    )
    onset: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        {},
        description="Smoothed score that an action must reach before events report it, such as {fall: 0.6}: fewer "
        "false events, and later ones.",
    )


class EvaluationConfig(Section):
    """Evaluation on held-out motions, cameras and people, or on a folder's held-out videos. The reported figures
    use none of the data that selected the weights.
    """

    select: Literal["accuracy", "area"] = Field(
        "accuracy",
        description="Figure that selects the best weights. accuracy: share of correct steps, averaged over "
        "actions; area: the benchmark's area on held-out videos (docs/evaluation.md).",
    )
    sequences: int = Field(
        2200,
        ge=0,
        le=MOST_SEQUENCES,
        description="Generated sequences for the evaluation at the end; 0: no evaluation on generated "
        "sequences. Held-out videos are always all used.",
    )
    every: int = Field(
        0,
        ge=0,
        le=MOST_STEPS,
        description="Steps between the evaluations that select the best weights; 0: the last weights are kept.",
    )
    selection_sequences: int = Field(
        440,
        ge=11,
        le=MOST_SEQUENCES,
        description="Generated sequences for each of these evaluations, without a folder.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=MOST_STEPS,
        description="Evaluations in a row without an improvement after which the run ends; 0: it does not end early.",
    )
    calibration_sequences: int = Field(
        1100,
        ge=0,
        le=MOST_SEQUENCES,
        description="Generated sequences to fit the temperature of the action scores on, at the end; 0: the "
        "temperature stays 1. With a folder, it is fitted on videos.",
    )

    @model_validator(mode="after")
    def _possible(self) -> EvaluationConfig:
        if self.patience and not self.every:
            raise ValueError("patience needs evaluations: set every to a number of steps")
        return self


class LogConfig(Section):
    """Files written beside the checkpoint. These settings do not affect the result, so a resumed run may change
    them.
    """

    every: int = Field(1, ge=1, le=MOST_STEPS, description="Steps between rows of NAME.log.csv.")
    tensorboard: bool = Field(False, description="Also write NAME.tensorboard/; needs the package tensorboard.")
    save_seconds: float = Field(60.0, gt=0, le=86_400, description="Seconds between two writes of NAME.resume.pt.")


class TrainingConfig(Section):
    """One run."""

    profile: str = Field("edge", description="Profile that provides the vocabulary and the model.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of all random numbers.")
    steps: int = Field(3000, ge=1, le=MOST_STEPS, description="Steps of the optimiser.")
    device: str = Field("cpu", description="cpu, cuda, cuda:N, or auto: CUDA if there is a device.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="Precision of the operations that are safe with fewer bits. bfloat16 is nearly twice as "
        "fast on processors that support it (avx512_bf16, amx_bf16), and half as fast on others; float32 is used on "
        "those that can't. float16, with scaled losses, is for CUDA.",
    )
    start: str | None = Field(
        None,
        description="Checkpoint with the initial weights: a file, or the name of a packaged one, such as "
        "edge. Outputs are copied by name.",
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
    def _clips_have_a_start(self) -> TrainingConfig:
        clips = self.data.clips
        if clips is None:
            return self
        if self.start is None:
            raise ValueError(
                f"data.{clips.name} is learned by a trained checkpoint: set start (--from), such as --from edge"
            )
        if self.data.folder is not None:
            raise ValueError(f"data.{clips.name} and data.folder are two ways to train: set one of them to null")
        if self.data.examples.folder is not None and self.data.verdicts.folder is not None:
            raise ValueError("data.examples and data.verdicts are two ways to train: set one of them to null")
        if clips.share + sum(self.data.recorded.shares.values()) > 1 + 1e-9:
            raise ValueError(
                f"data.{clips.name}.share and the shares of data.recorded are shares of a batch: together at most 1"
            )
        return self

    @model_validator(mode="after")
    def _open_sources(self) -> TrainingConfig:
        recorded = self.data.recorded
        if self.profile == EDGE_OPEN and recorded.folder is not None and set(recorded.terms) != {"open"}:
            raise ValueError(
                "data.recorded.terms: profile edge-open is for any use: set it to [open], as "
                "training/configs/edge-open.yaml does"
            )
        return self

    @model_validator(mode="after")
    def _folder_is_there(self) -> TrainingConfig:
        of_folder = self.data.vocabulary == "folder" or (self.data.vocabulary == "auto" and self.data.only_folder)
        if self.data.without_actions and (self.data.clips is not None or (self.data.folder is not None and of_folder)):
            raise ValueError(
                "data.without_actions: it leaves out actions of the profile, whose vocabulary clips and the folder "
                "replace: set it to []"
            )
        if self.data.folder is None:
            wanted = {
                "model.visual": self.model.visual != "none",
                "model.detector": self.model.detector != MOVENET,
                "evaluation.select: area": self.evaluation.select == "area",
                "data.vocabulary: folder": self.data.vocabulary == "folder",
            }
            for name in (name for name, asked in wanted.items() if asked):
                raise ValueError(f"{name} needs annotated videos: set data.folder")
        elif self.data.vocabulary == "folder" and not self.data.only_folder:
            raise ValueError(
                "data.vocabulary: generated and recorded motion use the profile's: set data.folder_share to 1 and "
                "data.recorded.folder to null"
            )
        elif self.model.detector != MOVENET and not self.data.only_folder:
            raise ValueError(
                "model.detector: generated and recorded motion have only keypoints: set data.folder_share to 1 and "
                "data.recorded.folder to null"
            )
        return self


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a YAML file, or the configuration that a checkpoint (`*.safetensors`) was trained with; None: the defaults.

    `overrides` (nested, as in the file) replace its values. Raises `TrainingConfigError` with every error by field.
    """
    try:
        if path is None:
            content = {}
        elif path.suffix == ".safetensors":
            content = _from_checkpoint(path)
        else:
            content = read_settings(path, "; `partstream train config` prints them")
        return TrainingConfig.model_validate(_with_defaults(merged(content, overrides or {})))
    except SettingsFileError as error:
        raise TrainingConfigError(str(error)) from None
    except ValidationError as error:
        found = error_text(error, TrainingConfig, command="partstream train config", show_values=True)
        raise TrainingConfigError(f"{path or 'training configuration'}: {found}") from None


def commented(config: TrainingConfig | None = None) -> str:
    """Return the configuration as YAML with a comment for each setting; None: the defaults."""
    lines = [
        "# A training run: `partstream train --config FILE`. Settings that keep their default may be left out.",
        "# `partstream train config` prints all settings with their defaults.",
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


def _with_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a file, with those that a run with clips has unless the file gives others."""
    data = content.get("data")
    sections = [data.get(section.name) for section in _CLIPS] if isinstance(data, Mapping) else []
    given = any(isinstance(section, Mapping) and section.get("folder") for section in sections)
    return merged(DEFAULTS, content) if given else content


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _from_checkpoint(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            metrics: Any = json.loads((file.metadata() or {}).get("metrics", "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise TrainingConfigError(f"{path}: can't be read as a checkpoint: {error}") from None
    config = metrics.get("config") if isinstance(metrics, dict) else None
    if not isinstance(config, dict) or "data" not in config:
        raise TrainingConfigError(f"{path}: holds no training configuration that this version can read")
    return _known(config, TrainingConfig)


def _known(content: dict[str, Any], section: type[Section]) -> dict[str, Any]:
    """Return the settings of a checkpoint without those that this version does not have."""
    kept: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        if name in content:
            default, value = field.default, content[name]
            inner = isinstance(default, Section) and isinstance(value, dict)
            kept[name] = _known(value, type(default)) if inner else value
    return kept
