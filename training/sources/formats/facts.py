"""What is known of public sources, for `partstream data import --like NAME`."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.sources.formats.conversion import Options
from training.sources.terms import Terms


@dataclass(frozen=True, slots=True)
class PublicSource:
    """A public data set: its format, terms and home, and how its files are named and converted.

    `person_from` and `name_from` are regular expressions on a file's path; `labels` are (pattern, action).
    `preparation`: what to do with the files of the home before the import, "" if they have the format already.
    """

    id: str
    format: str
    dataset: str
    home: str
    terms: Terms
    terms_text: str
    person_from: str | None = None
    name_from: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    options: Options = field(default_factory=Options)
    preparation: str = ""


def _all(actions: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return pairs from action: names, separated by spaces; "-" stands for no label."""
    return tuple((name, "" if action == "-" else action) for action, names in actions.items() for name in names.split())


_NO_TERMS = "No terms of the data set are quoted at its home; ask before use outside development."

PUBLIC: dict[str, PublicSource] = {
    source.id: source
    for source in (
        PublicSource(
            "ui_prmd",
            "ui-prmd",
            "UI-PRMD (University of Idaho Physical Rehabilitation Movement Data), Vicon part",
            "https://webpages.uidaho.edu/ui-prmd/",
            "open",
            'Vakanski et al., Data 3(1):2, 2018: "made available under the Open Data Commons Public Domain Dedication '
            'and License v1.0"',
            person_from=r"(s\d\d)_e\d\d",
            labels=_all({"squat": "m01", "other": "m02 m03 m04 m06 m07 m08 m09 m10"}),
            options=Options(unit="mm", up="z", longest_gap=0.2),
        ),
        PublicSource(
            "reactidle",
            "bvh",
            "ReActIdle (Atxa Landa et al., 2025)",
            "https://github.com/Enekoassets/ReActIdle",
            "open",
            'LICENSE.txt: "MIT License. Copyright (c) 2025 [RSAIT]"',
            person_from=r"(\d{3})_(?:acted|genuine)",
            labels=(("*", "stand"),),
            options=Options(up="y", stature=1.70),
        ),
        PublicSource(
            "cmu_dragon",
            "bvh",
            "CMU Graphics Lab Motion Capture Database, cleaned clips",
            "https://github.com/DragonForgedTheArtist/IClone-CMU-Mocap (from mocap.cs.cmu.edu)",
            "open",
            'No licence file. Of the same data: "free to use for commercial and non-commercial purposes" '
            "(keijiro/CMUMocap)",
            person_from=r"(\d{3})_\d\d",
            name_from=r"\d{3}_\d\d",
            labels=_all(
                {
                    "walk": "002_01 002_02 003_* 005_01 006_01 007_*",
                    "run": "002_03",
                    "punch": "002_05",
                    "dance": "005_*",
                    "other": "002_07 002_08 002_09 002_10",
                    "-": "001_* 002_04 002_06 006_*",
                }
            ),
            options=Options(unit="cm", up="z", skip=1),
        ),
        PublicSource(
            "cmu_dmgnn",
            "bvh",
            "CMU Graphics Lab Motion Capture Database, eight actions (Li et al., CVPR 2020)",
            "https://github.com/limaosen0/DMGNN (from mocap.cs.cmu.edu)",
            "open",
            "Repository LICENSE: MIT (Copyright (c) 2020 Maosen Li). Of the same data: "
            '"free to use for commercial and non-commercial purposes" (keijiro/CMUMocap)',
            labels=_all(
                {
                    "walk": "walking_*",
                    "run": "running_*",
                    "other": "basketball_signal_* directing_traffic_* washwindow_*",
                    "-": "basketball_* soccer_* jumping_*",  # jumping: with steps and standing between the jumps
                }
            ),
            options=Options(skip=1),
            preparation="The repository's files hold exponential maps (data/cmu/*/*/*.txt): convert each to a BVH file "
            "of the same name.",
        ),
        PublicSource(
            "mesh2motion",
            "bvh",
            "Mesh2Motion human animations, drawn by hand",
            "https://github.com/Mesh2Motion/mesh2motion-app",
            "open",
            'README: "The art assets (3d models, rigs, animations) are all licensed under CC0."',
            labels=_all(
                {
                    "stand": "Idle_Loop Idle_Talking_Loop Idle?Listening",
                    "walk": "Walk_*",
                    "run": "Jog_* Sprint_*",
                    "jump": "Jump_Start",
                    "crouch": "Crouch_*",
                    "sit": "Sitting_Idle_* Sitting_Talking_* Driving_* Meditate",
                    "sit_down": "Sitting_Enter",
                    "stand_up": "Sitting_Exit",
                    "lie": "Sleeping",
                    "crawl": "Crawl*",
                    "wave": "Greeting",
                    "punch": "Punch_Cross Punch_Jab Fighting?*?Jab",
                    "throw": "Throw?Object",
                    "push_up": "Pushup",
                    "dance": "Dance*",
                    "other": "Hit_* Interact Pistol_Aim_* Pistol_Reload Pistol_Shoot Push_Loop Spell_* Sword_Attack "
                    "Angry Backflip Bow Confused Consume* Defend Dizzy Head?Nod Jumping?Jacks Power?Up Reject "
                    "Run?Anime Shivering Tired?Hunched Two-hand* Victory*",
                    "-": "Death01 Fixing_* Kneeling* Idle_Torch_* Jump_* PickUp_* Pistol_Idle_* Punch_Enter Roll "
                    "Swim_* Sword_Idle Fighting?Idle Flying* Levitate*",
                }
            ),
            preparation="The repository's files are glTF: export each animation as a BVH file of its name, for example "
            "with Blender.",
        ),
        PublicSource(
            "bandai_namco",
            "bvh",
            "Bandai-Namco-Research-Motiondataset 1 and 2",
            "https://github.com/BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset",
            "nc",
            'README: "CC BY-NC 4.0"',
            name_from=r"dataset-\d_([a-z-]+)_",
            labels=_all(
                {
                    "walk": "walk walk-*",
                    "run": "run dash",
                    "wave": "wave-* bye byebye",
                    "punch": "punch",
                    "kick": "kick",
                    "dance": "dance-*",
                    "other": "raise-up-* bow call guide respond slash",
                }
            ),
            options=Options(unit="cm", up="y"),
        ),
        PublicSource(
            "ase",
            "bvh",
            "Reallusion sword-and-shield motions of ASE (Peng et al., SIGGRAPH 2022)",
            "https://github.com/nv-tlabs/ASE",
            "nc",
            'README of the motions: "provided courtesy of Reallusion, strictly for noncommercial use"',
            labels=_all(
                {
                    "-": "*_Fall_* *Kick* *Jump* *Crouch*",  # a fall: stand, fall, lie and stand_up in one file
                    "walk": "*_Walk* amp_humanoid_walk",
                    "run": "*_Run* amp_humanoid_run amp_humanoid_jog",
                    "stand": "*_Idle_*",
                    "other": "RL_Avatar_*",
                }
            ),
            preparation="The repository's files hold rotations of a humanoid of 15 bodies (ase/data/motions/**/*.npy): "
            "convert each to a BVH file of the same name.",
        ),
        PublicSource(
            "utkinect",
            "utkinect",
            "UTKinect-Action3D (Xia, Chen, Aggarwal, 2012)",
            "https://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html",
            "research",
            "Published for research; no terms quoted.",
            person_from=r"(s\d\d)_e\d\d",
            labels=_all(
                {
                    "sit_down": "sitDown",
                    "stand_up": "standUp",
                    "pick_up": "pickUp",
                    "wave": "waveHands",
                    "clap": "clapHands",
                    "other": "push pull",
                }
            ),
            options=Options(unit="m", up="y", tilted=True),
        ),
        PublicSource(
            "msr_action3d",
            "msr-action3d",
            "MSR-Action3D (Li, Zhang, Liu, 2010)",
            "https://sites.google.com/view/wanqingli/data-sets/msr-action3d",
            "research",
            "Published for research; no terms quoted.",
            person_from=r"(s\d\d)_e\d\d",
            labels=_all(
                {
                    "wave": "a01 a02 a11",
                    "punch": "a05 a12",
                    "throw": "a06",
                    "clap": "a10",
                    "kick": "a14 a15",
                    "run": "a16",
                    "-": "a13 a20",
                    "other": "a03 a04 a07 a08 a09 a17 a18 a19",
                }
            ),
            options=Options(unit="m", up="y", sides="by-toes"),
        ),
        PublicSource(
            "ntu_rgbd",
            "ntu",
            "NTU RGB+D (Shahroudy, Liu, Ng, Wang, 2016)",
            "https://rose1.ntu.edu.sg/dataset/actionRecognition/",
            "research",
            "Released for academic research on request.",
            person_from=r"(P\d{3})R\d{3}A\d{3}",
            labels=_all(
                {
                    "sit_down": "A008",
                    "stand_up": "A009",
                    "clap": "A010",
                    "wave": "A023",
                    "kick": "A024",
                    "pick_up": "A006",
                    "throw": "A007",
                    "jump": "A026 A027",
                    "fall": "A043",
                    "-": "A05? A060",  # of two people, who do different things
                }
            ),
            options=Options(unit="m", up="y"),
        ),
        PublicSource(
            "penn_action",
            "penn-action",
            "Penn Action, annotations (Zhang, Zhu, Derpanis, 2013)",
            "https://dreamdragon.github.io/PennAction/",
            "none-stated",
            _NO_TERMS,
            labels=_all(
                {
                    "push_up": "pushup",
                    "throw": "baseball_pitch",
                    "-": "bowl jump_rope",
                    "other": "jumping_jacks situp pullup bench_press clean_and_jerk golf_swing baseball_swing tennis_* "
                    "strum_guitar",
                }
            ),
        ),
        PublicSource(
            "jhmdb",
            "jhmdb",
            "JHMDB, joint annotations (Jhuang et al., 2013)",
            "http://jhmdb.is.tue.mpg.de/",
            "none-stated",
            _NO_TERMS,
            labels=_all(
                {
                    "sit_down": "sit",
                    "stand_up": "stand",
                    "pick_up": "pick",
                    "-": "kick_ball climb_stairs shoot_ball catch",
                    "other": "brush_hair golf pour pullup push shoot_bow shoot_gun swing_baseball",
                }
            ),
        ),
        PublicSource(
            "le2i",
            "videos",
            "Le2i fall detection, coffee room and home (Charfi et al., J. Electronic Imaging 22(4), 2013)",
            "https://github.com/ZinhNguyen/FallDetectionMovenet (videos), "
            "https://github.com/moore0312/Skeleton_falldetection (labels)",
            "none-stated",
            _NO_TERMS,
            labels=_all(
                {
                    "-": "0",
                    "stand": "1",
                    "walk": "2",
                    "sit": "3",
                    "lie": "4",
                    "stand_up": "5",
                    "sit_down": "6",
                    "fall": "7",
                }
            ),
            preparation="The labels are of single frames (Data/coffee_all.csv; videoN.avi there is N-1.mp4 in "
            "dataset6/all): make a table of segments from them, and import it with --positions frames. Keep the "
            "numbers as names, because they decide which videos are trained on.",
        ),
    )
}
