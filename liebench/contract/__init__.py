"""What a probe may say: the whole vocabulary of liebench, as frozen values.

A probe is one value ``PROBE = Probe(...)`` in ``probes/<id>/probe.py`` (``liebench.probe``). There is no base class
and no registration call.

``vocabulary``  the closed sets of words: layers, verdicts, kinds, rhythms
``claim``       what a probe says of itself: the promise, needs, cost, options, a counter of events
``arm``         one way to do the work, and what it writes on the host
``case``        one question with its arms, limits and schedule; a constructor for each kind
``rig``         what passes while it measures: turns in, repetitions out
``verdict``     what comes out: words and numbers, and a proposed change
"""

from liebench.contract.arm import NOTHING, Args, Arm, Touches
from liebench.contract.case import Case, Meaning, Running
from liebench.contract.claim import Claim, Cost, Events, Need, Option, Options
from liebench.contract.rig import Once, Rep, Rig, Turn
from liebench.contract.verdict import Proposal, Verdict
from liebench.contract.vocabulary import Better, Disturbs, Kind, Layer, Outcome, Rhythm, State, Subject, Word
from liebench.facts.usage.values import Usage

VERSION = 1  # of this vocabulary; it grows where a probe that was written for it would no longer do

__all__ = [
    "NOTHING",
    "VERSION",
    "Args",
    "Arm",
    "Better",
    "Case",
    "Claim",
    "Cost",
    "Disturbs",
    "Events",
    "Kind",
    "Layer",
    "Meaning",
    "Need",
    "Once",
    "Option",
    "Options",
    "Outcome",
    "Proposal",
    "Rep",
    "Rhythm",
    "Rig",
    "Running",
    "State",
    "Subject",
    "Touches",
    "Turn",
    "Usage",
    "Verdict",
    "Word",
]
