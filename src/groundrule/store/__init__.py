"""Store: registers in SQL, observations in, history in Parquet, all in one home."""

from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import ObservationReader, open_observations
from groundrule.store.register_view import UNREGISTERED, RegisterView
from groundrule.store.rejects import RejectCounts, Rejects

__all__ = [
    "UNREGISTERED",
    "Home",
    "ObservationReader",
    "RegisterView",
    "RejectCounts",
    "Rejects",
    "open_observations",
    "parse_columns",
]
