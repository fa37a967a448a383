"""The application: every command under its panel. Commands import what they need when they are called."""

from __future__ import annotations

import typer

from liebench.cli import (
    apply,
    audit,
    baseline,
    compare,
    doctor,
    explain,
    export,
    gate,
    history,
    list_,
    look,
    noise,
    report,
    run,
    selftest,
    status,
    try_,
    undo,
    verify,
)

app = typer.Typer(
    name="liebench",
    help="Measures what the layers below an application promise against what they deliver.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("look")(look.look)
app.command("audit")(audit.audit)
app.command("list")(list_.listing)
app.command("explain")(explain.explain)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("try")(try_.try_)
app.command("noise")(noise.noise)
app.command("history")(history.history)
app.add_typer(baseline.app, name="baseline")
app.command("doctor")(doctor.doctor)
app.command("report")(report.report)
app.command("verify")(verify.verify)
app.command("selftest")(selftest.selftest)
app.command("export")(export.export)
app.command("apply")(apply.apply)
app.command("undo")(undo.undo)
app.command("status")(status.status)
