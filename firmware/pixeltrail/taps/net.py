"""A net under what a tap does inside the application's drawing: nothing of ours may fall through to it."""


class Net:
    """A context that keeps an error instead of raising it; `look` of a tap raises it, where the recorder counts it.

    `except ... as` would do too, but takes nine slots more, and frames of more than eleven come from the heap.
    """

    def __init__(self):
        self._error = None

    def __enter__(self):
        pass

    def __exit__(self, kind, error, _trace):
        if kind is None:
            return False
        if not issubclass(kind, Exception):  # such as Ctrl-C
            return False
        self._error = error
        return True

    def holds(self):
        """True when there is an error to be raised."""
        return self._error is not None

    def check(self):
        """Raise what was kept, once."""
        if self._error is not None:
            error = self._error
            self._error = None
            raise error
