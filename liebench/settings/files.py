"""File systems: options of mounts."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, one_of

METACOPY = "/sys/module/overlay/parameters/metacopy"

KNOBS = (
    Knob(
        "overlay-metacopy",
        METACOPY,
        METACOPY,
        Scope.HOST,
        one_of("N", "Y"),
        "a layer of somebody you do not trust can point at any file of the ones below; only mounts made from now on "
        "have it, and an image made with it needs it",
        "N",
        'Documentation/filesystems/overlayfs.rst, "Metadata only copy up"',
        trial=Trial("overlay-first-write", ("mode-8m",), Scope.NAMESPACE, "overlay", {"metacopy": "{to}"}),
    ),
)
