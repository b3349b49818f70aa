"""Denials that a route decides itself, because they depend on what is asked for and not only on the role: noted like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Request

from groundrule.api.guard import note_denied
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.state import Service


@contextmanager
def denials_noted(service: Service, principal: Principal, request: Request[Any, Any, Any], permission: str) -> Iterator[None]:
    """Keep that something was denied within the block.

    Args:
        permission: that the route needs, and that was not enough.
    """
    try:
        yield
    except Refused as error:
        if error.status_code == 403:
            note_denied(service, principal, request.scope, permission, 403)
        raise
