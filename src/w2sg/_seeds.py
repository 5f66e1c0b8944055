"""Named child seeds of one root seed, so that no two uses of randomness share a stream."""

import hashlib


def child_seed(root: int, *names: str | int) -> int:
    """Return the seed that belongs to a name under a root seed.

    The first four bytes of SHA-256 over ``root/name/…``, hence in [0, 2³²), stable across
    machines and Python versions, and independent of how many other streams are drawn.

    Args:
        root: The seed of the run, any integer.
        *names: What the stream is for, from coarse to fine, for example ``"student", "order"``.

    Returns:
        An integer in [0, 2³²), accepted by NumPy, PyTorch and scikit-learn alike.

    >>> child_seed(0, "teacher") == child_seed(0, "teacher")
    True
    >>> child_seed(0, "teacher") == child_seed(0, "student")
    False
    """
    text = "/".join(str(part) for part in (root, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
