"""The exception for wrong input. Its message is one line: the field, its value and what is allowed."""


class LgnError(Exception):
    """Wrong input of any kind; the command line prints the message and exits with status 2."""

    def __init__(self, message: str):
        # A file name or a key may contain line breaks.
        super().__init__(" ".join(message.splitlines()))
