"""How often suggested claims are right, on marked invented articles that the rules were not tuned on.

    python tests/campaign/claims_campaign.py [FOLDER ...] [--wrong]

Without folders those of `tests/articles` are read. A suggestion is right where kind, stance and source agree with what a reader
marked and the places overlap by half; a marked claim is found where a suggestion is right about it. Prints a line per language and one
JSON line. `--wrong` also prints what was missed or wrong: then the articles are tuned on, and no longer held out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groundrule.evidence.suggest import suggest
from marked_articles import FOLDER, read


def count(folder: Path, *, wrong: bool) -> dict[str, dict[str, int]]:
    """Count by language: articles, marked, suggested, found, right."""
    counts: dict[str, Counter[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        report, marks = read(path)
        claims = suggest(report)
        found = [mark for mark in marks if any(mark.agrees(claim) for claim in claims)]
        right = [claim for claim in claims if any(mark.agrees(claim) for mark in marks)]
        counts.setdefault(report.language, Counter()).update(
            articles=1, marked=len(marks), suggested=len(claims), found=len(found), right=len(right)
        )
        if wrong:
            for mark in marks:
                if mark not in found:
                    print(f"  missed in {path.name}: {mark.stance} {report.text[mark.start : mark.end]}")
            for claim in claims:
                if claim not in right:
                    print(
                        f"  wrong in {path.name}: {claim.kind} {claim.stance} {claim.suggested_by} {claim.attribution} {claim.statement}"
                    )
    return {language: dict(each) for language, each in counts.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--wrong", action="store_true")
    given = parser.parse_args()
    out = {}
    for folder in given.folders or sorted(each for each in FOLDER.iterdir() if each.is_dir()):
        counts = count(folder, wrong=given.wrong)
        total: Counter[str] = Counter()
        for language, each in counts.items():
            total.update(each)
            print(
                f"{folder.name} {language}: {each['found']} of {each['marked']} found, {each['right']} of {each['suggested']} right"
            )
        print(
            f"{folder.name}: recall {total['found'] / total['marked']:.2f}, precision {total['right'] / max(total['suggested'], 1):.2f}"
        )
        out[folder.name] = counts | {"all": dict(total)}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
