"""Generated activities: bodies stay above the floor, thrown objects fall, labels match the joints."""

from __future__ import annotations

import numpy as np
import pytest

from stages.third_party import weights
from stages.vocabulary import packaged
from training.synthetic.activities import STYLES, MotionLibrary, sources, unseen_motion
from training.synthetic.activities.juggling import FALL
from training.synthetic.activities.mechanics.contact import FLOOR, GRAVITY, between_shoulders, chest_rotation, wrist
from training.synthetic.motion.motion import rotate
from training.synthetic.motion.movement import ACTION_INDEX, ACTIONS, TAG_INDEX, UNSURE, Movement
from training.synthetic.motion.procedural import GESTURES
from training.synthetic.motion.skeleton import Builds, joints
from training.synthetic.sequences.labels import part_states, relevance
from training.synthetic.sequences.scenes import Scene, draw_scene

ONE = np.array([1.7])
BUILD = Builds(
    ONE, 0.245 * ONE, 0.246 * ONE, 0.182 * ONE, 0.148 * ONE, 0.29 * ONE, 0.115 * ONE, 0.062 * ONE, 0.13 * ONE
)
TIMES = np.arange(80) * 0.05


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    return MotionLibrary(weights.fetch("motion"))


def made(library: MotionLibrary, action: str, name: str, seed: int, times: np.ndarray = TIMES) -> Movement:
    style = next(style for style in library.styles if (style.action, style.name) == (action, name))
    return style.make(np.random.default_rng(seed), times)


def points_of(movement: Movement) -> np.ndarray:
    return joints(movement.poses[None], BUILD)[0][0]


def states_of(movement: Movement, times: np.ndarray = TIMES) -> dict[str, list[set[str]]]:
    vocabulary = packaged("edge")
    points, facing = joints(movement.poses[None], BUILD)
    found = part_states(vocabulary, points, facing, movement.tags[None], times[None], BUILD.stature)[0]
    labels = np.array(vocabulary.state_labels)
    return {part: [set(labels[one]) for one in found[:, row]] for row, part in enumerate(vocabulary.parts)}


def in_world(poses: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Return a prop's path [T, 3] in the world, in leg lengths; an arm is 0.672 leg lengths."""
    return between_shoulders(poses) + 0.672 * rotate(chest_rotation(poses), path)


def test_every_action_can_be_drawn_and_names_its_sources(library: MotionLibrary) -> None:
    rng = np.random.default_rng(0)
    for action in ACTIONS:
        for held_out in (False, True):
            scenes = [draw_scene(rng, library, TIMES, held_out=held_out, action=action) for _ in range(3)]
            assert any(ACTION_INDEX[action] in scene.action for scene in scenes), action
            for scene in scenes:
                assert any(source.startswith(f"{action}/") for source in scene.sources), (action, scene.sources)


def test_held_out_styles_never_occur_in_training(library: MotionLibrary) -> None:
    kept = {f"{style.action}/{style.name}" for style in library.styles if style.held_out}
    kept |= {f"{gesture.action}/{gesture.name}" for gesture in GESTURES if gesture.held_out}
    rng, times = np.random.default_rng(1), np.arange(12) * 0.3
    used: set[str] = set()
    for action in ACTIONS * 4:
        used.update(draw_scene(rng, library, times, held_out=False, action=action).sources)
    assert len(used) > 60 and not used & kept


def test_an_action_is_unseen_only_if_a_whole_source_is_held_out() -> None:
    seen = [action for action in ACTIONS if not unseen_motion(action)]
    assert seen == ["stand", "walk", "run", "crouch", "sit", "kick", "cartwheel"]
    for action in ACTIONS:
        shared = sources(action, held_out=False) & sources(action, held_out=True)
        assert not (shared and unseen_motion(action)), (action, shared)
    names = [(style.action, style.name) for style in STYLES]
    assert len(names) == len(set(names))


def test_no_body_sinks_into_the_floor(library: MotionLibrary) -> None:
    rng = np.random.default_rng(2)
    for style in library.styles:
        for _ in range(2):
            movement = style.make(rng, TIMES)
            deepest = points_of(movement)[..., 1].min()
            assert deepest > -0.07, f"{style.action}/{style.name}: {deepest:.2f} m"


@pytest.mark.parametrize("name", ["toes", "knees"])
def test_push_ups_move_the_shoulders_while_the_hands_stay_on_the_floor(library: MotionLibrary, name: str) -> None:
    times = np.arange(160) * 0.05
    for seed in range(4):
        movement = made(library, "push_up", name, seed, times)
        points = points_of(movement)
        assert points[:, 9:11, 1].max() < 0.15 and points[:, 11:13, 1].max() < 0.65
        assert np.linalg.norm(points[:, 9:11] - points[:1, 9:11], axis=-1).max() < 0.05, "hands stay"
        assert np.ptp(points[:, 5, 1]) > 0.12
        states = states_of(movement, times)
        assert all("support" in one for one in states["left_hand"])
        assert not any(one & {"stand", "step", "sit"} for one in states["hip"])


@pytest.mark.parametrize("name", ["cascade", "shower", "exchanges", "columns"])
def test_juggled_balls_are_in_free_fall_or_in_a_hand(library: MotionLibrary, name: str) -> None:
    step = 0.01
    times = np.arange(300) * step
    for seed in range(3):
        movement = made(library, "juggle", name, seed, times)
        assert 2 <= len(movement.props) <= 3
        for prop in movement.props:
            path = prop.path
            assert prop.held == "free" and path is not None
            speed = np.diff(path[:, 1]) / step
            drop = np.diff(speed) / step
            shoulders = np.array([0.0, 0.0, 0.234 / 0.672])
            sides = [
                movement.poses[:, 15 + 3 * side : 18 + 3 * side] + (1 if side else -1) * shoulders for side in (0, 1)
            ]
            away = np.min([np.linalg.norm(path - hand - (0, 0.1, 0), axis=-1) for hand in sides], 0)[1:-1]
            flying = abs(drop + FALL) < 0.02 * FALL
            assert flying[away > 0.12].mean() > 0.95
            assert flying.mean() > 0.15, "thrown"
            assert (away < 0.08).mean() > 0.1, "caught"
            assert abs(speed).max() * 0.672 * 0.835 < 9, "metres per second"


def test_only_the_load_distinguishes_carrying_from_standing(library: MotionLibrary) -> None:
    for seed in range(5):
        loaded = made(library, "carry", "standing", seed)
        (load,) = loaded.props
        assert load.held == "both" and load.name in ("box", "barbell") and load.shown.all()
        empty = made(library, "stand", "empty_arms", seed)
        assert empty.action == "stand" and not empty.props
        np.testing.assert_array_equal(empty.poses, loaded.poses)  # the same draws give the same arms
        assert all("carry" in one for one in states_of(loaded)["left_arm"])
        assert not any("carry" in one for one in states_of(empty)["left_arm"])


def test_a_fall_begins_standing_and_ends_lying(library: MotionLibrary) -> None:
    times = np.arange(240) * 0.025
    for style in library.styles:
        if style.action != "fall":
            continue
        for seed in range(4):
            movement = style.make(np.random.default_rng(seed), times)
            labels = movement.labels
            assert labels is not None
            order = [ACTIONS[label] for label in labels[labels != UNSURE]]
            assert list(dict.fromkeys(order)) in (["stand", "fall", "lie"], ["stand", "fall"], ["fall", "lie"])
            pelvis = points_of(movement)[:, 11:13, 1].mean(1)
            falling = times[labels == ACTION_INDEX["fall"]]
            assert np.ptp(falling) < 2.2
            if "stand" in order:
                assert pelvis[labels == ACTION_INDEX["stand"]].min() > 0.7
            if "lie" in order:
                assert pelvis[labels == ACTION_INDEX["lie"]].max() < 0.35, style.name
                assert "lie" in states_of(movement, times)["hip"][-1]


def test_sitting_down_lowers_the_pelvis_and_standing_up_raises_it(library: MotionLibrary) -> None:
    times = np.arange(160) * 0.05
    for style in library.styles:
        if style.action not in ("sit_down", "stand_up"):
            continue
        for seed in range(3):
            movement = style.make(np.random.default_rng(seed), times)
            assert movement.labels is not None
            pelvis = points_of(movement)[:, 11:13, 1].mean(1)
            stands = movement.labels == ACTION_INDEX["stand"]
            rests = (movement.labels == ACTION_INDEX["sit"]) | (movement.labels == ACTION_INDEX["lie"])
            assert not stands.any() or pelvis[stands].min() > 0.7, style.name
            assert not rests.any() or pelvis[rests].max() < 0.65, style.name
            first, last = np.flatnonzero(movement.labels == ACTION_INDEX[style.action])[[0, -1]]
            if last == len(times) - 1:
                continue  # not finished within the sequence
            assert (pelvis[last] < pelvis[first]) == (style.action == "sit_down"), style.name


def test_a_thrown_ball_starts_at_the_hand_and_falls(library: MotionLibrary) -> None:
    times = np.arange(300) * 0.02
    seen = 0
    for name in ("overarm", "sidearm", "underarm"):
        for seed in range(4):
            movement = made(library, "throw", name, seed, times)
            away = [prop for prop in movement.props if prop.held == "free" and (prop.shown > 0.5).sum() > 8]
            for prop in away:
                assert prop.path is not None
                shown = np.flatnonzero(prop.shown > 0.5)
                if shown[0] == 0:
                    continue  # thrown before the sequence
                path = in_world(movement.poses, prop.path)[shown]
                hand = wrist(movement.poses, 1)[shown[0]]
                assert np.linalg.norm(path[0] - hand) < 0.8, (name, np.linalg.norm(path[0] - hand))
                airborne = path[path[:, 1] > FLOOR + 0.1][:8, 1]
                if len(airborne) == 8:
                    np.testing.assert_allclose(np.diff(airborne, 2) / 0.02**2, -GRAVITY, rtol=0.02)
                    seen += 1
    assert seen > 4


def test_an_object_lies_still_until_it_is_picked_up_and_is_held_afterwards(library: MotionLibrary) -> None:
    for name in ("bending", "squatting", "kneeling"):
        movement = made(library, "pick_up", name, 3, np.arange(160) * 0.05)
        lying, held = movement.props[-2:]
        assert lying.name == held.name and lying.held == "free" and held.held in ("right", "both")
        assert ((lying.shown > 0.5) != (held.shown > 0.5)).all()
        assert lying.path is not None
        place = in_world(movement.poses, lying.path)
        np.testing.assert_allclose(place, np.broadcast_to(place[0], place.shape), atol=1e-6)
        assert place[0, 1] < 0.45


def test_a_lying_person_raises_an_arm_only_above_the_head(library: MotionLibrary) -> None:
    seen: set[str] = set()
    for seed in range(12):
        movement = made(library, "lie", "back", seed)
        states = states_of(movement)
        assert states["hip"][-1] == {"lie"} and not states["left_leg"][-1] & {"stand", "step"}
        for side in ("left", "right"):
            above = movement.poses[-1, 16 if side == "left" else 19] > 0.2
            below = movement.poses[-1, 16 if side == "left" else 19] < -0.2
            assert not (below and "raise" in states[f"{side}_hand"][-1])
            assert not above or "raise" in states[f"{side}_hand"][-1]
            seen |= {"above"} if above else {"below"} if below else set()
    assert seen == {"above", "below"}


def test_a_holding_hand_has_an_object(library: MotionLibrary) -> None:
    rng, times = np.random.default_rng(4), np.arange(30) * 0.2
    holding = 0
    for action in ("stand", "walk", "sit", "crouch") * 12:
        scene: Scene = draw_scene(rng, library, times, held_out=False, action=action, change_share=0.0)
        for side, name in enumerate(("left", "right")):
            holds = scene.tags[:, TAG_INDEX["hold_l"] + side] > 0.5
            things = [prop.shown > 0.5 for prop in scene.props if prop.held in (name, "both")]
            # Clasped hands share one object, which is attached to either hand.
            other = [prop.shown > 0.5 for prop in scene.props if prop.held in ("left", "right")]
            assert not (holds & ~np.any([*things, *other, np.zeros_like(holds)], 0)).any(), scene.sources
            holding += int(holds.any())
    assert holding > 15


def test_the_relevant_parts_are_those_that_perform_the_action() -> None:
    vocabulary = packaged("edge")
    still, times = np.zeros((1, 2, 17, 3)), np.array([[0.0, 0.1]])
    tags = np.zeros((1, 2, len(TAG_INDEX)))
    tags[..., TAG_INDEX["throw_r"]] = 1.0
    for action, parts in (
        ("throw", {"right_arm", "right_hand"}),
        ("lie", {"hip", "left_leg", "right_leg"}),
        ("juggle", {"left_arm", "right_arm", "left_hand", "right_hand"}),
    ):
        rows = np.full((1, 2), ACTION_INDEX[action])
        defining, known = relevance(vocabulary, rows, still, tags, times, BUILD.stature)
        assert known.all() and {vocabulary.parts[i] for i in np.flatnonzero(defining[0, 0])} == parts
    dancing, known = relevance(vocabulary, np.full((1, 2), ACTION_INDEX["dance"]), still, tags, times, BUILD.stature)
    assert not known.any() and not dancing.any(), "nothing moves"


def test_the_activity_before_an_event_does_not_cover_it(library: MotionLibrary) -> None:
    rng, times = np.random.default_rng(6), np.arange(120) * 0.05
    joined = 0
    for action in ("fall", "pick_up", "throw") * 8:
        scene = draw_scene(rng, library, times, held_out=False, action=action, change_share=1.0, latest_change=0.5)
        joined += len(scene.sources) > 1
        on = scene.action == ACTION_INDEX[action]
        assert times[on].size and np.ptp(times[on]) > 0.3
    assert joined > 4
