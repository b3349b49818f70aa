"""A small rulebook text that uses every part of the language once."""

BOOK = """\
rulebook: small
version: 1
title: A small rulebook
operator: Example Orbit (invented)
notice: An example, not legal advice.
default: {outcome: serve, reason: served}
precedence: [sanctions, protected, security, plan]
assumptions: {position_sigma_m: {gnss: 10}, edge_probability: 0.02, max_position_age_s: 600, decision_valid_s: 60}
claims:
  - {countries: [RU, UA], relation: dispute, counts_as: [UA], source: "UN GA resolution 68/262"}
landing_rights:
  UA: {status: licensed, source: "an example", date: 2022-02-26}
  NO: {status: licensed, illustrative: true}   # a country, not the word no
  CN: {status: unlicensed, illustrative: true}
counters:
  abroad: {while: {home_country: outside}}
  coastal: {while: {where: {any: ["sea:*"]}}}
rules:
  - id: ua-speed
    title: Over Ukraine nothing that moves faster than 75 km/h is served
    tier: security
    where: {any: [country:UA, area:strip], not: ["sea:*"], buffer_m: 1900}
    who: {plan: [roam], account: active}
    what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}
    unless: [{programme: rail}, {class: [emergency, hospital]}, {list: ua-speed-waiver}]
    outcome: deny
    reason: moving_too_fast_for_policy
    edge: review
    unknown: {speed: serve}
    stale: review
    effective: {from: 2026-02-01T00:00Z, expires: 2026-08-01T00:00Z}
    authority: {basis: "an order (invented)", requested_by: "a ministry (invented)", source: "x", date: 2026-01-20}
    message: {en: "Too fast.", uk: "Зашвидко."}
    appeal: write to us
    obligations: {max_down_mbit_s: 1}
    retry: {wait_s: 3600, move_m: 2000}
  - id: norway-roam
    title: Roaming abroad is limited
    tier: plan
    who: {account_country: NO, software: {below: "2025.01.01"}, list: {id: vip, state: [none, revoked]}}
    what: {stay: {abroad: {elapsed_days: {above: 60}}}, altitude_m: {at_least: 0, below: 3000}}
    unless: [{any: [{quota: ok}, {not: {signals: cloned_identity}}]}]
    outcome: restrict
    reason: roam_restricted
    authority: {basis: "terms of service (invented)", illustrative: true}
guarantees:
  - {id: hospitals, title: No hospital is denied, when: {class: any}, never: deny, except_reasons: [sanctions]}
"""
