"""A slow, obvious reading of the governance rules, from raw log entries, for comparison with `groundrule.govern`.

Plain dictionaries, sets and loops over the whole log; nothing is remembered between questions, nothing is shared with the
production code, not even the reading of keys, envelopes or times. Only the result of a signature check is kept, because
it is the same whenever it is asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOURS = 3_600_000
CLOSING = ("refused", "withdrawn", "informally_followed")
STEP = {"routine": 0, "sensitive": 1, "critical": 2}


@lru_cache(maxsize=100_000)
def ms(text):
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() * 1000 + 0.5)


def jcs_digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def either_base64(text):
    return base64.b64decode(text.replace("-", "+").replace("_", "/"))


@lru_cache(maxsize=100_000)
def good_signature(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def open_signed(envelope, kind, charter):
    """Return payload bytes, decoded payload, and every (person, key record) with a good signature."""
    payload = either_base64(envelope["payload"])
    name = f"application/vnd.groundrule.{kind}+json"
    if envelope["payloadType"] != name:
        return payload, None, []
    message = f"DSSEv1 {len(name)} {name} {len(payload)} ".encode() + payload
    good = []
    for person in charter["persons"]:
        for key in person["keys"]:
            public = base64.b64decode(key["vkey"].split("+", 2)[2])[1:]
            for signature in envelope["signatures"]:
                if good_signature(public, either_base64(signature["sig"]), message):
                    good.append((person["party"], key))
    return payload, json.loads(payload), good


def valid(key, at):
    return ms(key["from"]) <= at and (key["to"] is None or at < ms(key["to"]))


def names_in(role_text):
    """Persons of a role, in the order of its text."""
    return [line.split()[2] for line in role_text.splitlines() if line.startswith("person ")]


def role_holds(role_text, present, instead):
    lines = [line.split() for line in role_text.splitlines() if line.strip() and not line.startswith("#")]
    persons = {words[1]: words[2] for words in lines if words[0] == "person"}
    groups = {words[1]: words[2:] for words in lines if words[0] == "group"}

    def holds(name):
        if name in persons:
            return instead.get(persons[name], persons[name]) in present
        number, *members = groups[name]
        need = {"any": 1, "all": len(members)}.get(number) or int(number)
        return sum(1 for member in members if holds(member)) >= need

    return holds(next(words[1] for words in lines if words[0] == "quorum"))


def root_signed(judge, envelope, at):
    _, _, good = open_signed(envelope, "charter", judge)
    need = judge["change_classes"]["charter"]
    text = judge["roles"][need["role"]]
    who = {person for person, key in good if valid(key, at)} & set(names_in(text))
    groups = {person["independence_group"] for person in judge["persons"] if person["party"] in who}
    return role_holds(text, who, {}) and len(who) >= need["min_persons"] and len(groups) >= need["min_groups"]


class Facts:
    """Everything that stands in the log with effect, as plain lists."""

    def __init__(self, entries):
        self.charter = None
        self.policy = None
        self.requests, self.proposals, self.approvals, self.contacts = {}, {}, [], {}
        self.outcomes, self.logged = [], {}  # of requests; and when each was logged
        self.opened = {}  # reviews by id, concluded or not
        self.updates, self.screenings, self.reviews, self.nonces = [], [], [], {}
        self.enacted, self.rejected, self.last = {}, {}, 0
        self.policies = []  # (from, digest)
        self.effects = []  # (refusal or None) of each entry
        self.made = []
        for index, t_ns, kind, body in entries:
            t = t_ns // 1_000_000
            fault = getattr(self, "on_" + kind.replace("-", "_"), lambda *_: None)(index, t, body)
            self.effects.append((index, kind, fault))
            self.last = t

    # --- entries ---

    def on_charter(self, index, t, body):
        new = json.loads(either_base64(body["payload"]))
        if self.charter is None:
            if new["version"] == 1 and root_signed(new, body, t):
                self.charter, self.charter_index, self.policy = new, index, new["policy_digest"]
                self.policies.append((t, self.policy))
                return None
            return "genesis"
        if new == self.charter:
            return "again"
        if new["version"] != self.charter["version"] + 1:
            return "charter_version"
        if t >= ms(new["expires"]) or ms(new["issued"]) > t + 5000:
            return "charter_time"
        if not root_signed(self.charter, body, t) or not root_signed(new, body, t):
            return "root_quorum"
        self.charter, self.charter_index = new, index
        return None

    def on_request(self, _, t, body):
        if "requester" not in body:
            return self.on_outcome(body)
        if body["id"] in self.requests:
            return "again or taken"
        if ms(body["recorded_at"]) > t + 5000:
            return "from_future"
        self.requests[body["id"]] = body
        self.logged[body["id"]] = t
        return None

    def on_outcome(self, body):
        if body in self.outcomes:
            return "again"
        if body["id"] not in self.requests or not set(body["conflicts"]) <= set(self.requests):
            return "unknown"
        if body["conflicts"] and not body["priority"]:
            return "no priority"
        if self.said_of(body["id"]) in CLOSING:
            return "request_ended"
        if body["outcome"] == "proposed" and not self.about(body["id"]):
            return "not_proposed"
        self.outcomes.append(body)
        return None

    def on_screening(self, index, t, body):
        if any(each["id"] == body["id"] for _, _, each in self.screenings):
            return "again or taken"
        if ms(body["performed_at"]) > t + 5000:
            return "from_future"
        self.screenings.append((index, t, body))
        return None

    def on_contact(self, index, t, body):
        signers = set()
        if "payload" in body:
            _, body, good = open_signed(body, "contact", self.charter)
            signers = {person for person, key in good if valid(key, t)}
        if body["id"] in self.contacts:
            return "again or taken"
        if ms(body["reported_at"]) > t + 5000:
            return "from_future"
        registrars = set(names_in(self.charter["roles"]["registrar"])) - {body["covered_person"]}
        vouched = (body["basis"] == "self" and body["covered_person"] in signers) or (
            body["basis"] in ("official", "intelligence") and bool(signers & registrars)
        )
        self.contacts[body["id"]] = {"index": index, "t": t, "body": body, "vouched": vouched}
        return None

    def on_review(self, _, t, body):
        review, signers = body, set()
        if "payload" in body:
            _, review, good = open_signed(body, "review", self.charter)
            signers = {person for person, key in good if valid(key, t)}
        of, known = review["of"], self.opened.get(review["id"])
        if of not in self.contacts and of not in self.proposals:
            return "unknown"
        if known and (known["of"], known["due"]) != (of, review["due"]):
            return "taken"
        if not known and not t - 5000 <= ms(review["due"]) <= t + self.charter["limits"]["review_hours"] * HOURS:
            return "too_late"
        if review["verdict"] is None:
            if known:
                return "again or taken"
            self.opened[review["id"]] = {"of": of, "due": review["due"], "done": False}
            return None
        if known and known["done"]:
            return "again or taken"
        reviewers = set(review["reviewers"])
        if of in self.contacts:
            case = self.contacts[of]["body"]
            involved = {case["covered_person"], case["counterparty"], case["reported_by"]}
        else:
            involved = {each["person"] for _, _, each, _ in self.approvals if each["proposal_digest"] == of}
            involved.add(self.proposals[of]["proposal"]["author"])
        if not reviewers <= signers or reviewers & involved:
            return "reviewers"
        if not role_holds(self.charter["roles"]["review"], reviewers - self.suspended(), {}):
            return "quorum"
        self.opened[review["id"]] = {"of": of, "due": review["due"], "done": True}
        self.reviews.append((t, review))
        return None

    def on_contact_update(self, _, __, body):
        if body["id"] not in self.contacts or body in self.updates:
            return "again or unknown"
        verdicts = {review["id"]: review["verdict"] for _, review in self.reviews if review["of"] == body["id"]}
        wanted = {"corroborated": {"reversed", "partly"}, "denied": {"upheld"}}.get(body["status"], set())
        if verdicts.get(body["review"]) not in wanted:
            return "needs_review"
        self.updates.append(body)
        return None

    def on_proposal(self, index, t, body):
        proposal, impact = body["proposal"], body["impact"]
        name = jcs_digest(proposal)
        if name in self.proposals:
            return "again"
        people = {person["party"] for person in self.charter["persons"]}
        checks = [
            (t < ms(self.charter["expires"]), "charter_expired"),
            (jcs_digest(impact) == proposal["impact_digest"], "other_impact"),
            (proposal["author"] in people, "not_in_charter"),
            (proposal["author"] not in self.suspended(), "suspended"),
            (proposal["base_policy_digest"] == impact["policy_a"] == self.policy, "stale_base"),
            (proposal["supersedes"] is None or proposal["supersedes"] in self.proposals, "unknown_proposal"),
            (set(proposal["requests"]) <= set(self.requests), "unknown_request"),
            (not any(self.said_of(each) in CLOSING for each in proposal["requests"]), "request_ended"),
            (self.class_reached(proposal, impact), "class_too_low"),
        ]
        for holds, code in checks:
            if not holds:
                return code
        record = {"index": index, "t": t, "proposal": proposal, "impact": impact}
        scope = {contact["body"]["id"] for contact in self.in_scope(proposal, t)}
        if t >= self.expiry(record):
            return "too_late"
        if not scope <= set(proposal["contacts_in_scope"]):
            return "contacts_missing"
        self.proposals[name] = record
        return None

    def on_approval(self, index, t, body):
        if t >= ms(self.charter["expires"]):
            return "charter_expired"
        payload, approval, good = open_signed(body, "approval", self.charter)
        who, signed_at = approval["person"], ms(approval["signed_at"])
        if not any(person == who and valid(key, t) and valid(key, signed_at) for person, key in good):
            return "signature"
        digest = hashlib.sha256(payload).hexdigest()
        if approval["nonce"] in self.nonces:
            return "again" if self.nonces[approval["nonce"]] == digest else "nonce_reused"
        record = self.proposals.get(approval["proposal_digest"])
        if record is None:
            return "unknown_proposal"
        role = self.charter["change_classes"][record["proposal"]["class"]]["role"]
        members = set(names_in(self.charter["roles"][role])) | set(self.charter["substitutes"].get(role, []))
        checks = [
            (approval["impact_digest"] == record["proposal"]["impact_digest"], "other_impact"),
            (approval["charter_version"] == self.charter["version"], "old_charter"),
            (approval["role"] == role and who in members, "not_in_role"),
            (signed_at <= t + 5000, "from_future"),
            (signed_at >= record["t"] - 5000, "signed_before_proposal"),
            (ms(approval["expires"]) > t, "approval_expired"),
            (record["index"] < approval["seen_checkpoint"]["size"] <= index, "checkpoint"),
            (approval["verdict"] != "approve" or who not in self.out(approval["proposal_digest"], t), "out"),
        ]
        for holds, code in checks:
            if not holds:
                return code
        self.nonces[approval["nonce"]] = digest
        self.approvals.append((index, t, approval, digest))
        name = approval["proposal_digest"]
        if approval["verdict"] != "approve" and name not in self.enacted and name not in self.rejected:
            gone = set()
            for _, _, each, _ in self.approvals:
                if each["proposal_digest"] == name:
                    (gone.discard if each["verdict"] == "approve" else gone.add)(each["person"])
            gone |= {each["person"] for _, _, each, _ in self.approvals
                     if each["proposal_digest"] == name and each["verdict"] == "recuse"}  # fmt: skip
            ready = [each for each in self.charter["substitutes"].get(role, []) if each not in gone]
            ordered = names_in(self.charter["roles"][role])
            instead = dict(zip([each for each in ordered if each in gone], ready, strict=False))
            if not self.enough(record, (set(ordered) - gone) | set(instead.values()), instead):
                self.rejected[name] = t
        return None

    def on_enactment(self, _, t, body):
        name = body["proposal_digest"]
        if body in self.made:
            return "again"
        if name not in self.proposals or not -5000 <= t - ms(body["enacted_at"]) <= 600_000:
            return "unknown or late"
        if t >= ms(self.charter["expires"]):
            return "charter_expired"
        at = ms(body["enacted_at"])
        satisfied, _, counted, _ = self.judge(name, at)
        if not satisfied:
            return "quorum"
        record = self.proposals[name]
        last = {}
        for approval_index, _, each, digest in self.approvals:
            if each["proposal_digest"] == name and each["verdict"] == "approve" and each["person"] in counted \
                    and self.counts(each, record, at):  # fmt: skip
                last[each["person"]] = (approval_index, digest)
        relied = [{"digest": digest, "log_index": place} for place, digest in sorted(last.values())]
        latest = sorted(index_ for index_, _ in (self.latest(party) for party in self.subjects(record["proposal"])))
        same = (
            body["approvals"] == relied
            and body["charter_version"] == self.charter["version"]
            and body["charter_index"] == self.charter_index
            and body["proposal_index"] == record["index"]
            and body["screening_indexes"] == latest
            and body["policy_digest_before"] == self.policy
            and body["policy_digest_after"] == record["impact"]["policy_b"]
        )
        if not same:
            return "other_grounds"
        self.made.append(body)
        self.enacted[name] = t
        self.policy = body["policy_digest_after"]
        self.policies.append((at, self.policy))
        return None

    # --- requests ---

    def said_of(self, request_id):
        return next((each["outcome"] for each in reversed(self.outcomes) if each["id"] == request_id), "pending")

    def about(self, request_id):
        return [name for name, record in self.proposals.items() if request_id in record["proposal"]["requests"]]

    def where_stands(self, request_id, at):
        """Return `ended`, `overdue` or `open`."""
        said = self.said_of(request_id)
        over = [name in self.enacted or name in self.rejected or at >= self.expiry(self.proposals[name])
                for name in self.about(request_id)]  # fmt: skip
        if said in CLOSING or (said == "proposed" and over and all(over)):
            return "ended"
        days = self.charter["limits"]["request_days"] * 24 * HOURS
        return "overdue" if at >= self.logged[request_id] + days else "open"

    # --- who is out ---

    def status(self, contact):
        found = contact["body"]["status"]
        for update in self.updates:
            if update["id"] == contact["body"]["id"]:
                found = update["status"]
        return found

    def alleged(self, contact):
        corroborated = any(
            update["id"] == contact["body"]["id"] and update["status"] == "corroborated" for update in self.updates
        )
        return not contact["vouched"] and not corroborated

    def subjects(self, proposal):
        found = set(proposal["beneficiaries"])
        for name in proposal["requests"]:
            request = self.requests[name]
            found |= {request["requester"], request["conveyed_by"], *request["on_behalf_of"]}
        return found - {None, "self", "unknown"}

    def near(self, proposal):
        found = set(self.subjects(proposal))
        for party in list(found):
            _, screening = self.latest(party)
            for owner in screening["ownership"] if screening else []:
                if owner["result"] == "listed":
                    found |= {owner["party"], *owner["path"]} - {party}
        return found

    def is_recent(self, body, at):
        end = body["occurred_to"] or (body["occurred_from"] if body["pattern"] == "single" else None)
        now = datetime.fromtimestamp(at / 1000, UTC)
        months = self.charter["limits"]["conflict_months"]
        year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
        day = now.day
        while True:
            try:
                since = now.replace(year=year, month=month + 1, day=day)
                break
            except ValueError:
                day -= 1
        return end is None or ms(end) >= round(since.timestamp() * 1000)

    def in_scope(self, proposal, at):
        people = {person["party"] for person in self.charter["persons"]}
        near = self.near(proposal)
        return [
            contact
            for contact in self.contacts.values()
            if self.status(contact) not in ("denied", "withdrawn")
            and contact["body"]["covered_person"] in people
            and contact["body"]["counterparty"] in near
            and self.is_recent(contact["body"], at)
        ]

    def suspended(self):
        found = set()
        for contact in self.contacts.values():
            body = contact["body"]
            verdict = None
            for _, review in self.reviews:
                if review["of"] == body["id"]:
                    verdict = review["verdict"]
            if self.status(contact) in ("denied", "withdrawn") or verdict in ("upheld", "partly"):
                continue
            led_by = {each["party"] for each in self.charter["covered_persons"] if each["as"] in ("owner", "executive")}
            fault = self.late(body) or self.latest(body["counterparty"])[1] is None
            if verdict == "reversed" or (body["covered_person"] in led_by and not self.alleged(contact) and fault):
                found.add(body["covered_person"])
        return found

    def late(self, body):
        since = body["occurred_to"] or body["occurred_from"]
        if since is None:
            return True
        _, screening = self.latest(body["counterparty"])
        suspect = bool(screening) and (self.is_listed(screening) or self.waiting(screening))
        if suspect or body["counterparty_kind"] in ("government_body", "head_of_state_or_government"):
            return ms(body["reported_at"]) > ms(since) + self.charter["limits"]["contact_hours"] * HOURS
        day = datetime.fromtimestamp(ms(since) / 1000, UTC)
        while day.weekday() in (5, 6):
            day = (day + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        worked = 0
        while worked < 5:
            day += timedelta(days=1)
            worked += day.weekday() not in (5, 6)
        return ms(body["reported_at"]) > round(day.timestamp() * 1000)

    def out(self, name, at):
        proposal = self.proposals[name]["proposal"]
        found = self.suspended() | self.interested(proposal)
        for _, _, each, _ in self.approvals:
            if each["proposal_digest"] == name and each["verdict"] == "recuse":
                found.add(each["person"])
        for contact in self.in_scope(proposal, at):
            if not self.alleged(contact) or self.first_touched(contact) == name:
                found.add(contact["body"]["covered_person"])
        return found

    def first_touched(self, accused):
        body = accused["body"]
        kin = [
            contact
            for contact in self.contacts.values()
            if self.alleged(contact)
            and contact["body"]["covered_person"] == body["covered_person"]
            and (
                contact["body"]["reported_by"] == body["reported_by"]
                or contact["body"]["counterparty"] == body["counterparty"]
            )
        ]
        for name, record in self.proposals.items():
            end = self.enacted.get(name, self.rejected.get(name, self.expiry(record)))
            if any(each["body"]["counterparty"] in self.near(record["proposal"]) and each["t"] < end for each in kin):
                return name
        return None

    def interested(self, proposal):
        found = {proposal["author"]} | self.subjects(proposal)
        older = proposal["supersedes"]
        while older:
            found.add(self.proposals[older]["proposal"]["author"])
            older = self.proposals[older]["proposal"]["supersedes"]
        return found

    # --- the quorum ---

    def enough(self, record, who, instead):
        need = self.charter["change_classes"][record["proposal"]["class"]]
        groups = {person["independence_group"] for person in self.charter["persons"] if person["party"] in who}
        return (
            role_holds(self.charter["roles"][need["role"]], who, instead)
            and len(who) >= need["min_persons"]
            and len(groups) >= need["min_groups"]
        )

    def counts(self, approval, record, at):
        life = self.charter["limits"]["approval_ttl_hours"] * HOURS
        start = max(ms(approval["signed_at"]), ms(record["proposal"]["effective"]["from"]))
        return approval["charter_version"] == self.charter["version"] and at < min(ms(approval["expires"]), start + life)

    def judge(self, name, at):
        """Return (satisfied, quorum, counted, codes of what blocks)."""
        record = self.proposals[name]
        need = self.charter["change_classes"][record["proposal"]["class"]]
        out = self.out(name, at)
        members = names_in(self.charter["roles"][need["role"]])
        absent = [each for each in members if each in out]
        instead = {}
        if len(absent) * 2 >= len(members):
            ready = [each for each in self.charter["substitutes"].get(need["role"], []) if each not in out]
            for person, substitute in zip(absent, ready, strict=False):
                instead[person] = substitute
        may = (set(members) - out) | set(instead.values())
        counted = set()
        for _, _, each, _ in self.approvals:
            if each["proposal_digest"] != name:
                continue
            if each["verdict"] != "approve":
                counted.discard(each["person"])
            elif each["person"] in may and self.counts(each, record, at):
                counted.add(each["person"])
        quorum = self.enough(record, counted, instead)
        blocks = self.blocks(name, record, need, at)
        return quorum and not blocks, quorum, counted, blocks

    def expiry(self, record):
        days = self.charter["limits"]["proposal_ttl_days"] * 24 * HOURS
        last = max(record["t"], ms(record["proposal"]["effective"]["from"])) + days
        return min(last, ms(record["proposal"]["expires"])) if record["proposal"]["expires"] else last

    def blocks(self, name, record, need, at):
        proposal = record["proposal"]
        effective = proposal["effective"]
        found = set()
        if at < self.last - 5000:
            found.add("clock_stepped")
        if at >= ms(self.charter["expires"]):
            found.add("charter_expired")
        if name in self.enacted:
            found.add("already_enacted")
        if name in self.rejected:
            found.add("proposal_rejected")
        if at >= self.expiry(record):
            found.add("proposal_expired")
        if at < record["t"] + need["notice_hours"] * HOURS:
            found.add("notice")
        if at < ms(effective["from"]):
            found.add("not_yet")
        if effective["until"] and at >= ms(effective["until"]) and at >= ms(effective["from"]):
            found.add("too_late")
        if any(each["of"] == name and not each["done"] and at < ms(each["due"]) for each in self.opened.values()):
            found.add("under_review")
        if [review["verdict"] for _, review in self.reviews if review["of"] == name][-1:] in (["reversed"], ["partly"]):
            found.add("review_reversed")
        if proposal["base_policy_digest"] != self.policy:
            found.add("stale_base")
        if not self.class_reached(proposal, record["impact"]):
            found.add("class_too_low")
        for party in self.subjects(proposal):
            _, screening = self.latest(party)
            if screening is None:
                found.add("unscreened")
                continue
            limit = ms(screening["performed_at"]) + self.charter["limits"]["screening_hours"] * HOURS
            if at >= limit or at >= ms(screening["valid_until"]):
                found.add("screening_old")
            used = {each["source"]: each["sha256"] for each in screening["snapshots"]}
            if any(used.get(source) != each["sha256"] for source, each in self.newest().items()):
                found.add("list_newer")
            if self.waiting(screening):
                found.add("screening_unresolved")
            if self.is_listed(screening) and not (proposal["class"] == "critical" and proposal["licence"]):
                found.add("listed")
        return found

    def class_reached(self, proposal, impact):
        kinds = {change["object"].split("/")[0] for change in proposal["change_set"]}
        if "charter" in kinds or "record" in kinds:
            return proposal["class"] == ("charter" if "charter" in kinds else "disclosure")
        moved = 0
        for before, row in impact["counts"].items():
            for after, cells in row.items():
                moved += sum(cells.values()) if before != after else 0
        step = 0
        large = moved >= self.charter["limits"]["large_change_terminals"]
        if kinds & {"area", "list", "programme"} or impact["protected_changed"] or large:
            step = 1
        if any(impact["reach"].values()):
            step = 2
        if any("unknown" in self.requests[each]["on_behalf_of"] for each in proposal["requests"]):
            step = min(step + 1, 2)
        return proposal["class"] in STEP and STEP[proposal["class"]] >= step

    # --- screenings ---

    def latest(self, party):
        best = (None, None)
        for index, _, screening in self.screenings:
            if screening["subject"] == party and (
                best[1] is None or ms(screening["performed_at"]) >= ms(best[1]["performed_at"])
            ):
                best = (index, screening)
        return best

    def newest(self):
        best = {}
        for _, _, screening in self.screenings:
            for each in screening["snapshots"]:
                order = (each["date"], ms(screening["performed_at"]))
                if each["source"] not in best or order >= best[each["source"]][0]:
                    best[each["source"]] = (order, each)
        return {source: each for source, (_, each) in best.items()}

    def waiting(self, screening):
        return any(each["disposition"] == "unresolved" for each in screening["candidates"])

    def is_listed(self, screening):
        held = sum(each["share_bp"] for each in screening["ownership"] if each["result"] == "listed")
        return any(each["disposition"] == "true" for each in screening["candidates"]) or held >= 5000

    def again(self, contact_id):
        """Return (index, act) of everything that a person did in the window of a contact."""
        contact = self.contacts[contact_id]["body"]
        who, start, end = contact["covered_person"], contact["occurred_from"], ms(contact["reported_at"])
        start = ms(start) if start else 0
        found = set()
        for record in self.proposals.values():
            if record["proposal"]["author"] == who and start <= record["t"] < end:
                found.add((record["index"], "authorship"))
        for index, t, approval, _ in self.approvals:
            if approval["person"] == who and start <= t < end:
                found.add((index, "approval"))
        return found
