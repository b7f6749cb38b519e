"""The one exception a user is meant to read: its message is one line that names field, value and what is allowed."""


class LgnError(Exception):
    """Wrong input of any kind; the command line prints the message and exits with status 2."""

    def __init__(self, message: str):
        # A file name or a key may hold line breaks of its own.
        super().__init__(" ".join(message.splitlines()))
