"""What every handler may ask for by name: who asks, the open home of their tenant, and the service itself.

These come from the application and never from a request, so the framework is told not to take them apart for checks.
"""

from __future__ import annotations

from typing import TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from groundrule.api.principal import Principal
from groundrule.api.state import Service
from groundrule.pipeline.live import Live

GivenPrincipal: TypeAlias = NamedDependency[SkipValidation[Principal]]
"""`principal`: who asks."""
GivenLive: TypeAlias = NamedDependency[SkipValidation[Live]]
"""`live`: the open home of the principal's tenant."""
GivenService: TypeAlias = NamedDependency[SkipValidation[Service]]
"""`service`: everything behind the routes."""
