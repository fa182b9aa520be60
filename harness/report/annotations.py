"""What a run found as workflow commands of GitHub Actions, which show them beside the job.

Source: "Workflow commands for GitHub Actions", setting an error message, and escaping in
actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.groups import group
from harness.outcome import Outcome
from harness.report.wording import finding_lines, group_title, plural

__all__ = ["workflow_commands"]


def workflow_commands(outcome: Outcome) -> Iterator[str]:
    """An error for everything unexpected, and one notice of what is known."""
    known = 0
    for members in group(outcome.findings):
        if not members.unexpected:
            known += 1
            continue
        lines = [
            f"{finding.difference}: {'; '.join(finding_lines(finding))}"
            for finding in members.findings
        ]
        lines.append(members.smallest.replay)
        yield _command("error", group_title(members, outcome.known), "\n".join(lines))
    for message in outcome.alarms:
        yield _command("error", "The baseline, or the run, is out of date", message)
    if outcome.unfinished:
        yield _command("error", "Unfinished", outcome.unfinished)
    if known:
        text = f"{plural(known, 'known difference')} between the frameworks, as expected"
        yield _command("notice", "rnn-parity", text)


def _command(kind: str, title: str, message: str) -> str:
    lines = [_escaped(line) for line in message.split("\n")]
    name = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{'%0A'.join(lines)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
