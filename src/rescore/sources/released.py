"""What authors and others left in public beside their papers: predictions, training logs, labels, splits, judges' marks.

None of these files is part of this project. `released.csv` names each with its size and SHA-256 at the commit given here.
"""

import csv
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rescore.sources.source import NO_LICENCE, OriginFile, Source

FILES = Path(__file__).with_name("released.csv")
MIT = "MIT (LICENSE in the repository)"
JIGSAWS_TERMS = "JIGSAWS' labels are under that data set's own agreement: research use, and no passing on"

TANG = """@inproceedings{tang2020uncertainty,
  title={Uncertainty-aware Score Distribution Learning for Action Quality Assessment},
  author={Tang, Yansong and Ni, Zanlin and Zhou, Jiahuan and Zhang, Danyang and Lu, Jiwen and Wu, Ying and Zhou, Jie},
  booktitle={IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year={2020}
}"""
YU = """@inproceedings{yu2021group,
  title={Group-aware Contrastive Regression for Action Quality Assessment},
  author={Yu, Xumin and Rao, Yongming and Zhao, Wenliang and Lu, Jiwen and Zhou, Jie},
  booktitle={IEEE/CVF International Conference on Computer Vision (ICCV)},
  year={2021}
}"""
MCORE = """@inproceedings{an2024multi,
  title={Multi-Stage Contrastive Regression for Action Quality Assessment},
  booktitle={IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year={2024}
}"""
FINEDIVING = """@inproceedings{xu2022finediving,
  title={FineDiving: A Fine-grained Dataset for Procedure-aware Action Quality Assessment},
  author={Xu, Jinglin and Rao, Yongming and Yu, Xumin and Chen, Guangyi and Zhou, Jie and Lu, Jiwen},
  booktitle={IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year={2022}
}"""
LIU = """@inproceedings{liu2021towards,
  title={Towards Unified Surgical Skill Assessment},
  author={Liu, Daochang and Li, Qiyue and Jiang, Tingting and Wang, Yizhou and Miao, Rulin and Shan, Fei and Li, Ziyu},
  booktitle={IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year={2021}
}"""
RICA2 = """@inproceedings{majeedi2024rica2,
  title={RICA2: Rubric-Informed, Calibrated Assessment of Actions},
  author={Majeedi, Abrar and Gajjala, Viswanatha Reddy and GNVV, Satya Sai Srinath Namburi and Li, Yin},
  booktitle={European Conference on Computer Vision (ECCV)},
  year={2024}
}"""
MTL_AQA = """@inproceedings{parmar2019and,
  title={What and How Well You Performed? A Multitask Learning Approach to Action Quality Assessment},
  author={Parmar, Paritosh and Morris, Brendan Tran},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year={2019}
}"""
COFINAL = """@inproceedings{zhou2024cofinal,
  title={CoFInAl: Enhancing Action Quality Assessment with Coarse-to-Fine Instruction Alignment},
  author={Zhou, Kanglei and Li, Junlin and Cai, Ruizhi and Wang, Liyuan and Zhang, Xingxing and Liang, Xiaohui},
  booktitle={International Joint Conference on Artificial Intelligence (IJCAI)},
  year={2024}
}"""
FIS_V = """@article{xu2020learning,
  title={Learning to Score Figure Skating Sport Videos},
  author={Xu, Chengming and Fu, Yanwei and Zhang, Bing and Chen, Zitian and Jiang, Yu-Gang and Xue, Xiangyang},
  journal={IEEE Transactions on Circuits and Systems for Video Technology},
  year={2020}
}"""
EMERSON = """@article{emerson2009assessing,
  title={Assessing Judging Bias: An Example From the 2000 Olympic Games},
  author={Emerson, John W. and Seltzer, Miki and Lin, David},
  journal={The American Statistician},
  year={2009}
}"""
LTSOE = """@inproceedings{parmar2017learning,
  title={Learning to Score Olympic Events},
  author={Parmar, Paritosh and Morris, Brendan Tran},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition Workshops (CVPRW)},
  year={2017}
}"""


class Origin(NamedTuple):
    """A repository of the code host that all of these come from."""

    name: str
    repository: str
    """`owner/name`."""
    commit: str
    note: str
    licence: str
    citation: str
    pointers: bool = True


def of_repository(repository: str) -> str:
    """How to cite what has no paper that the repository names."""
    key = repository.replace("/", "_").lower()
    return f"@misc{{{key},\n  howpublished={{https://github.com/{repository}}}\n}}"


ORIGINS = (
    Origin(
        "released-musdl",
        "nzl-thu/MUSDL",
        "205868a826e4df3d0bcac5aa03ca36761aad43cd",
        "Logs of USDL and MUSDL on JIGSAWS (3 tasks, 4 folds, 3 runs) and MTL-AQA; JIGSAWS' labels and folds.",
        f"{NO_LICENCE}; {JIGSAWS_TERMS}",
        TANG,
    ),
    Origin(
        "released-mcore",
        "Angel-1999/MCoRe",
        "0a3e4b3a028c64845a95baa2f9da018c1ed95084",
        "MCoRe's predictions of FineDiving's 749 test dives, and its logs.",
        NO_LICENCE,
        MCORE,
    ),
    Origin(
        "released-finediving",
        "XuHuangbiao/T2CR",
        "7d7cb7005dba313646f6b20cb0fa7cdcf8b8b82c",
        "FineDiving's 3000 annotations with judges' marks and difficulty, its split (2251 and 749), and MTL-AQA's annotations.",
        "MIT for the repository; the annotations belong to FineDiving's and MTL-AQA's authors, who state none",
        FINEDIVING,
    ),
    Origin(
        "released-vtpe",
        "Finspire13/Towards-Unified-Surgical-Skill-Assessment",
        "30c84d8f09486d4fffdd7d3f02401e71c581a530",
        "VTPE's predictions on JIGSAWS: 3 tasks, 4 folds, every 25 epochs, 5 paths, test and training trials.",
        f"{MIT}; {JIGSAWS_TERMS}",
        LIU,
        pointers=False,
    ),
    Origin(
        "released-rica2",
        "abrarmajeedi/rica2_aqa",
        "1d67c41725ad9f71844efe895904b9ea968f1c11",
        "Five logs of RICA2: MTL-AQA and FineDiving, deterministic and stochastic.",
        MIT,
        RICA2,
    ),
    Origin(
        "released-mtl-aqa-reruns",
        "jpyneni3/MTL-AQA",
        "1501e01dea9427dd60856b829088ecc0c77bbce7",
        "Others' logs of MTL-AQA's code: C3D-AVG, and variants with attention, GRU, LSTM and S3D.",
        NO_LICENCE,
        MTL_AQA,
    ),
    Origin(
        "released-core-reruns",
        "triplepiers/AQA",
        "30a7be41e2d4ddd7ec0198827e7d54120e905853",
        "Others' logs of CoRe's code: MTL-AQA (118 epochs) and AQA-7's dives (60).",
        MIT,
        YU,
    ),
    Origin(
        "released-asgtn",
        "jiangliu5/ASGTN_AQA",
        "7bbb2a2ce4acd0d4b3aedff7d89b085f110ac7e7",
        "ASGTN's event files: Rhythmic Gymnastics' four apparatus, Fis-V's two scores.",
        NO_LICENCE,
        of_repository("jiangliu5/ASGTN_AQA"),
    ),
    Origin(
        "released-cofinal",
        "ZhouKanglei/CoFInAl_AQA",
        "fe1f4c1e9c79f60a9a9abd5bcafea43b5ba82019",
        "CoFInAl's log on Rhythmic Gymnastics, Ball.",
        NO_LICENCE,
        COFINAL,
    ),
    Origin(
        "released-fis-v",
        "chmxu/MS_LSTM",
        "103b31e2c17e1676aa648c3e5e8759801dcded88",
        "Fis-V's scores and its split (400 and 100).",
        NO_LICENCE,
        FIS_V,
    ),
    Origin(
        "released-fis-v-elements",
        "arushirai1/Rubric-Constrained-FS-Scoring",
        "adb51b907a56bb63c80b37e2dcfdca18b8498254",
        "Element lists of Fis-V's 500 programmes: base value and grade of execution.",
        "MIT (stated in the repository's README)",
        of_repository("arushirai1/Rubric-Constrained-FS-Scoring"),
    ),
    Origin(
        "released-diving-2000",
        "ericw5134/math303-project",
        "dacec974cec9234a8a441c4cb8278c0707eeb754",
        "Every judge's mark of the dives of the 2000 Olympic Games, with countries.",
        NO_LICENCE,
        EMERSON,
    ),
    Origin(
        "released-figure-skating",
        "BuzzFeedNews/figure-skating-scores",
        "6aacc688b9847653141a6034feb424723be52d35",
        "Single marks of figure skating's panels, with the segments' scores.",
        "data CC BY 4.0 (README in the repository)",
        of_repository("BuzzFeedNews/figure-skating-scores"),
    ),
    Origin(
        "released-ltsoe",
        "ParitoshParmar/LTSOE",
        "6461b49889c51603d717b6ffb00e912bdf411a76",
        "Splits, scores and difficulties of the 370 dives of Learning to Score Olympic Events: 300/70, and six of 100/59.",
        NO_LICENCE,
        LTSOE,
    ),
)


def files_by_source() -> dict[str, tuple[OriginFile, ...]]:
    """The files of `released.csv`, by source."""
    found: dict[str, list[OriginFile]] = defaultdict(list)
    with FILES.open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            found[line["source"]].append(OriginFile(line["name"], int(line["size"]), line["sha256"]))
    return {name: tuple(files) for name, files in found.items()}


def entries() -> tuple[Source, ...]:
    """The catalogue's entries of all of them."""
    files = files_by_source()
    return tuple(
        Source(
            name=origin.name,
            note=origin.note,
            licence=origin.licence,
            citation=origin.citation,
            repository=f"https://github.com/{origin.repository}",
            commit=origin.commit,
            url=f"https://raw.githubusercontent.com/{origin.repository}/{origin.commit}",
            mirror=f"released/{origin.repository.replace('/', '__')}",
            files=files[origin.name],
            pointers=origin.pointers,
        )
        for origin in ORIGINS
    )


RELEASED = entries()
