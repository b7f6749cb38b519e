"""load(): a record's discrete network for deployment. See lgn.kernels.discrete for the class."""

from pathlib import Path

from lgn.data import default_data_dir
from lgn.kernels.discrete import DiscreteNetwork
from lgn.restore import restore


def load(record: str | Path, data_dir: str | Path | None = None) -> DiscreteNetwork:
    """A record's discrete network, ready to predict(). Attributes `network` and `run` are the record's.

    data_dir: folder of its data set, which is read (default: LGN_DATA, or data). Raises LgnError as restore().
    """
    trained = restore(Path(record), Path(data_dir or default_data_dir()))
    classifier = DiscreteNetwork(trained.network, trained.thresholds)
    classifier.network, classifier.run = trained.network, trained.run
    return classifier
