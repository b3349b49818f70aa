"""What object storage says when it refuses, in words of ours: the clients say it in several ways, and none says what to do."""

from __future__ import annotations

import re
from typing import Final

from groundrule.errors import StoreError

CREDENTIALS: Final = (
    "credentials come from the environment, a profile or the role of the machine, and have to allow to list, read, write and delete there"
)
_NO_BUCKET: Final = r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|ContainerNotFound"
_REFUSED: Final = (
    r"ACCESS_DENIED|FORBIDDEN|INVALID_ACCESS_KEY|SIGNATURE|EXPIRED_TOKEN|INVALID_CLIENT_TOKEN|UNRECOGNIZED_CLIENT|MISSING_AUTH|"
    r"HTTP response code 40[13]|[Pp]ermission|[Cc]redential"
)
_AWAY: Final = r"NETWORK_CONNECTION|curlCode|REQUEST_TIMEOUT|[Tt]imed? ?out|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|[Cc]onnect"
_SAYS: Final = (
    (_NO_BUCKET, "there is no such bucket", "make it first, or correct the address"),
    (_REFUSED, "the storage does not allow it", CREDENTIALS),
    (_AWAY, "the storage does not answer", "look at the address and the network, and try again; what was committed before is as it was"),
)


def storage_error(doing: str, path: str, error: Exception) -> StoreError:
    """Return the error to raise for one that a client of object storage raised.

    Args:
        doing: a verb and its object, for example "read `s3://bucket/prefix/file`".
        path: the object or folder.
        error: what the client raised.
    """
    said = (str(error).splitlines() or [type(error).__name__])[0]
    for pattern, why, cure in _SAYS:
        if re.search(pattern, said):
            return StoreError(f"cannot {doing}: {why}", help=cure, path=path, said=said[:400])
    return StoreError(f"cannot {doing}: {said[:200]}", help="try again", path=path)
