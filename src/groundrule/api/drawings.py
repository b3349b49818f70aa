"""Pictures over the wire: drawn one at a time, and the last ones kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, Literal

from litestar import Response

from groundrule.api.problems import Refused

Form = Literal["png", "svg"]
DRAW_S: Final = 20.0
"""How long a picture waits for those before it [s]."""
_KINDS: Final[dict[Form, str]] = {"png": "image/png", "svg": "image/svg+xml"}


class Drawings:
    """Pictures of one kind; drawing takes a core for a second, so nobody can have many drawn at once.

    Args:
        kept: pictures that are kept, the ones asked for first go first.
    """

    def __init__(self, kept: int) -> None:
        self._most, self._turn = kept, threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def response(self, key: Hashable, form: Form, name: str, draw: Callable[[], bytes]) -> Response[bytes]:
        """Return a picture, kept or drawn now.

        Args:
            key: of what it shows; equal keys have equal pictures. form: of the file. name: of the file, without suffix.
            draw: draws it.
        Raises:
            Refused: 503 where those before it take too long.
        """
        if not self._turn.acquire(timeout=DRAW_S):
            raise Refused(503, "other pictures are being drawn", headers={"Retry-After": "20"}, help="ask again in 20 s", code="busy")
        try:
            drawn = self._kept.get((key, form))
            if drawn is None:
                drawn = self._kept[key, form] = draw()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        finally:
            self._turn.release()
        return Response(drawn, media_type=_KINDS[form], headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'})


def drawn_as(form: Form, description: str) -> dict[str, Any]:
    """Return what the API's document says of a route that answers with a picture."""
    schema = {"type": "string", "contentMediaType": _KINDS[form]}
    return {"responses": {"200": {"description": description, "content": {_KINDS[form]: {"schema": schema}}}}}
