"""`partstream data import`: read public data sets and your own recordings into a data folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, fail, plain_console, say

if TYPE_CHECKING:
    from training.sources.formats.conversion import Options
    from training.sources.formats.importing import PublicSource, Report

EPILOG = lines(
    "`partstream data import utkinect UTKinect/joints --like utkinect --out data`",
    "`partstream data import bvh recordings --out data --id mine --terms open --label 'walk*=walk'`",
    "`partstream data import folders my_clips --out data --id my_clips --terms open`",
    "Exit codes: 0 done, 1 failed, 2 usage or a file that can't be read",
)
Format = Literal["bvh", "utkinect", "penn-action", "jhmdb", "videos", "folders"]
TermsClass = Literal["open", "none-stated", "research", "nc"]
Unit = Literal["auto", "m", "cm", "mm", "inch"]
Up = Literal["auto", "y", "z"]
Sides = Literal["given", "by-toes"]
Positions = Literal["seconds", "frames"]


def import_command(
    format: Annotated[Format, typer.Argument(metavar="FORMAT", help=", ".join(get_args(Format)))],
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files, or folders to search.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The data folder, created if missing.")],
    id: Annotated[
        str | None, typer.Option("--id", metavar="NAME", help="Name of the source.", show_default="as --like")
    ] = None,
    terms: Annotated[
        TermsClass | None,
        typer.Option(metavar="|".join(get_args(TermsClass)), help="Terms of the source.", show_default="as --like"),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Use the settings, labels and terms of this public source (docs/data-folder.md)."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ACTION",
            help="Map a name of the source to an action; * matches any characters. Can be repeated.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML or JSON file that maps names to actions.")
    ] = None,
    name_from: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Take the name that --label maps from a file's path.")
    ] = None,
    person_from: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Take the person from a file's path.")
    ] = None,
    unit: Annotated[Unit | None, typer.Option(help="Unit of 3-D files.", show_default="auto")] = None,
    up: Annotated[Up | None, typer.Option(help="Up axis of 3-D files.", show_default="auto")] = None,
    sides: Annotated[
        Sides | None,
        typer.Option(help="by-toes: exchange left and right if most toes point backwards.", show_default="given"),
    ] = None,
    stature: Annotated[
        float | None, typer.Option(min=0.5, max=2.5, metavar="METRES", help="Scale each body to this height.")
    ] = None,
    skip: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Leave out leading frames, such as a T-pose.")
    ] = None,
    joints: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML or JSON file that names the joints of BVH files.")
    ] = None,
    action_labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="UTKinect's actionLabel.txt, if it is in another folder.")
    ] = None,
    fps: Annotated[
        float, typer.Option(min=0, max=1000, metavar="FPS", help="Frame rate of 2-D sequences; 0: unknown.")
    ] = 0.0,
    positions: Annotated[Positions, typer.Option(help="Unit of start and end in a table.")] = "seconds",
    copy: Annotated[bool, typer.Option("--copy", help="Copy videos instead of linking to them.")] = False,
    replace_old: Annotated[bool, typer.Option("--replace", help="Overwrite the source if it exists.")] = False,
    skip_errors: Annotated[bool, typer.Option("--skip-errors", help="Leave out files that can't be read.")] = False,
) -> None:
    """Import recorded motion, 2-D annotations or labelled videos as a source of a data folder."""
    from training.console import progress_bar
    from training.sources.formats.body import FormatError
    from training.sources.formats.bvh import read_joint_map
    from training.sources.formats.importing import PUBLIC, Request, import_source
    from training.sources.formats.labels import compiled, parse_pairs, read_pairs

    public = PUBLIC.get(like) if like is not None else None
    if like is not None and public is None:
        fail(f"--like {like}: unknown source; there are {', '.join(PUBLIC)}", EXIT_USAGE)
    if public is not None and public.format != format:
        fail(f"--like {like}: the source has the format {public.format}, not {format}", EXIT_USAGE)
    name, terms_class = id or like, terms if terms else public.terms if public else None
    if name is None or terms_class is None:
        fail(f"give {'--id' if name is None else '--terms'}, or --like for a public source", EXIT_USAGE)
    with progress_bar("reading files") as progress:
        pairs = [*parse_pairs(label or []), *(read_pairs(labels) if labels else [])]
        request = Request(
            format=format,
            paths=tuple(sources),
            out=out,
            id=name,
            terms=terms_class,
            known=_known(public),
            pairs=[*pairs, *(public.labels if public else ())],
            person_from=compiled(person_from or (public.person_from if public else None), "--person-from"),
            name_from=compiled(name_from or (public.name_from if public else None), "--name-from"),
            options=_options(public, unit=unit, up=up, sides=sides, stature=stature, skip=skip),
            joints=read_joint_map(joints) if joints else {},
            action_labels=action_labels,
            fps=fps,
            in_frames=positions == "frames",
            copy=copy,
            replace=replace_old,
            skip_errors=skip_errors,
        )
        try:
            report = import_source(request, progress)
        except FormatError as error:
            if public is None or not public.preparation:
                raise
            raise FormatError(f"{error}\n--like {like}: {public.preparation} See docs/data-folder.md.") from None
    show(report, terms_class)


def show(report: Report, terms: str) -> None:
    """Print a table of the actions, and what was not labelled or left out."""
    from commands.console.tables import table, text
    from training.synthetic.motion.movement import ACTIONS

    tally = report.tally
    actions = table("action", "names", "clips", "seconds", words=2)
    for action, (clips, seconds) in sorted(tally.actions.items(), key=lambda item: -item[1][1]):
        names = [name for name, mapped in report.mapping.items() if mapped == action]
        words = action if action in ACTIONS else f"{action} (new)"
        actions.add_row(words, text(", ".join(names)), str(clips), f"{seconds:.1f}")
    if tally.actions:
        plain_console.print(actions)
    people = tally.people or "unknown"
    say(f"wrote {report.path}")
    say(f"clips {tally.clips}, people {people}, frames {tally.frames}, seconds {tally.seconds:.1f}, terms {terms}")
    for note in report.notes:
        say(f"note: {note}")
    if report.unlabelled:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(report.unlabelled.items()))
        say(f"left unlabelled, because no action is known: {names}; --label NAME=ACTION sets one")
    for error in report.left_out:
        say(f"left out: {error}")


def _known(public: PublicSource | None) -> dict[str, str]:
    if public is None:
        return {}
    return {"dataset": public.dataset, "repository": public.home, "terms_text": public.terms_text}


def _options(public: PublicSource | None, **given: Any) -> Options:
    """Return the public source's options, with those that were given in their place."""
    from training.sources.formats.conversion import Options

    base = public.options if public else Options()
    chosen = {name: value for name, value in given.items() if value is not None}
    if "unit" in chosen and "stature" not in chosen:  # a given unit goes before the public source's stature
        chosen["stature"] = None
    return replace(base, **chosen)
