"""Changes around file systems: where files lie, and how they are found."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.facts.mounts import overlays
from liebench.host import Host

METACOPY = "/sys/module/overlay/parameters/metacopy"


def _metacopy(host: Host) -> str:
    return host.read(METACOPY) or "unknown"


def _layers(host: Host) -> str:
    return f"{max(overlays(host).values(), default=0)} layers"


CHANGES = (
    Change(
        id="openat",
        setting="how the program names its files",
        scope="process",
        default="whole paths",
        risk="a folder that is moved meanwhile is still followed",
        how="open the folder once (O_PATH) and name files from there: {to}",
        undo="use whole paths again ({now})",
        probe="path-links",
        now=unknown,
    ),
    Change(
        id="fewer-layers",
        setting="layers of the image",
        scope="process",
        default="one layer for each step of the build",
        risk="a squashed image shares nothing with others: more to store and to pull",
        how="build the image with fewer steps or squash it: {to}",
        undo="build it as before ({now})",
        probe="overlay-lookup",
        now=_layers,
    ),
    Change(
        id="data-on-volume",
        setting="where files lie that are written",
        scope="process",
        default="in the image",
        risk="a volume outlives the container and must be backed up and removed by somebody",
        how="mount a volume there: {to}",
        undo="leave them in the image ({now})",
        probe="overlay-first-write",
        now=unknown,
    ),
    Change(
        id="overlay-metacopy",
        setting=METACOPY,
        scope="host",
        default="N",
        risk="a layer that you do not trust can point at any file of the ones below",
        how=f"echo {{to}} > {METACOPY}, or the option metacopy of the mount",
        undo=f"echo {{now}} > {METACOPY}",
        probe="overlay-first-write",
        now=_metacopy,
    ),
)
