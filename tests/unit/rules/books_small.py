"""A small rulebook for the tests of cases, comparisons, explanations and analyses."""

SMALL = """\
rulebook: small
version: 1
title: A small rulebook
operator: Example Orbit (invented)
default: {outcome: serve, reason: served}
precedence: [sanctions, protected, rules]
assumptions: {max_position_age_s: 900}
claims:
  - {countries: [RU, UA], relation: dispute, counts_as: [UA], source: "UN GA resolution 68/262"}
landing_rights:
  UA: {status: licensed, illustrative: true}
  PL: {status: licensed, illustrative: true}
  RU: {status: blocked, illustrative: true}
rules:
  - id: listed
    title: A listed party is not served
    tier: sanctions
    who: {screening: listed}
    outcome: deny
    reason: sanctions
    unknown: {"*": serve}
    authority: {basis: "sanctions law (invented)"}
  - id: protected
    title: A protected terminal is served
    tier: protected
    who: {class: any}
    outcome: serve
    reason: protected_service
    authority: {basis: "duty of care (invented)"}
  - id: blocked
    title: A blocked country is not served
    tier: rules
    where: landing:blocked
    outcome: deny
    reason: blocked_country
    authority: {basis: "a decision (invented)"}
  - id: ua-speed
    title: Over Ukraine nothing faster than 75 km/h is served
    tier: rules
    where: {any: [country:UA]}
    what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}
    unless: [{programme: rail}, {list: ua-speed-waiver}]
    outcome: deny
    reason: moving_too_fast_for_policy
    edge: review
    unknown: {speed: serve}
    effective: {from: 2026-02-01T00:00Z, expires: 2026-08-01T00:00Z}
    authority: {basis: "an order (invented)", requested_by: "a ministry (invented)"}
    message: {en: "Service is suspended while you move fast.", uk: "Зв'язок призупинено під час швидкого руху."}
    appeal: Write to the operator.
    retry: {wait_s: 60, move_m: 2000}
  - id: zone
    title: No service in a no-service zone
    tier: rules
    where: tag:no-service
    outcome: deny
    reason: no_service_zone
    authority: {basis: "a request (invented)"}
    message: {en: "A no-service zone applies here."}
  - id: sky
    title: High up nothing is served
    tier: rules
    what: {altitude_m: {above: 3000}}
    outcome: restrict
    reason: moving_too_fast_for_policy
    unknown: {altitude: serve}
    authority: {basis: "terms (invented)"}
guarantees:
  - id: protected-never-denied
    title: A protected terminal is never denied except for sanctions
    when: {class: any}
    never: deny
    except_reasons: [sanctions]
"""
