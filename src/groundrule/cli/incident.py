"""`groundrule demo --incident NAME`: one night under rival accounts."""

from __future__ import annotations

from pathlib import Path

from groundrule.cli.output import print_json, print_table, print_text, progress
from groundrule.pipeline.demo import prepare_folder
from groundrule.pipeline.incident import moments_text, play_incident


def play(name: str, out: Path, *, seed: int, as_json: bool) -> None:
    """Decide the incident's fleet under each account and print what tells the accounts apart."""
    folder = out / name
    prepare_folder(folder)
    with progress() as report:
        incident, played = play_incident(name, folder, seed=seed, progress=report)
    times = moments_text(incident)
    if as_json:
        print_json(
            {
                "incident": incident.name,
                "notice": incident.notice,
                "moments": times,
                "watched": list(incident.watched),
                "accounts": [
                    {
                        "id": p.account.id,
                        "title": p.account.title,
                        "told_by": p.account.told_by,
                        "rules": list(p.account.rules),
                        "answers": {moment: dict(counter) for moment, counter in p.answers.items()},
                        "service": p.service,
                        "home": str(p.home.path),
                        "manifest": p.manifest,
                    }
                    for p in played
                ],
                "telling": [{"record": t.record, "under": dict(t.under)} for t in incident.telling],
            }
        )
        return
    print_text(incident.title, style="bold")
    print_text(incident.notice)
    for position, p in enumerate(played, start=1):
        print_text()
        print_text(f"Account {position}, {p.account.id}: {p.account.title}", style="bold")
        print_text(f"  told by: {p.account.told_by}")
        for line in p.account.rules:
            print_text(f"  rules: {line}")
        for area, sentence in p.service.items():
            print_text(f"  {area}: {sentence}")
        for moment, counter in p.answers.items():
            found = ", ".join(f"{n} × {answer}" for answer, n in counter.most_common()) or "no report yet"
            print_text(f"  {moment} ({times[moment]}): {found}")
        print_text(f"  home: {p.home.path}")
    print_text()
    print_text("Which records would tell the accounts apart? (No account is chosen here.)", style="bold")
    ids = [p.account.id for p in played]
    print_table(["record", *ids], [[t.record, *(t.under.get(i, "") for i in ids)] for t in incident.telling])
    print_text()
    print_text(
        "Ask any home: groundrule explain TERMINAL --at TIME --home HOME; groundrule areas list --kind zone --home HOME"
    )
    print_text(f"Terminals that the accounts are about: {', '.join(incident.watched)}")
