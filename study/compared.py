"""Pairs of methods that a preset compares: which they are, and that there is something to compare."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from lgn.errors import LgnError
from lgn.run import Run
from study.primary import setting_of


class Pair(BaseModel):
    """Two methods of the preset: a row of the table `compare` for each setting that both ran at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field(description="method whose differences are given")
    against: str = Field(description="method that they are differences from")

    @property
    def text(self) -> str:
        """glgn:dlgn, as `python -m analysis tables --compare` takes it."""
        return f"{self.method}:{self.against}"


def parse_pair(text: str) -> Pair:
    """The pair of "glgn:dlgn". Raises LgnError for another text."""
    method, colon, against = text.partition(":")
    if not (method and colon and against):
        raise LgnError(f"compare: {text}; allowed: METHOD:AGAINST, such as glgn:dlgn")
    return Pair(method=method, against=against)


def check_compared(pairs: Iterable[Pair], runs: list[Run], where: str) -> None:
    """Raises LgnError for a pair of which one did not run, or whose methods share no setting and seed."""
    places: dict[str, set[tuple]] = {}
    for run in runs if pairs else ():
        places.setdefault(run.method, set()).add((setting_of(run), run.seed))
    for index, pair in enumerate(pairs):
        at = f"{where}: compare[{index}]"
        for key, method in (("method", pair.method), ("against", pair.against)):
            if method not in places:
                raise LgnError(f"{at}: {key}: {method!r}; allowed: a method of its runs: {', '.join(places)}")
        if pair.method == pair.against:
            raise LgnError(f"{at}: against: {pair.against!r}; allowed: another method than {pair.method}")
        if not places[pair.method] & places[pair.against]:
            raise LgnError(
                f"{at}: {pair.method} and {pair.against} share no setting; allowed: two methods with runs that differ "
                "in method and budget alone"
            )
