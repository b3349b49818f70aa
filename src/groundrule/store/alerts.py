"""When alerts of terminals opened and closed, worked out from a stream that only tells which ones are active.

They lie in `alerts/` of the home, a row for each change.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from groundrule.store.findings import Findings

ALERTS: Final = Findings("alerts", "at", "alert_id", "alerts", "watch")
ALERT_SCHEMA: Final = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; of the observation that shows the change"}),
        pa.field("alert_id", pa.string(), nullable=False),  # digest of terminal, code, time and change
        pa.field("code", pa.int32(), nullable=False),
        pa.field("name", pa.string()),  # as the reply itself names the code
        pa.field("change", pa.string(), nullable=False),  # opened or closed
        pa.field("opened_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
    ]
)
