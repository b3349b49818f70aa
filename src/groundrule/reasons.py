"""The catalogue of reason codes: every decision names at least one of them.

Codes that a public operator code exists for carry that code, so that a decision can be compared with what the terminal
itself shows. `operator_alert` is the code of the operator's cloud telemetry, `disablement` the value shown by the
terminal's own interface. The table follows the operators' published vocabulary as transcribed by third parties; importers
read the mapping from every reply and do not rely on this one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason code.

    Attributes:
        code: stable identifier used in rulebooks and decisions.
        sentence: one sentence for people, without thresholds.
        group: account, place, motion, quota, network, stay, position, software, lists, sanctions, exception, emergency,
            degraded, engine.
        operator_alert: alert code of the operator's telemetry, or None.
        operator_name: name of that alert, or None.
        disablement: value of the terminal's disablement code, or None.
    """

    code: str
    sentence: str
    group: str
    operator_alert: int | None = None
    operator_name: str | None = None
    disablement: int | None = None


_ALL = (
    # Reasons that operators publish.
    Reason(
        "no_active_account",
        "The account or its service line is not active.",
        "account",
        55,
        "disabled_no_active_account",
        2,
    ),
    Reason("account_disabled", "The account is disabled.", "account", 95, "disabled_account_disabled", 12),
    Reason(
        "too_far_from_service_address",
        "The terminal is too far from its service address for its plan.",
        "place",
        56,
        "disabled_too_far_from_service_address",
        3,
    ),
    Reason(
        "in_ocean", "The terminal is at sea without a maritime service.", "place", 57, "disabled_no_service_in_ocean", 4
    ),
    Reason(
        "invalid_country",
        "The network does not offer service in this country.",
        "place",
        58,
        "disabled_invalid_country",
    ),
    Reason("blocked_country", "Service in this country is blocked.", "place", 83, "disabled_blocked_country", 6),
    Reason(
        "unlicensed_country",
        "The network has no licence to serve in this country.",
        "place",
        92,
        "disabled_unlicensed_country",
    ),
    Reason(
        "moving_while_not_mobile",
        "The terminal moves and its plan is for a fixed place.",
        "motion",
        59,
        "moving_while_not_mobile",
    ),
    Reason(
        "moving_too_fast_for_policy",
        "The terminal moves faster than is allowed here or by its plan.",
        "motion",
        60,
        "disabled_moving_too_fast",
        14,
    ),
    Reason("quota_exceeded", "The data allowance is used up.", "quota", 84, "disabled_data_usage_exceeded_quota", 7),
    Reason(
        "rate_limited",
        "The data allowance is used up and the service is slowed, not denied.",
        "quota",
        97,
        "data_overage_rate_limited",
    ),
    Reason("cell_disabled", "The network does not serve this cell.", "network", 89, "disabled_cell_is_disabled", 8),
    Reason(
        "roam_restricted",
        "The terminal has stayed too long outside its home country.",
        "stay",
        93,
        "disabled_roam_restricted",
        10,
    ),
    Reason(
        "unknown_location",
        "The terminal's location cannot be determined.",
        "position",
        94,
        "disabled_unknown_location",
        11,
    ),
    Reason(
        "unsupported_version",
        "The terminal's software is no longer supported.",
        "software",
        96,
        "disabled_unsupported_version",
        13,
    ),
    Reason("aviation_flyover_limit", "Service in flight over this territory is limited.", "place", disablement=15),
    Reason("blocked_area", "Service in this area is blocked.", "place", disablement=16),
    # Reasons of Groundrule's own.
    Reason("served", "No rule restricts service here.", "engine"),
    Reason("landing_right", "The network is licensed to serve in this country.", "place"),
    Reason("no_service_zone", "A no-service zone applies here.", "place"),
    Reason("never_served", "The network has never served this area.", "network"),
    Reason("service_ended", "Service in this area has ended.", "network"),
    Reason("coastal_stay_limit", "The terminal has used up its time near the coast for this plan.", "stay"),
    Reason("sold_out_area_stay", "The terminal has stayed too long in an area where capacity is sold out.", "stay"),
    Reason("not_on_allow_list", "Service here needs a registration that this terminal does not have.", "lists"),
    Reason("registration_pending", "The registration of this terminal is being processed.", "lists"),
    Reason("registration_revoked", "The registration of this terminal has been revoked.", "lists"),
    Reason("registration_over_quota", "More terminals are registered than the holder's legal class allows.", "lists"),
    Reason("on_allow_list", "The terminal is registered for service here.", "lists"),
    Reason("sanctions", "The account belongs to a party on a sanctions list.", "sanctions"),
    Reason("screening_pending", "The account holder is being checked against sanctions lists.", "sanctions"),
    Reason("humanitarian_exception", "A humanitarian exception applies.", "exception"),
    Reason("protected_service", "The terminal belongs to a protected service.", "exception"),
    Reason("verification_failed", "The terminal's position contradicts the network's measurements.", "position"),
    Reason("use_being_checked", "How this terminal is used is being checked by a person.", "motion"),
    Reason("measurements_disagree", "The network's measurements of this terminal contradict each other.", "position"),
    Reason("location_not_verified", "A verified location is required here, and this terminal's could not be verified.", "position"),
    Reason(
        "navigation_disturbed", "Satellite navigation is disturbed here, so the terminal's own location is not used.", "position"
    ),
    Reason("stale_location", "The terminal's last known location is too old.", "position"),
    Reason("unregistered_terminal", "The terminal is not in the register.", "account"),
    Reason("purpose_limit", "The terminal is used outside the purpose of its programme.", "place"),
    # Reasons of emergencies, which two persons open and others review.
    Reason("emergency_permit", "Service is given because of an emergency that two persons have declared.", "emergency"),
    Reason("emergency_deny", "Service is limited because of an emergency that two persons have declared.", "emergency"),
    # Reasons of outages: a part of the system was down when this was decided. No rule gives them (docs/degraded.md).
    Reason("degraded:policy_store_down", "The rules could not be refreshed; the last ones that were signed decide.", "degraded"),
    Reason("degraded:snapshot_invalid", "The newest rules were damaged or not signed; earlier ones decide.", "degraded"),
    Reason("degraded:no_snapshot", "No rules have been received yet; only what came with the installation decides.", "degraded"),
    Reason("degraded:location_unverifiable", "The terminal's location could not be verified.", "degraded"),
    Reason("degraded:screening_stale", "A sanctions list could not be refreshed in time.", "degraded"),
    Reason("degraded:ledger_down", "The decision could not be put on public record yet; it is kept and will be.", "degraded"),
    Reason("degraded:clock_doubtful", "The time could not be confirmed, so nothing new has come into force.", "degraded"),
    # Qualifiers: they say why a rule could not be settled, and stand beside the rule's own reason.
    Reason("edge_of_area", "The terminal may be on either side of the area's border.", "engine"),
    Reason("position_unknown", "The rule needs a position and there is none.", "engine"),
    Reason("attribute_unknown", "The rule needs a fact that is not known.", "engine"),
    Reason("stale_evidence", "The rule needs a fact that is too old.", "engine"),
    Reason("rule_error", "A rule could not be evaluated; a person must look.", "engine"),
)

CATALOGUE: dict[str, Reason] = {reason.code: reason for reason in _ALL}
"""All reasons by code, in the order of the documentation."""

RULE_REASONS = tuple(code for code, reason in CATALOGUE.items() if reason.group != "degraded")
"""Codes that a rulebook may name: what an outage does is never a rule."""

OPERATOR_CODES: dict[int, str] = {r.operator_alert: r.code for r in _ALL if r.operator_alert is not None}
"""Operator alert code to reason code, for the codes that operators publish."""
