"""The exceptions of `requests` that pykickstart names."""


class RequestException(Exception):  # noqa: N818 (the name of the real one)
    """A request failed."""


class SSLError(RequestException):
    """The secure connection failed."""
