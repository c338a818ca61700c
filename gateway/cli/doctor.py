"""`tierwise doctor`: what is configured, what answers, and what would be used. Shows ids and references, never secrets."""

from __future__ import annotations

import argparse

from gateway.cli.doctor_checks import Finding, examine
from gateway.cli.output import print_json, print_table


def run(options: argparse.Namespace) -> int:
    """Print every finding; 1 when one of them would stop or mislead a gateway."""
    findings = examine(options.config, sandbox=options.sandbox)
    failed = any(finding.verdict == "fail" for finding in findings)
    if options.json:
        print_json({"ok": not failed, "findings": [_document(finding) for finding in findings]})
    else:
        print_table(
            ("", "what", "found"), [(finding.verdict, finding.what, finding.detail) for finding in findings]
        )
    return 1 if failed else 0


def _document(finding: Finding) -> dict[str, str]:
    return {"verdict": finding.verdict, "what": finding.what, "detail": finding.detail}
