"""Signed envelopes in requests: made on the devices of those who sign; the service holds no key of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from groundrule.api.problems import Refused
from groundrule.signing import open_envelope

MAX_PAYLOAD = 1 << 20


class SignatureGiven(msgspec.Struct, forbid_unknown_fields=True):
    """One signature of an envelope (DSSE).

    Attributes:
        keyid: hint which key made it.
        sig: in base64.
    """

    sig: Annotated[str, msgspec.Meta(max_length=20_000)]
    keyid: Annotated[str, msgspec.Meta(max_length=400)] = ""


class Envelope(msgspec.Struct, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}):
    """A signed envelope (DSSE).

    Attributes:
        payload: the exact bytes that were signed, in base64.
        payload_type: what they are.
        signatures: over them.
    """

    payload: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PAYLOAD)]
    payload_type: Annotated[str, msgspec.Meta(max_length=200)]
    signatures: Annotated[list[SignatureGiven], msgspec.Meta(min_length=1, max_length=100)]


def value_of(envelope: Envelope) -> dict[str, Any]:
    """Return an envelope as the log takes it."""
    signatures = [{"keyid": each.keyid, "sig": each.sig} if each.keyid else {"sig": each.sig} for each in envelope.signatures]
    return {"payload": envelope.payload, "payloadType": envelope.payload_type, "signatures": signatures}


def merged(envelopes: Sequence[Envelope]) -> dict[str, Any]:
    """Bring the signatures of several persons over the same bytes into one envelope.

    Raises:
        Refused: 422, they hold different bytes. InputError: one is no envelope.
    """
    values = [value_of(each) for each in envelopes]
    first, signatures = values[0], list[Any]()
    for each in values:
        open_envelope(each, (), str(each["payloadType"]))  # its form; whose signatures hold is judged later
        if (each["payload"], each["payloadType"]) != (first["payload"], first["payloadType"]):
            raise Refused(422, "the envelopes sign different bytes", code="bad_input", field="envelopes", help="all sign the same file")
        signatures += [found for found in each["signatures"] if found not in signatures]
    return {**first, "signatures": signatures}
