"""The one exception a user is meant to read: its message is one line that names field, value and what is allowed."""


class LgnError(Exception):
    """Wrong input of any kind; the command line prints the message and exits with status 2."""
