"""Queues of disks."""

from __future__ import annotations

from liebench.knobs import Knob, Scope, named, one_of, whole

QUEUE = "/sys/block/*/queue"
SOURCE = "Documentation/block/queue-sysfs.rst"

KNOBS = (
    Knob(
        "readahead",
        f"{QUEUE}/read_ahead_kb",
        f"{QUEUE}/read_ahead_kb",
        Scope.HOST,
        whole(0, 65536),
        "random reads fetch what nobody asked for; sequential ones wait more often where it is small",
        "128, or twice the device's best size",
        SOURCE,
    ),
    Knob(
        "io-scheduler",
        f"{QUEUE}/scheduler",
        f"{QUEUE}/scheduler",
        Scope.HOST,
        named(r"[a-z0-9_-]{1,31}", "a scheduler that the queue lists"),
        "fairness between processes against time in the queue",
        "none with several hardware queues, mq-deadline with one",
        SOURCE,
        bracketed=True,
    ),
    Knob(
        "not-rotational",
        f"{QUEUE}/rotational",
        f"{QUEUE}/rotational",
        Scope.HOST,
        one_of("0", "1"),
        "another disk of that name later keeps the setting where a udev rule sets it",
        "as the device says; 1 where it says nothing",
        SOURCE,
    ),
)
