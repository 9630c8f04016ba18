"""Drawing one result as a transparent layer: people, parts by relevance, states, actions and their reasons.

An `OverlayPainter` draws one video. It remembers the place of each person's label, so that labels do not jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from stream.annotation.detector_overlay import DetectorOverlay
from stream.annotation.label_placement import Placement, Rect, around, grown
from stream.pictures.drawing import INK, PAPER, Colour, font, relevance_colour, shortened, text_width, track_colour
from stream.results import DetectedObject, Frame, Part, Person

MOST_REASONS = 3
"""Number of parts that are named as reasons and labelled with their states; more cannot be read in a moving picture."""

MOST_LABELLED = 256
"""Number of people with a label."""

LEAST_RELEVANCE = 0.15
"""Least relevance of a part that is named as a reason."""

TAG_RINGS = 5
"""Largest distance of a tag from its person, in tag heights, if it is crowded; a line connects them then."""

STEADY_RESULTS = 8
"""Number of results after which a label that lost reasons for lack of space may show them again."""

NO_STATE = "none"
HEAD = "head"
PLATE_ALPHA = 200
LABELLED_HEIGHT = 170
"""Least height of a person, in pixels, at which each part is labelled, because parts are far enough apart."""

GUESSED_AFTER_US = 600_000
"""A person who has not been detected for longer is drawn fainter: the box is a guess."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A part with a state that supports the action."""

    part: str
    state: str
    relevance: float

    def text(self, *, first: bool) -> str:
        """Return the reason's text, for example `because right hand (relevance 0.95): wave`."""
        part, state = shortened(self.part.replace("_", " ")), shortened(self.state.replace("_", " "))
        if first:
            return f"because {part} (relevance {self.relevance:.2f}): {state}"
        return f"{part} ({self.relevance:.2f}): {state}"


def reasons(parts: Sequence[Part]) -> list[Reason]:
    """Return the most relevant parts, each with its most likely state but `none`, the most relevant first."""
    found: list[Reason] = []
    for part in sorted(parts, key=lambda part: part.relevance, reverse=True):
        states = [state for state in part.states if state[0] != NO_STATE]
        if states and part.relevance >= LEAST_RELEVANCE:
            state, _ = max(states, key=lambda state: state[1])
            found.append(Reason(part.part, state, part.relevance))
    return found[:MOST_REASONS]


@dataclass(frozen=True, slots=True)
class Block:
    """A person's label: a coloured tag, and lines of reasons below it. All sizes are in pixels."""

    title: str
    score: str
    lines: tuple[Reason, ...]
    title_size: int
    line_size: int

    @property
    def pad(self) -> int:
        """Space around text."""
        return max(3, round(self.line_size * 0.4))

    @property
    def tag_height(self) -> int:
        """Height of the coloured tag."""
        return round(self.title_size * 1.5)

    @property
    def line_height(self) -> int:
        """Height of one reason."""
        return round(self.line_size * 1.4)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole block."""
        tag = text_width(self.title, self.title_size) + text_width(self.score, self.line_size) + 3.5 * self.pad
        swatch = self.line_size * 0.7 + self.pad
        rows = [
            text_width(self._row(index), self.line_size) + swatch + 2 * self.pad for index in range(len(self.lines))
        ]
        height = self.tag_height + len(self.lines) * self.line_height + (self.pad if self.lines else 0)
        return max([tag, *rows]), height

    def _row(self, index: int) -> str:
        return self.lines[index].text(first=index == 0)

    def draw(self, draw: ImageDraw.ImageDraw, at: Rect, colour: Colour) -> None:
        """Draw the block with its upper left corner at that of `at`."""
        x, y = round(at[0]), round(at[1])
        width, height = self.size
        right, bottom = round(x + width), round(y + height)
        radius = self.pad
        if self.lines:
            draw.rounded_rectangle((x, y, right, bottom), radius, (*INK, PLATE_ALPHA))
        draw.rounded_rectangle((x, y, right, y + self.tag_height), radius, (*colour, 240))
        middle = y + self.tag_height / 2
        draw.text((x + self.pad * 1.2, middle), self.title, (*INK, 255), font(self.title_size), anchor="lm")
        score_at = x + self.pad * 2.3 + text_width(self.title, self.title_size)
        draw.text((score_at, middle + 1), self.score, (*INK, 215), font(self.line_size), anchor="lm")
        dot = self.line_size * 0.7
        for index, reason in enumerate(self.lines):
            middle = y + self.tag_height + self.pad / 2 + (index + 0.5) * self.line_height
            left = x + self.pad
            draw.rectangle(
                (left, middle - dot / 2, left + dot, middle + dot / 2), (*relevance_colour(reason.relevance), 255)
            )
            draw.text(
                (left + dot + self.pad, middle), self._row(index), (*PAPER, 255), font(self.line_size), anchor="lm"
            )


@dataclass(frozen=True, slots=True)
class _LabelState:
    """State of a person's label: the number of reasons, the place, and the number of results for which it is
    unchanged."""

    reasons: int
    place: int
    unchanged: int


class OverlayPainter:
    """Draws results on layers of `size` (width, height), with text in proportion."""

    def __init__(self, size: tuple[int, int], detector: bool = False) -> None:
        """`detector`: whether to draw what the detector looked at, too."""
        self.size = size
        self._detector = DetectorOverlay() if detector else None
        self._detected_us: dict[int, int] = {}
        """Track → media time of its last detection, of the people in the last result."""
        self.scale = min(2.0, max(0.85, size[0] / 1152))
        self._labels: dict[int, _LabelState] = {}
        """Track → its label in the last result."""

    def paint(self, frame: Frame) -> Image.Image:
        """Return a layer of `size`, RGBA, transparent where nothing is drawn."""
        layer = Image.new("RGBA", self.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(layer)
        width, height = self.size
        across, down = width / max(1, frame.size[0]), height / max(1, frame.size[1])

        def on_layer(box: Sequence[float]) -> Rect:
            # Farther than a picture's size beyond the layer, a box is invisible, and larger numbers cannot be drawn.
            x1, y1, x2, y2 = box[0] * across, box[1] * down, box[2] * across, box[3] * down
            return (
                min(max(x1, -width), 2 * width),
                min(max(y1, -height), 2 * height),
                min(max(x2, -width), 2 * width),
                min(max(y2, -height), 2 * height),
            )

        people = [(person, on_layer(person.box)) for person in frame.people]
        bounds = (2.0, 2.0, self.size[0] - 2.0, self.size[1] - 2.0)
        placement = Placement(bounds, [box for _, box in people])
        if self._detector is not None:
            self._detector.add(frame)
            placement.taken.append(self._detector.draw(draw, frame.media_time_us, self.size, self.scale, on_layer))
        guessed = self._guessed(frame)
        for person, box in people:
            thick = min(1.6, max(0.4, (box[3] - box[1]) / (200 * self.scale)))
            for part in sorted(person.parts, key=lambda part: part.relevance):
                self._part(draw, part, on_layer(part.box), thick)
        for person, box in people:
            self._person(draw, box, track_colour(person.track), person.track in guessed)
        for found in frame.objects:
            self._object(draw, found, on_layer(found.box))
        before, self._labels = self._labels, {}
        # Near people first, because their labels get the best places and the most detail. Heights are rounded, so that
        # two people of similar height do not swap in every picture.
        step = 30 * self.scale
        nearest = sorted(people, key=lambda pair: (-round((pair[1][3] - pair[1][1]) / step), pair[0].track))
        labels = [
            (person, box, *self._labelled(placement, person, box, before)) for person, box in nearest[:MOST_LABELLED]
        ]
        for person, box, _, at in labels:
            self._leader(draw, box, at, track_colour(person.track))
        for person, _, block, at in labels:
            block.draw(draw, at, track_colour(person.track))
        placement.avoid = [on_layer(part.box) for person in frame.people for part in person.parts if part.part == HEAD]
        for person, box in nearest[:MOST_LABELLED]:
            if box[3] - box[1] >= LABELLED_HEIGHT * self.scale:
                boxes = {part.part: part.box for part in person.parts}
                for reason in reasons(person.parts):
                    self._state(draw, placement, reason, on_layer(boxes[reason.part]))
        return layer

    def _guessed(self, frame: Frame) -> set[int]:
        """Return the tracks of people in a result who have not been detected for a while."""
        now_us = frame.media_time_us
        self._detected_us = {
            person.track: now_us if person.detected else self._detected_us.get(person.track, now_us)
            for person in frame.people
        }
        return {track for track, detected_us in self._detected_us.items() if now_us - detected_us > GUESSED_AFTER_US}

    # -- boxes --------------------------------------------------------------------------------------------------
    def _person(self, draw: ImageDraw.ImageDraw, box: Rect, colour: Colour, guessed: bool) -> None:
        """Draw a faint outline with strong corners, which shows the person without covering parts."""
        x1, y1, x2, y2 = box
        if x2 - x1 < 2 or y2 - y1 < 2:
            return
        strong = max(2, round(2.5 * self.scale))
        draw.rectangle(box, outline=(*colour, 120), width=1)
        arm = min(0.28 * min(x2 - x1, y2 - y1), 26 * self.scale)
        alpha = 140 if guessed else 255
        for x, y, across, down in ((x1, y1, 1, 1), (x2, y1, -1, 1), (x1, y2, 1, -1), (x2, y2, -1, -1)):
            horizontal = sorted((x, x + across * arm))
            vertical = sorted((y, y + down * arm))
            thick_y, thick_x = sorted((y, y + down * (strong - 1))), sorted((x, x + across * (strong - 1)))
            draw.rectangle((horizontal[0], thick_y[0], horizontal[1], thick_y[1]), (*colour, alpha))
            draw.rectangle((thick_x[0], vertical[0], thick_x[1], vertical[1]), (*colour, alpha))

    def _part(self, draw: ImageDraw.ImageDraw, part: Part, box: Rect, thick: float) -> None:
        """Draw a part: thicker and more opaque the more relevant it is, thinner on small people."""
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            return
        relevance = min(1.0, max(0.0, part.relevance))
        colour = relevance_colour(relevance)
        width = max(1, round((1 + 1.6 * relevance) * self.scale * thick))
        fill = (*colour, round(50 * relevance)) if relevance >= 0.3 else None
        draw.rectangle(box, fill, (*colour, round(120 + 135 * relevance)), width)

    def _object(self, draw: ImageDraw.ImageDraw, found: DetectedObject, box: Rect) -> None:
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            return
        size = round(12 * self.scale)
        draw.rectangle(box, outline=(*PAPER, 150), width=1)
        draw.text(
            (box[0] + 3, box[3] - 2),
            shortened(found.label),
            (*PAPER, 220),
            font(size),
            anchor="lb",
            stroke_width=1,
            stroke_fill=INK,
        )

    # -- labels -------------------------------------------------------------------------------------------------
    def _labelled(
        self, placement: Placement, person: Person, box: Rect, before: dict[int, _LabelState]
    ) -> tuple[Block, Rect]:
        """Return the person's label with as many reasons as fit, and its place; the tag itself is always shown."""
        title_size, line_size = round(17 * self.scale), round(13.5 * self.scale)
        held = "".join(f"  holds {label}" for label in sorted({part.holds for part in person.parts if part.holds}))
        title, score, lines = "…", shortened(f"#{person.track}{held}"), ()
        if person.action is not None:
            marked = "experimental  " if person.action.experimental else ""
            title, score = (
                shortened(person.action.label.replace("_", " ")),
                f"{marked}{person.action.score:.2f}  {score}",
            )
            lines = tuple(reasons(person.parts))
        last = before.get(person.track)
        for count in range(len(lines), -1, -1):
            if last is not None and count > last.reasons and last.unchanged < STEADY_RESULTS:
                continue
            block = Block(title, score, lines[:count], title_size, line_size)
            places = around(box, block.size, 4 * self.scale, rings=TAG_RINGS if count == 0 else 1)
            # More detail than in the last picture needs a larger margin, so that labels do not flicker.
            margin = 2.0 if last is None or count <= last.reasons else 8.0
            chosen = placement.find(places, box, used_before=last and last.place, margin=margin)
            if chosen is not None or count == 0:
                chosen = placement.least_covering(places, box) if chosen is None else chosen
                same = last is not None and last.reasons == count
                self._labels[person.track] = _LabelState(count, chosen, last.unchanged + 1 if last and same else 0)
                return block, placement.take(places[chosen])
        raise AssertionError("a label without reasons always has a place")

    def _leader(self, draw: ImageDraw.ImageDraw, box: Rect, label: Rect, colour: Colour) -> None:
        """Draw a line from a label to its person if they do not touch."""
        near = grown(box, 8 * self.scale)
        if label[2] >= near[0] and label[0] <= near[2] and label[3] >= near[1] and label[1] <= near[3]:
            return
        start = (min(max((box[0] + box[2]) / 2, label[0]), label[2]), label[3] if label[3] < box[1] else label[1])
        draw.line((*start, (box[0] + box[2]) / 2, box[1] if label[3] < box[1] else box[3]), (*colour, 230), 2)

    def _state(self, draw: ImageDraw.ImageDraw, placement: Placement, reason: Reason, box: Rect) -> None:
        """Draw the part's state beside its box if there is space."""
        size = round(12.5 * self.scale)
        pad = max(2, round(size * 0.3))
        text = shortened(reason.state.replace("_", " "))
        places = around(box, (text_width(text, size) + 2 * pad, round(size * 1.35)), 2 * self.scale)[:12]
        chosen = placement.find(places, box, margin=1.0)
        if chosen is None:
            return
        x1, y1, x2, y2 = placement.take(places[chosen])
        colour = relevance_colour(reason.relevance)
        draw.rounded_rectangle((x1, y1, x2, y2), pad, (*INK, PLATE_ALPHA), (*colour, 255), 1)
        draw.text(((x1 + x2) / 2, (y1 + y2) / 2), text, (*PAPER, 255), font(size), anchor="mm")
