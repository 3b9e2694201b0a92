"""The exceptions of `requests` that pykickstart names."""


class RequestException(Exception):
    """A request failed."""


class SSLError(RequestException):
    """The secure connection failed."""
