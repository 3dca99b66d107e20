"""What a finding says of a layer that cuts its error every k steps by `truncate=k`."""

from dataclasses import replace
from math import nan
from typing import Any

from .course import Course
from .finding import Finding, every_steps, short
from .places import Places

UNJUDGED = {"healthy", "arrives"}  # the kinds for which the cut is what limits the error


def truncation_of(read: Course) -> dict[str, Any]:
    """Return {"truncate": k} as evidence if the error is cut before the first step read."""
    return {} if read.truncate is None or not read.is_cut else {"truncate": int(read.truncate[-1])}


def with_cut(finding: Finding, read: Course, places: Places) -> Finding:
    """Return the finding on the steps that the error reaches, and that it reaches no others.

    What is healthy there, or unknown, is of the kind "cut": that no error arrives further back is a
    setting, and no fault. A fault within the steps that the error does reach remains one.

    Args:
        finding: judged by the steps that the error reaches.
        read: the error in reading order.
        places: the words for the first step that it reaches.
    """
    found = truncation_of(read)
    if not found:
        return finding
    every, by = _cut(found["truncate"])
    if finding.evidence["entries"] > 1:
        reach = f"each error is {every} {by}, so it reaches at most as many"
    else:
        reach = f"the error is {every} {by} and reaches no step before {places.first}"
    text, evidence = f"{reach}; {finding.text}", finding.evidence | found
    if finding.kind not in UNJUDGED:
        return replace(finding, text=text, evidence=evidence)
    headline = f"{every}, {places.start} gets {short(evidence.get('first_to_last', nan))}"
    return replace(finding, kind="cut", headline=headline, text=text, evidence=evidence)


def no_step_back(finding: Finding, read: Course) -> Finding:
    """Return the finding on an error that a cut keeps from travelling back a single step."""
    found = truncation_of(read)
    if not found:
        return finding
    every, by = _cut(found["truncate"])
    text = f"the error is {every} {by} and travels back no step"
    headline = f"{every}: the error travels back no step"
    evidence = finding.evidence | found
    return replace(finding, kind="cut", headline=headline, text=text, evidence=evidence)


def _cut(truncate):
    return f"cut {every_steps(truncate)}", f"by truncate={truncate}"
