"""Store: registers in SQL, observations in, history in Parquet, all in one home."""

from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.observations import ObservationReader, open_observations
from groundrule.store.ordering import Ordering
from groundrule.store.register_import import ImportReport, import_register
from groundrule.store.register_view import UNREGISTERED, RegisterView
from groundrule.store.registers import Registers, Revision
from groundrule.store.rejects import RejectCounts, Rejects

__all__ = [
    "UNREGISTERED",
    "Home",
    "ImportReport",
    "ObservationReader",
    "Ordering",
    "RegisterView",
    "Registers",
    "RejectCounts",
    "Rejects",
    "Revision",
    "import_register",
    "open_observations",
    "parse_columns",
]
