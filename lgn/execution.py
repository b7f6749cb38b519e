"""The typed model of a run's execution: backend, device, threads, snapshots."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Execution(BaseModel):
    """Where and how a run executes. It changes the outcome only by float rounding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["auto", "torch", "numba", "triton"] = Field(
        "auto", description="training kernels; auto: numba on a CPU, triton on a GPU"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    threads: int = Field(
        1, ge=1, le=1024, description="threads per run; runs, not threads, should fill the cores"
    )
    snapshots: int = Field(
        0,
        ge=0,
        le=1000,
        description="number of times that a run stores its logits before its end, for probes; 64 bytes per gate each",
    )
