"""partstream's command line: `run_stream.py --help`, or `partstream --help` where it is installed.

Each command is a module of `commands`, or of `training` where it makes or judges checkpoints; here they are registered.
"""

from __future__ import annotations

import typer

from commands import annotate, archive, bench, run, subscribe
from commands.config import config_app
from commands.demo.command import demo_command
from commands.doctor import command as doctor
from commands.keys import keys_app
from commands.models import evaluate, export, predict
from commands.models.data import data_app
from commands.models.footage import footage_app
from commands.models.generated import generated_app
from commands.models.train import train_app
from commands.top import command as top
from commands.weights import weights_app

app = typer.Typer(
    name="partstream",
    help="Real-time action recognition on live cameras, with the body parts that explain each action.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 weights, 4 no source ever opened, "
    "130 and 143 stopped by Ctrl-C and SIGTERM.",
)
app.command("run", epilog=run.EPILOG)(run.run_command)
app.command("demo")(demo_command)
app.command("subscribe", epilog=subscribe.EPILOG)(subscribe.subscribe_command)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor_command)
app.command("top", epilog=top.EPILOG)(top.top_command)
app.command("bridge", epilog=archive.EPILOG)(archive.bridge_command)
app.command("annotate")(annotate.annotate_command)
app.command("evaluate", epilog=evaluate.EPILOG)(evaluate.evaluate_command)
app.command("bench", context_settings=bench.ALL_ARGUMENTS, add_help_option=False)(bench.bench_command)
app.command("predict", epilog=predict.EPILOG)(predict.predict_command)
app.command("export", epilog=export.EPILOG)(export.export_command)
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(footage_app, name="footage")
app.add_typer(generated_app, name="generated")


def main() -> None:
    """The installed command."""
    app()


if __name__ == "__main__":
    main()
