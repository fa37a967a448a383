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
        "openat",
        "how the program names its files",
        "process",
        "whole paths",
        "a folder that is moved meanwhile is still followed",
        "open the folder once (O_PATH) and name files from there: {to}",
        "use whole paths again ({now})",
        "path-links",
        unknown,
    ),
    Change(
        "fewer-layers",
        "layers of the image",
        "process",
        "one layer for each step of the build",
        "a squashed image shares nothing with others: more to store and to pull",
        "build the image with fewer steps or squash it: {to}",
        "build it as before ({now})",
        "overlay-lookup",
        _layers,
    ),
    Change(
        "data-on-volume",
        "where files lie that are written",
        "process",
        "in the image",
        "a volume outlives the container and must be backed up and removed by somebody",
        "mount a volume there: {to}",
        "leave them in the image ({now})",
        "overlay-first-write",
        unknown,
    ),
    Change(
        "overlay-metacopy",
        METACOPY,
        "host",
        "N",
        "a layer that you do not trust can point at any file of the ones below",
        f"echo {{to}} > {METACOPY}, or the option metacopy of the mount",
        f"echo {{now}} > {METACOPY}",
        "overlay-first-write",
        _metacopy,
    ),
)
