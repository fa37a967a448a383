"""File systems: options of mounts."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, one_of

METACOPY = "/sys/module/overlay/parameters/metacopy"

KNOBS = (
    Knob(
        id="overlay-metacopy",
        key=METACOPY,
        path=METACOPY,
        scope=Scope.HOST,
        valid=one_of("N", "Y"),
        risk="a layer of somebody you do not trust can point at any file of the ones below; only mounts made from "
        "now on "
        "have it, and an image made with it needs it",
        default="N",
        source='Documentation/filesystems/overlayfs.rst, "Metadata only copy up"',
        steps=(f"echo {{to}} > {METACOPY}, or the option metacopy of the mount", f"echo {{now}} > {METACOPY}"),
        trial=Trial(
            probe="overlay-first-write",
            cases=("mode-8m",),
            scope=Scope.NAMESPACE,
            arm="overlay",
            args={"metacopy": "{to}"},
        ),
    ),
)
