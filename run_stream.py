"""The command line of partstream: `partstream --help`, or `python run_stream.py --help` from a checkout.

Each command is a module of `commands`; this module registers them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from commands import annotate, archive, bench, doctor, run, subscribe
from commands.application import Application
from commands.config.command import config_app
from commands.data.command import data_app
from commands.demo.command import demo_command
from commands.fleet.command import fleet_app
from commands.gate import command as gate
from commands.keys import keys_app
from commands.models import evaluate, export, predict
from commands.models.footage import footage_app
from commands.models.generated import generated_app
from commands.models.train import train_app
from commands.notify import notify_app
from commands.privacy import privacy_app
from commands.rules.command import rules_app
from commands.tokens import tokens_app
from commands.weights import weights_app

WATCH, KEEP, SET_UP, MODELS, MEASURE = "Watch", "Keep and connect", "Set up", "Models", "Measure"

app = Application(
    name="partstream",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 weights, 4 no source opened (`run`), "
    "129, 130 and 143 stopped by SIGHUP, Ctrl-C and SIGTERM",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from partstream import __version__

        typer.echo(f"partstream {__version__}")
        raise typer.Exit


@app.callback()
def partstream(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Real-time action recognition on live cameras, with the body parts that explain each action."""


app.command("run", epilog=run.EPILOG, rich_help_panel=WATCH)(run.run_command)
app.command("demo", rich_help_panel=WATCH)(demo_command)
app.command("subscribe", epilog=subscribe.EPILOG, rich_help_panel=WATCH)(subscribe.subscribe_command)
app.command("archive", epilog=archive.EPILOG, rich_help_panel=KEEP)(archive.archive_command)
app.add_typer(notify_app, name="notify", rich_help_panel=KEEP)
app.add_typer(fleet_app, name="fleet", rich_help_panel=KEEP)
app.command("annotate", rich_help_panel=KEEP)(annotate.annotate_command)
app.add_typer(rules_app, name="rules", rich_help_panel=KEEP)
app.add_typer(keys_app, name="keys", rich_help_panel=KEEP)
app.add_typer(tokens_app, name="tokens", rich_help_panel=KEEP)
app.add_typer(privacy_app, name="privacy", rich_help_panel=KEEP)
app.command("doctor", epilog=doctor.EPILOG, rich_help_panel=SET_UP)(doctor.doctor_command)
app.add_typer(config_app, name="config", rich_help_panel=SET_UP)
app.add_typer(weights_app, name="weights", rich_help_panel=SET_UP)
app.add_typer(train_app, name="train", rich_help_panel=MODELS)
app.add_typer(data_app, name="data", rich_help_panel=MODELS)
app.command("predict", epilog=predict.EPILOG, rich_help_panel=MODELS)(predict.predict_command)
app.command("export", epilog=export.EPILOG, rich_help_panel=MODELS)(export.export_command)
app.command("evaluate", epilog=evaluate.EPILOG, rich_help_panel=MEASURE)(evaluate.evaluate_command)
app.command("gate", epilog=gate.EPILOG, rich_help_panel=MEASURE)(gate.gate_command)
app.add_typer(footage_app, name="footage", rich_help_panel=MEASURE)
app.add_typer(generated_app, name="generated", rich_help_panel=MEASURE)
app.command("bench", context_settings=bench.ALL_ARGUMENTS, add_help_option=False, rich_help_panel=MEASURE)(
    bench.bench_command
)


def main() -> None:
    """Run the command line under the name `partstream`, however it was started."""
    app(prog_name="partstream")


if __name__ == "__main__":
    main()
