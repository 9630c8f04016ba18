"""A contact sheet of a generated data set: one row per action, frames with their truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from PIL import Image, ImageDraw

from training.kinetics_tps import video_file
from training.synthetic.videos.manifest import GeneratedVideo, Manifest
from training.synthetic.videos.truth import TrueFrame, read_truth, truth_file

SHEET = "contact-sheet.jpg"
_CELL = (240, 184)
_COLUMNS = 8
_LEAST_FRAMES = 2
"""Pictures of each video; more if there are few videos."""
_UNSURE = "…"


def save_sheet(root: Path, manifest: Manifest) -> Path:
    """Draw some frames of the first videos of each action, and return the file."""
    actions = list(dict.fromkeys(video.action for video in manifest.videos))
    sheet = Image.new("RGB", (_CELL[0] * _COLUMNS, _CELL[1] * max(1, len(actions))))
    for row, action in enumerate(sorted(actions)):
        videos = [video for video in manifest.videos if video.action == action][: _COLUMNS // _LEAST_FRAMES]
        cells = (cell for video in videos for cell in _cells(root, manifest, video, _COLUMNS // len(videos)))
        for column, cell in enumerate(cells):
            sheet.paste(cell, (_CELL[0] * column, _CELL[1] * row))
        ImageDraw.Draw(sheet).text((3, _CELL[1] * row + 2), action, fill="white", stroke_width=1, stroke_fill="black")
    path = root / SHEET
    unfinished = path.with_name(f".{SHEET}.part")
    sheet.save(unfinished, "JPEG", quality=85)
    unfinished.replace(path)
    return path


def _cells(root: Path, manifest: Manifest, video: GeneratedVideo, count: int) -> Iterator[Image.Image]:
    """Yield `count` pictures spread over a video, or all of a shorter one."""
    wanted = {int((place + 0.5) * video.frames / count) for place in range(count)}
    truth = read_truth(truth_file(root, video.name))
    with av.open(str(video_file(root, manifest.split, video.action, video.name))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                yield _drawn(frame.to_image(), truth.frames[index], video)


def _drawn(picture: Image.Image, frame: TrueFrame, video: GeneratedVideo) -> Image.Image:
    scale = min(_CELL[0] / picture.width, _CELL[1] / picture.height)
    cell = Image.new("RGB", _CELL)
    cell.paste(picture.resize((round(picture.width * scale), round(picture.height * scale))))
    draw = ImageDraw.Draw(cell)
    for person in frame.people:
        right = person.action == video.action
        colour = (90, 255, 90) if right else (255, 220, 60)
        draw.rectangle([value * scale for value in person.box], outline=colour)
        caption = " ".join((person.action or _UNSURE, *person.props))
        draw.text((person.box[0] * scale, max(0.0, person.box[1] * scale - 11)), caption, fill=colour)
        draw.point(_visible_joints(person.keypoints, scale), fill=(255, 90, 90))
    return cell


def _visible_joints(keypoints: Sequence[tuple[float, float, int]], scale: float) -> list[tuple[float, float]]:
    return [(x * scale, y * scale) for x, y, visible in keypoints if visible]
