"""What is put on record of an act that was refused: its digest, the code and the sentence; never what somebody typed."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

from groundrule.canon import canonical_json
from groundrule.errors import GroundruleError, InputError
from groundrule.govern.objects import Rejection
from groundrule.govern.refusal import code_of

MAX_SENTENCE: Final = 400


def rejection_of(kind: str, body: object, error: GroundruleError) -> Rejection:
    """Return the entry for a refused act.

    Args:
        kind: of the entry that it would have made.
        body: of that entry, or a digest [64 hex digits] that names the act.
        error: why it was refused.
    """
    # Only the sentences of refusals are free of what somebody typed.
    sentence = error.message[:MAX_SENTENCE] if "refusal" in error.context else f"not a usable {kind}"
    return Rejection(what=kind, digest_=digest_of(body), code=code_of(error), sentence=sentence)


def digest_of(body: object) -> str:
    """Return the digest of what was refused, also where it is no canonical JSON; a digest stands for itself."""
    if isinstance(body, str) and len(body) == 64:
        return body
    try:
        return sha256(canonical_json(body)).hexdigest()
    except InputError:
        return sha256(json.dumps(body, sort_keys=True, default=repr).encode("utf-8", "surrogatepass")).hexdigest()
