"""Ask witnesses to cosign a checkpoint, all at once, and believe only signatures that verify.

    for each witness in parallel: POST old, proof, checkpoint
      200 → keep the lines that verify under the policy's key of this witness
      409 → it has seen another size: prove from that size, once
      anything else, or nothing in time → an error of this witness; the others are not affected

Connections go to the addresses of the policy and nowhere else: no redirect is followed, no proxy is taken from the
environment, and an answer is read up to a limit and for a limited time.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.cosignature import verify_cosignature
from groundrule.ledger.note import Note, Signature
from groundrule.ledger.policy import Policy, WitnessRef
from groundrule.ledger.witness import SIZE_TYPE, AddCheckpoint

MAX_ANSWER_BYTES = 1 << 16
"""Sixteen ML-DSA-44 lines take 55 kB."""
TIMEOUT_S = 10.0
"""Longest time for one request to one witness [s]."""
LINGER_S = 0.25
"""How long slower witnesses are waited for once the quorum is met [s]."""

_ADDRESS_HELP = "write for instance https://witness.example/w1"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")

Consistency = Callable[[int], Sequence[bytes]]
"""Takes an old size and returns the consistency proof from it to the checkpoint that is submitted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answered over HTTP."""

    status: int
    content_type: str
    body: bytes


Opener = Callable[[str, bytes, float], Answer]
"""Takes URL, body and longest time [s]; raises OSError when there is no answer."""


@dataclass(frozen=True, slots=True)
class WitnessError:
    """Why one witness gave no cosignature.

    Args:
        kind: `unreachable`, `refused` (4xx or 5xx), `ahead` (it has seen a larger tree than ours: ours was rolled back, or a
            second one exists), `inconsistent` (422: it has seen another history), `bad-answer` or `no-url`.
        what: one sentence.
    """

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Submission:
    """Outcome of one submission.

    Args:
        cosignatures: witness name of the policy → its verified signature line.
        times: witness name → time of that cosignature [POSIX s].
        errors: witness name → why there is none.
        sizes: witness name → size that it is known to have cosigned last.
    """

    cosignatures: Mapping[str, Signature] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, WitnessError] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """Waits between attempts to reach witnesses: growing, and bounded.

    Args:
        first_s: wait after the first failure [s].
        factor: growth per further failure.
        most_s: longest wait [s].
    """

    first_s: float = 1.0
    factor: float = 2.0
    most_s: float = 60.0

    def wait_s(self, failures: int, share: float = 1.0) -> float:
        """Return how long to wait after so many failures in a row.

        Args:
            failures: 1 after the first failure; 0 gives no wait.
            share: in [0, 1], drawn by the caller; spreads the waits of many logs over the upper half of the interval.
        Example:
            >>> [Retry().wait_s(failures) for failures in (0, 1, 2, 5, 6, 7, 10_000)]
            [0.0, 1.0, 2.0, 16.0, 32.0, 60.0, 60.0]
        """
        if failures <= 0:
            return 0.0
        # Beyond 64 doublings the bound has long been reached, and the power would overflow.
        full_s = min(self.most_s, self.first_s * self.factor ** min(failures - 1, 64))
        return full_s * (0.5 + 0.5 * min(max(share, 0.0), 1.0))


def submit(
    witnesses: Sequence[WitnessRef],
    checkpoint: bytes,
    consistency: Consistency,
    last_sizes: Mapping[str, int],
    *,
    timeout_s: float = TIMEOUT_S,
    opener: Opener | None = None,
    enough: Callable[[Iterable[str]], bool] | None = None,
) -> Submission:
    """Ask every witness for its cosignature at the same time.

    Args:
        witnesses: whom to ask, from the policy.
        checkpoint: signed checkpoint.
        consistency: makes the proof from a size to this checkpoint; called from several threads.
        last_sizes: witness name → size it cosigned last, as far as known; 0 when unknown.
        timeout_s: longest time for one request [s]; a witness is asked at most twice.
        opener: sends one request; the default uses HTTP and HTTPS.
        enough: told the witnesses that have cosigned; once true, the others are waited for only `LINGER_S` more.
    Returns:
        Verified cosignatures and, for every other witness, an error.
    Raises:
        InputError: the checkpoint is malformed.
    """
    note = Note.parse(checkpoint)
    parsed = Checkpoint.parse(note.text)
    results: queue.Queue[tuple[str, _Outcome]] = queue.Queue()

    def ask(witness: WitnessRef) -> None:
        try:
            outcome = _ask(
                witness, checkpoint, note, parsed, consistency, last_sizes.get(witness.name, 0), timeout_s,
                opener or post,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - whatever one witness or its proof does must not lose the others
            outcome = _Outcome(None, 0, WitnessError("bad-answer", f"{type(error).__name__}: {error}"), None)
        results.put((witness.name, outcome))

    waiting = {witness.name for witness in witnesses}
    for witness in witnesses:
        threading.Thread(target=ask, args=(witness,), name=f"witness {witness.name}", daemon=True).start()
    cosigned: dict[str, Signature] = {}
    times: dict[str, int] = {}
    errors: dict[str, WitnessError] = {}
    sizes = dict(last_sizes)
    # One request, the 409, and the second request; the second more is for the threads themselves.
    end_s = time.monotonic() + 2 * timeout_s + 1
    while waiting:
        try:
            name, outcome = results.get(timeout=max(0.0, end_s - time.monotonic()))
        except queue.Empty:
            break
        waiting.discard(name)
        if outcome.size is not None:
            sizes[name] = outcome.size
        if outcome.signature is not None:
            cosigned[name], times[name] = outcome.signature, outcome.time_s
        if outcome.error is not None:
            errors[name] = outcome.error
        if enough is not None and outcome.signature is not None and enough(cosigned):
            end_s = min(end_s, time.monotonic() + LINGER_S)
    for name in waiting:
        errors[name] = WitnessError("unreachable", "no answer in time")
    return Submission(cosigned, times, errors, sizes)


def collect(
    policy: Policy,
    checkpoint: bytes,
    consistency: Consistency,
    last_sizes: Mapping[str, int] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    opener: Opener | None = None,
) -> bytes:
    """Return the checkpoint with every cosignature that could be had; whether they suffice, the policy says.

    Args:
        policy: names witnesses, keys and URLs; the quorum only decides how long slow witnesses are waited for.
        checkpoint: signed checkpoint.
        consistency: as in `submit`.
        last_sizes: as in `submit`.
        timeout_s: as in `submit`.
        opener: as in `submit`.
    """
    client = WitnessClient(policy, last_sizes, timeout_s=timeout_s, opener=opener)
    return client(checkpoint, consistency)


class WitnessClient:
    """Keeps what one log knows about its witnesses; fits the `witness` argument of `Log.commit`.

    Args:
        policy: names witnesses, keys and URLs.
        sizes: witness name → size it cosigned last.
        timeout_s: longest time for one request [s].
        opener: sends one request; the default uses HTTP and HTTPS.
    """

    def __init__(
        self,
        policy: Policy,
        sizes: Mapping[str, int] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        opener: Opener | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._opener = opener
        self.sizes: dict[str, int] = dict(sizes or {})
        self.last: Submission | None = None

    def __call__(self, checkpoint: bytes, consistency: Consistency) -> bytes:
        """Submit to every witness and return the checkpoint with the cosignatures added."""
        self.last = submit(
            tuple(self._policy.witnesses.values()),
            checkpoint,
            consistency,
            self.sizes,
            timeout_s=self._timeout_s,
            opener=self._opener,
            enough=self._policy.satisfied_by if self._policy.quorum is not None else None,
        )
        self.sizes = dict(self.last.sizes)
        return with_cosignatures(checkpoint, self.last.cosignatures.values())


def with_cosignatures(checkpoint: bytes, signatures: Iterable[Signature]) -> bytes:
    """Add signature lines to a note; a line of the same name and key replaces the older one."""
    note = Note.parse(checkpoint)
    lines = {(item.name, item.key_id): item for item in note.signatures}
    for item in signatures:
        lines.pop((item.name, item.key_id), None)
        lines[item.name, item.key_id] = item
    return Note(note.text, tuple(lines.values())).format()


@dataclass(frozen=True, slots=True)
class _Outcome:
    signature: Signature | None
    time_s: int
    error: WitnessError | None
    size: int | None


def _failed(kind: str, what: str, size: int | None = None) -> _Outcome:
    return _Outcome(None, 0, WitnessError(kind, what), size)


def _ask(
    witness: WitnessRef,
    checkpoint: bytes,
    note: Note,
    parsed: Checkpoint,
    consistency: Consistency,
    old: int,
    timeout_s: float,
    opener: Opener,
) -> _Outcome:
    if not witness.url:
        return _failed("no-url", "the policy gives no address for it")
    address = witness.url.rstrip("/") + "/add-checkpoint"
    # A size above ours cannot be proved from; asking from 0 makes the witness say what it has.
    old = old if old <= parsed.size else 0
    for attempt in (1, 2):
        proof = tuple(consistency(old)) if 0 < old < parsed.size else ()
        try:
            answer = opener(address, AddCheckpoint(old, proof, checkpoint).format(), timeout_s)
        except InputError as error:
            return _failed("no-url", str(error))
        except (OSError, http.client.HTTPException) as error:
            return _failed("unreachable", f"{type(error).__name__}: {error}")
        if answer.status == 200:
            return _accepted(witness, note, parsed, answer)
        if answer.status != 409:
            break
        match = _SIZE.fullmatch(answer.body)
        if match is None or answer.content_type.partition(";")[0].strip() != SIZE_TYPE:
            return _failed("bad-answer", "it answered 409 without the size it has seen")
        seen = int(match[1])
        if seen > parsed.size:
            return _failed("ahead", f"it has cosigned size {seen}, and this checkpoint has {parsed.size}", seen)
        if seen == old or attempt == 2:
            return _failed("refused", f"it answers 409 and names size {seen} again", seen)
        old = seen
    if answer.status == 422:
        return _failed("inconsistent", f"it has seen another history: {_quoted(answer.body)}")
    return _failed("refused", f"it answered {answer.status}: {_quoted(answer.body)}")


def _accepted(witness: WitnessRef, note: Note, parsed: Checkpoint, answer: Answer) -> _Outcome:
    try:
        answered = Note.parse(note.text + b"\n" + answer.body)
        if answered.text != note.text:
            raise InputError("an empty line")
    except InputError as error:
        return _failed("bad-answer", f"its answer is not made of signature lines: {error.message}")
    reason = "its answer holds no line of the key in the policy"
    for line in answered.signatures:
        if (line.name, line.key_id) != (witness.key.name, witness.key.key_id):
            continue
        try:
            time_s = verify_cosignature(note, parsed, witness.key, line)
        except (ProofFailed, InputError) as error:
            reason = f"its cosignature does not verify: {error.message}"
            continue
        return _Outcome(line, time_s, None, parsed.size)
    return _failed("bad-answer", reason)


def _quoted(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return "".join(char if char.isprintable() else " " for char in text)


def post(url: str, body: bytes, timeout_s: float) -> Answer:
    """Send one POST and read the answer; the whole exchange takes at most about `timeout_s`.

    Args:
        url: http or https, without user, query and fragment.
        body: what to send.
        timeout_s: [s].
    Raises:
        InputError: another kind of URL.
        OSError: no connection, or no whole answer in time. http.client.HTTPException: not an HTTP answer.
    """
    connection, path = _connection(url, timeout_s)
    cut = threading.Event()

    def cut_off() -> None:
        cut.set()
        if (used := connection.sock) is not None:
            with contextlib.suppress(OSError):
                used.shutdown(socket.SHUT_RDWR)

    # Time-outs of a socket restart with every byte; this one does not.
    timer = threading.Timer(timeout_s, cut_off)
    timer.daemon = True
    timer.start()
    try:
        connection.request(
            "POST", path, body=body, headers={"Content-Type": "text/plain; charset=utf-8", "User-Agent": "groundrule"}
        )
        response = connection.getresponse()
        data = response.read(MAX_ANSWER_BYTES + 1)
        if cut.is_set():
            raise TimeoutError("no whole answer in time")
        if len(data) > MAX_ANSWER_BYTES:
            raise http.client.HTTPException(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        if response.length:
            raise http.client.IncompleteRead(data, response.length)
        return Answer(response.status, response.getheader("Content-Type", ""), data)
    except (OSError, http.client.HTTPException) as error:
        if cut.is_set():
            raise TimeoutError("no whole answer in time") from error
        raise
    finally:
        timer.cancel()
        connection.close()


def _connection(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    # A password in an address must not reach a message.
    shown = re.sub(r"//[^/]*@", "//…@", url)[:200]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"`{shown}` is not an address", help=_ADDRESS_HELP) from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise InputError(f"`{shown}` is not an address of a witness", help=_ADDRESS_HELP)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s), parts.path
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context), parts.path
