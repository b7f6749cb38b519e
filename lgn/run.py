"""The typed model of a run. Its fields are exactly what determines the outcome."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from lgn.data.catalog import DATASETS
from lgn.data.files import info_if_there
from lgn.data.own import is_own, own_label, read_own
from lgn.execution import Execution as Execution
from lgn.methods import NOISE_NAMES, Estimator, OptimizerSettings, method_name
from lgn.run_options import (
    OWN_OPTIMIZERS,
    options_text,
    require_data,
    require_method,
    require_optimizer,
    without_retired,
)
from lgn.settings import validated, whole


class Run(BaseModel):
    """One training. Defaults are part of a run's meaning: changing one changes results."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    dataset: str = Field(
        description="data set to train on, or the path of your own file (docs/data.md)",
        json_schema_extra={"examples": [*DATASETS, "path of a .npz or .csv file"]},
    )
    thresholds: int = Field(ge=1, le=255, description="thermometer bits per channel value")
    threshold_placement: Literal["uniform", "quantile"] = Field(
        "uniform",
        description="equally spaced over the value range, or at quantiles of the training images' positive values",
    )
    validation_share: float = Field(
        0.1, ge=0, le=0.5, description="share of the training images for validation, the same for every seed"
    )
    depth: int = Field(ge=1, le=1000, description="number of layers")
    width: int = Field(ge=2, le=2**27, description="neurons per layer; a multiple of the number of classes")
    wiring: Literal["random", "unique"] = Field(
        "random",
        description="random: every input read about equally often; unique: no pair of inputs twice, near pairs first",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=128,
        description="random inputs among which training chooses each input of a neuron; 1: wiring is fixed",
    )
    init: Literal["gaussian", "residual"] = Field(
        "gaussian",
        description="initial logits: normal, or normal plus init_bias on the pass-through gate `a`",
    )
    init_scale: float = Field(1.0, ge=0, le=1000, description="standard deviation of the initial logits")
    init_bias: float = Field(
        0.0, ge=0, le=1000, description="init 'residual' adds this to the pass-through gate's logit"
    )
    parametrization: str = Field(
        "softmax",
        description="how parameters define a neuron: the name of a method's file (docs/methods.md)",
        json_schema_extra={"examples": ["softmax", "name of a file in lgn/methods"]},
    )
    options: str = Field(
        "",
        description="the parametrization's own settings, a mapping; defaults may be left out",
        json_schema_extra={"examples": ["mapping, see below"]},
    )
    noise: str = Field(
        description="noise on the logits in training; every kind has variance pi^2/6",
        json_schema_extra={"examples": [*NOISE_NAMES]},
    )
    temperature: float = Field(gt=0, le=1000, description="temperature of the softmax over the gates (tau)")
    final_temperature: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="temperature at the last iteration, reached geometrically; null: constant",
    )
    straight_through: bool = Field(
        description="on: forward with the argmax gate, gradient of the soft weights; off: soft weights in both"
    )
    grad_factor: float = Field(
        1.0, gt=0, le=1000, description="factor on the gradient to each layer's inputs (difflogic's)"
    )
    group_temperature: float = Field(
        gt=0, le=1e6, description="temperature that divides the class sums of the last layer (GroupSum)"
    )
    optimizer: str = Field(
        "adam",
        description="Adam with torch's betas, Adam with epsilon inside the root, Adam by atan2 without epsilon, SGD, "
        "or a class of torch.optim",
        json_schema_extra={"examples": [*OWN_OPTIMIZERS, "a class of torch.optim such as AdamW"]},
    )
    optimizer_options: str = Field(
        "",
        description="further arguments of a torch.optim optimizer, a mapping such as {weight_decay: 0.002}",
        json_schema_extra={"examples": ["mapping"]},
    )
    epsilon: float = Field(
        1e-8,
        gt=0,
        le=1,
        description="Adam's epsilon: gradients smaller than this get shorter steps (1e-8: torch's default)",
    )
    loss_scale: float = Field(
        1.0,
        ge=1e-12,
        le=1e12,
        description="factor on the loss before differentiation; the recorded loss is without it",
    )
    learning_rate: float = Field(0.01, gt=0, le=1e6, description="learning rate of the optimizer")
    batch_size: int = Field(128, ge=1, le=2**20, description="images per training step")
    training_labels: Literal["given", "shuffled", "redrawn"] = Field(
        "given",
        description="the data's labels; as controls: permuted among the images once, or drawn anew at every step",
    )
    iterations: int = Field(ge=1, le=10**9, description="training steps, at most")
    time_budget_seconds: float | None = Field(
        None, gt=0, description="training seconds after which the run ends early, or null"
    )
    evaluations: int = Field(
        80, ge=2, le=10**5, description="most rows of history: half evenly, half logarithmically spaced"
    )
    train_evaluation_images: int = Field(
        10_000, ge=1, description="most training images that train accuracy is measured on"
    )
    test_evaluation_images: int | None = Field(
        None,
        ge=1,
        description="most test images for rows of history before the last row; null: all",
    )
    seed: int = Field(
        ge=0,
        lt=2**63,
        description="seeds wiring, logits, noise and data order, each through a separate stream",
    )
    file_sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="sha256 that your own data file must have; null: that of the file now",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_now(cls, settings: Any):
        """Adds the sha256 of the user's own data file: its content is part of the run."""
        if not isinstance(settings, dict):
            return settings
        settings = {key: whole(key, value) for key, value in without_retired(settings).items()}
        if settings.get("file_sha256") is None and is_own(settings.get("dataset")):
            settings["file_sha256"] = read_own(settings["dataset"]).sha256
        return settings

    @field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str) -> str:
        if dataset not in DATASETS and not is_own(dataset):
            allowed = ", ".join(map(repr, DATASETS))
            raise ValueError(
                f"dataset: {dataset!r} is not allowed; allowed: {allowed} or the path of a .npz or .csv file"
            )
        return dataset

    @field_validator("options", "optimizer_options", mode="before")
    @classmethod
    def _as_text(cls, options: Any, info: ValidationInfo) -> str:
        """JSON text, so that a run is a row of plain values everywhere."""
        return options_text(str(info.field_name), options)

    @model_validator(mode="after")
    def _has_method(self):
        require_method(self)
        require_optimizer(self)
        return self

    @model_validator(mode="after")
    def _fits(self):
        if self.file_sha256 is not None and not is_own(self.dataset):
            raise ValueError(f"file_sha256: is given with {self.dataset}; allowed: with a .npz or .csv file")
        # A record stays valid if its data file has gone or has changed.
        if info := info_if_there(self.dataset, self.file_sha256):
            require_data(self, info)
        if self.candidates > 1 and self.wiring != "random":
            raise ValueError(
                f"candidates: {self.candidates} with wiring {self.wiring}; allowed: 1 (or wiring random)"
            )
        if self.init == "gaussian" and self.init_bias:
            raise ValueError(f"init_bias: {self.init_bias} with init gaussian; allowed: 0 (or init residual)")
        if self.epsilon < 1e-30:
            raise ValueError(f"epsilon: {self.epsilon:g} is not allowed; allowed: 1e-30 to 1")
        if self.evaluations > self.iterations + 1:
            raise ValueError(
                f"evaluations: {self.evaluations}; allowed: at most iterations + 1 = {self.iterations + 1}"
            )
        return self

    @property
    def method(self) -> str:
        return method_name(self.noise, self.straight_through, self.parametrization, self.options)

    @property
    def estimator(self) -> Estimator:
        return Estimator(
            self.noise, self.temperature, self.straight_through, self.grad_factor, self.parametrization,
            self.options, self.candidates,
        )  # fmt: skip

    def estimator_at(self, iteration: int) -> Estimator:
        """The estimator at an iteration: its temperature is constant, or moves geometrically to final_temperature."""
        if self.final_temperature is None:
            return self.estimator
        share = min(1.0, iteration / self.iterations)
        ratio = self.final_temperature / self.temperature
        return replace(self.estimator, temperature=self.temperature * ratio**share)

    @property
    def optimizer_settings(self) -> OptimizerSettings:
        return OptimizerSettings(
            self.learning_rate, self.optimizer, self.epsilon, self.loss_scale, self.optimizer_options
        )

    @property
    def hash(self) -> str:
        """Ten hex digits over everything that determines the outcome.

        Fields at their defaults are left out, so that a field added later does not rename existing runs. For a user's
        own file, name and digest count, not the folder.
        """
        stated = self.model_dump(exclude_defaults=True)
        if is_own(self.dataset):
            stated["dataset"] = Path(self.dataset).name
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def dataset_label(self) -> str:
        """The data set's name in run ids and file names."""
        return own_label(self.dataset, str(self.file_sha256)) if is_own(self.dataset) else self.dataset

    @property
    def labels(self) -> dict[str, str]:
        """The readable parts of the run id, in order."""
        shown = {
            "dataset": self.dataset_label,
            "method": self.method,
            "depth": self.depth,
            "width": self.width,
        }
        shown |= {"temperature": f"{self.temperature:g}", "seed": self.seed, "hash": self.hash}
        return {name: str(value) for name, value in shown.items()}

    @property
    def run_id(self) -> str:
        """dataset~digits_method~glgn_..._hash~1a2b3c4d5e: readable, globbable, unique."""
        return "_".join(f"{name}~{value}" for name, value in self.labels.items())


def parse_run(settings: dict[str, Any], where: str = "run") -> Run:
    """A validated Run. Raises LgnError naming `where`, the key, its value and what is allowed."""
    return validated(Run, settings, where)
