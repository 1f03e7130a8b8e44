"""Where every input comes from: origin, commit, checksum, licence, citation. Nothing listed here is part of this project.

A source of the first kind is a few files at one commit of a public git repository; `rescore.sources.fetch` brings and
verifies them. A source of the second kind (`manual`) is too large, has no published checksum, or moves: the project says
what to do and where the files go, and pretends nothing.
"""

from rescore.sources.released import RELEASED
from rescore.sources.source import NO_LICENCE, OriginFile, Source, origin_path

__all__ = ["BY_NAME", "NO_LICENCE", "SOURCES", "OriginFile", "Source", "origin_path"]

AQA7_PAPER = """@inproceedings{parmar2019action,
  title={Action Quality Assessment Across Multiple Actions},
  author={Parmar, Paritosh and Morris, Brendan Tran},
  booktitle={IEEE Winter Conference on Applications of Computer Vision (WACV)},
  year={2019}
}"""
MTL_AQA_PAPER = """@inproceedings{parmar2019and,
  title={What and How Well You Performed? A Multitask Learning Approach to Action Quality Assessment},
  author={Parmar, Paritosh and Morris, Brendan Tran},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages={304--313},
  year={2019}
}"""
S3D_PAPER = """@inproceedings{xiang2018s3d,
  title={S3D: Stacking Segmental P3D for Action Quality Assessment},
  author={Xiang, Xiang and Tian, Ye and Reiter, Austin and Hager, Gregory D. and Tran, Trac D.},
  booktitle={IEEE International Conference on Image Processing (ICIP)},
  year={2018}
}"""
ACTION_NET_PAPER = """@inproceedings{zeng2020hybrid,
  title={Hybrid Dynamic-static Context-aware Attention Network for Action Assessment in Long Videos},
  author={Zeng, Ling-An and Hong, Fa-Ting and Zheng, Wei-Shi and Yu, Qi-Zhi and Zeng, Wei and Wang, Yao-Wei and Lai, Jian-Huang},
  booktitle={ACM International Conference on Multimedia},
  year={2020}
}"""
UCF101_PAPER = """@article{soomro2012ucf101,
  title={UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild},
  author={Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  journal={arXiv preprint arXiv:1212.0402},
  year={2012}
}"""
C3D_PAPER = """@inproceedings{tran2015learning,
  title={Learning Spatiotemporal Features with 3D Convolutional Networks},
  author={Tran, Du and Bourdev, Lubomir and Fergus, Rob and Torresani, Lorenzo and Paluri, Manohar},
  booktitle={IEEE International Conference on Computer Vision (ICCV)},
  year={2015}
}"""

# Computed from the files at the commits named beside them.
AQA7_FILES = (
    OriginFile("consolidated_test_list.mat", 1371, "0be5b0f786a5e11dc7bd36f54cc08d945feab86fcf0a1a6128e34c32877cbcfd"),
    OriginFile("consolidated_train_list.mat", 3225, "8ce46439f389e1a6492f6cc95446e6df968ff7ac6c4c48066c4ca1bacdbc18ee"),
)
MTL_AQA_FILES = (
    OriginFile("Raw_Annotations/01.sbv", 218453, "129ad3573ab0152c35b5169957fadc530466008b3c410e488792ca4e6e294a9f"),
    OriginFile("Raw_Annotations/01.xlsx", 35908, "656285a95285af52c0e998d0153b893ef27060784614939a53f9428648c259be"),
    OriginFile("Raw_Annotations/02.sbv", 129029, "13439657633f4840d08b03c68faa83d305f39f572265f15e2d93eac886203df8"),
    OriginFile("Raw_Annotations/02.xlsx", 20338, "691db5735e3a8220528dfd50e13180db3a79e5e576177f617b6ba9ddc14c59f8"),
    OriginFile("Raw_Annotations/03.sbv", 125368, "b7c593582087bc00ddc00feb61b9a0b3804076d665d109fa822fcadcea04c2a7"),
    OriginFile("Raw_Annotations/03.xlsx", 15406, "0b4faa6c1ee4e2f448e5d26be0872ea686008b3ee68b90a73293c6a6daf0e5bf"),
    OriginFile("Raw_Annotations/04.sbv", 197417, "0a162d35dc8ac98af04841ed0e40c23fc291a75fdf536a2ee187091b9d3ff42c"),
    OriginFile("Raw_Annotations/04.xlsx", 31224, "55d8691fe31feeec43f93f1735c687625dd7c4a39e60c8c120f2bd72ef1ee657"),
    OriginFile("Raw_Annotations/05.sbv", 144080, "3e44ef748d6b3ac4cb75dd2333ff5f567ccebbf50a4e45d8d9bf3b75b2764d5a"),
    OriginFile("Raw_Annotations/05.xlsx", 20588, "c29dd9f6021e60da6941bb70e789c66060e82c875912e738e237bf40cacd60e3"),
    OriginFile("Raw_Annotations/06.sbv", 122387, "5c483ce08cc69ef9d0659ff6586c59a5957b3b683ed6bcd7bb69ae1731fd02dd"),
    OriginFile("Raw_Annotations/06.xlsx", 14437, "12dae42bf9e203a701d7dab8eef8dcb52b9c8af6c2b4c201f8c34d59b8a01989"),
    OriginFile("Raw_Annotations/07.sbv", 79558, "cab775bcce2ed19352a5077784576872581d3296bcf94657cf59732d527f5c4b"),
    OriginFile("Raw_Annotations/07.xlsx", 24435, "305217d226f7d07edcd990477d09b5685cea40f6befbe1aa4fcc2f4c64870fea"),
    OriginFile("Raw_Annotations/09.sbv", 64685, "a9b19c4bb71cf06b8261b559aa944cf6acb9801a20b1c69ba5dbdc14443d0dec"),
    OriginFile("Raw_Annotations/09.xlsx", 22978, "481699d29a0a37279b6e6ffe906439999b50cb1bd25b23c3f11e062bd4370710"),
    OriginFile("Raw_Annotations/10.sbv", 54780, "c7cea08220f526805da7433d71b28b9c2eb0d45ec2dfee1f27c3e4a504847d3f"),
    OriginFile("Raw_Annotations/10.xlsx", 16053, "059ea90086f4cb8efcff2cc294be91de9fc9d0a30deda2cae6e49b9a7b7846bf"),
    OriginFile("Raw_Annotations/13.sbv", 48941, "292b288646e4be17255262e3fe252cb1a71082ae05c45e2ebec4aaede0b840b7"),
    OriginFile("Raw_Annotations/13.xlsx", 10531, "3ec1cb4fd7dec93daf4e9a5cfbe87f6b341ff41d25aa714791d9a9a820885a8c"),
    OriginFile("Raw_Annotations/14.sbv", 119522, "4bc2d4ade7effc8c6ed4feb631bf8733e50cc592481003011067c4b731441a86"),
    OriginFile("Raw_Annotations/14.xlsx", 20203, "441407c1485f9f32dabf9d5528957fa3765fcca6f179f2b0da7989c7d6879f0a"),
    OriginFile("Raw_Annotations/17.sbv", 225409, "17b25cc55402f57127490d325f3ab1db38612dec6cd2ef1ee9847c51a7d3991f"),
    OriginFile("Raw_Annotations/17.xlsx", 30051, "f207ac8f706e7c852934a8b91e1ad246beed8acb9c626f0badf5cb93a0e1ba67"),
    OriginFile("Raw_Annotations/18.sbv", 139568, "96b13befee58de55f55384d7d37a9a7947a903f4d76ce91fbcc8b34b86a2343b"),
    OriginFile("Raw_Annotations/18.xlsx", 15216, "424934699e70e491ca510dcfaf0bda97f748d77defc5a769fd145c7f8197eaa0"),
    OriginFile("Raw_Annotations/22.sbv", 57115, "c6673bf5246d702760d2b54255a059c67ee9dc260422441ab4cd69c180586b47"),
    OriginFile("Raw_Annotations/22.xlsx", 12776, "83fb2de17c78f05e0805a4c3af4464832792159eb224a3a65ec402095ca3cea6"),
    OriginFile("Raw_Annotations/26.sbv", 204317, "7ad540fa3f828275e6ca26d5eab3f5ae0bb2504bbace55ec9c165f56d272b251"),
    OriginFile("Raw_Annotations/26.xlsx", 31879, "c665264d1910d7da9ba8c63286c1e7ea381edcbaf115ee6ae1a795fb0bde3991"),
    OriginFile("Raw_Annotations/Readme.txt", 745, "f93fff0719928f1de759ce35510172b4f6c6637cd9e4fa894c98cfdb718ef9c5"),
    OriginFile(
        "Ready_2_Use/MTL-AQA_split_0_data/final_annotations_dict.pkl",
        107283,
        "8fda2f55be4f7e8031923c796d5599c357582df759dbd476de6cc40c2b3c81f3",
    ),
    OriginFile(
        "Ready_2_Use/MTL-AQA_split_0_data/final_captions_dict.pkl",
        1493350,
        "8ecbbed8f4bd393481747c849b38970e59e99194210f1ae01440ae7b164fa9d5",
    ),
    OriginFile(
        "Ready_2_Use/MTL-AQA_split_0_data/test_split_0.pkl",
        2773,
        "c25d6619e0044182ab303b64f4c0386510c2e17d302aad28f08c5e461319904a",
    ),
    OriginFile(
        "Ready_2_Use/MTL-AQA_split_0_data/train_split_0.pkl",
        9835,
        "87d5dd2fe704af5ae1130b8d3ab66d2d4287346363fa37f52cee27dfb6730e52",
    ),
    OriginFile(
        "Ready_2_Use/MTL-AQA_split_0_data/vocab.json",
        198652,
        "2bd8b3e30338d1d250b91404716879f05ec99c7a3c2870d2c4509bc44842d00e",
    ),
    OriginFile("Ready_2_Use/Readme.txt", 1760, "e69a885b1617afe95b479578fad5a2bb2d1110cbe876019e2ec55a777367a6fc"),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/final_annotations_dict.pkl",
        27981,
        "789e9da1692839a82eed3710c73c77b70ce18f15e928db83d5ab5f4d9ce2b753",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/final_captions_dict.pkl",
        391436,
        "4856a0f1e1854c0ba79d52d109ae4920466fe73dd91db29644ff6f4221d5aa1a",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/test_split_0.pkl",
        659,
        "297e156c634b47138c1270e1354080394d1e2855ede964e134e1b0cf23fb073d",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/test_split_370_4.pkl",
        2680,
        "932759ea5e36420d022e4d8ce32d5a4a55864f7f7480b1375591b4c84061735c",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/test_tupled_list.mat",
        302,
        "83df28227cbc92e5916fc5f14677d23a35fe382de43f7b967cb75b59d635e72c",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/train_split_0.pkl",
        2033,
        "0fe4d4d3723278fc1095d48d540f8ebc797adae69da5d44524435cb0b121afb9",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/train_split_370_4.pkl",
        13654,
        "f40ad7c1c068ce2f10408685bbbe2124fc3e9bc2435bce638c26241426b1b45f",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/train_tupled_list.mat",
        456,
        "ed648bdf39b80626aca21fa506428bf2c411755e7098491dad1dbcd257f698e6",
    ),
    OriginFile(
        "Ready_2_Use/UNLV_Dive_split_4/vocab.json",
        95120,
        "7410236bc6cde3599e14dff5e9b696bdaddd9805cb902e859759bc278bdf3a0e",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_140/final_annotations_dict.pkl",
        14147,
        "b8807f551aabfc001c4ca18d0ad3adaee34929592516285d7627d5998cb67331",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_140/final_captions_dict.pkl",
        202111,
        "1f720c083d7d74b35c14a1f8fac870a79761d91b215b579f23c2f9380b9b86d3",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_140/train_split_0.pkl",
        1009,
        "c256f5c7e686542be3e599f7ef119e7e7706f5f4f50647d69c23220eda9a4514",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_140/vocab.json",
        68228,
        "8d9193a2c15bdeeca76c9a9f28ded81343cf608aa685fd87a72dba8cd0e8796a",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_280/final_annotations_dict.pkl",
        27981,
        "789e9da1692839a82eed3710c73c77b70ce18f15e928db83d5ab5f4d9ce2b753",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_280/final_captions_dict.pkl",
        391436,
        "4856a0f1e1854c0ba79d52d109ae4920466fe73dd91db29644ff6f4221d5aa1a",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_280/train_split_0.pkl",
        2033,
        "0fe4d4d3723278fc1095d48d540f8ebc797adae69da5d44524435cb0b121afb9",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_280/vocab.json",
        95120,
        "7410236bc6cde3599e14dff5e9b696bdaddd9805cb902e859759bc278bdf3a0e",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_450/final_annotations_dict.pkl",
        44751,
        "bc8f597d0e870e76452c50a2b6160f06b8b5a806b8484685d0fbd8debeeef978",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_450/final_captions_dict.pkl",
        695757,
        "f781f2f885bf43d420fdb7b1686f5d66873289d6eb11bca4c366897460ae2a46",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_450/train_split_0.pkl",
        3673,
        "18c37c61f2164841b2ee1079a02345782a04b4d9b6868a4f8ce84ffb7c4629fe",
    ),
    OriginFile(
        "Ready_2_Use/smaller_training_sets/size_450/vocab.json",
        130478,
        "d27069fff773c05ca8c9b0bcdfb72536e82fad646349e297f3445c9b79d83172",
    ),
    OriginFile("Video_List.xlsx", 9813, "e72cea0132e370c8521c597168398ffc5d8bd13426f854daeba462f548502c62"),
)
S3D_FILES = (
    OriginFile("all_test_v2.npy", 598000, "4ff9f48fb86aa89863cb376d36a55bc818d937e5c2a32152e219fd4c4afa537d"),
    OriginFile("all_train_v2.npy", 2564271, "693bb756c570c90f51ef5bb461a2c3fad8b79ba58c690d7e3d16cb28daa4bb87"),
    OriginFile("difficulty_level.npy", 3040, "db2d0d4c2c7248e7fa89b6894e69223ccec379cc7922780539d8bde6fcdb9405"),
    OriginFile("jump_drop_water_label.txt", 4400, "0db9e56678e64160bf17b230974d836b8939002934cf95d117573b2be625604c"),
    OriginFile("overall_scores.npy", 3040, "50453fa9a9f36f652e11622dbca186e6312fc755cef674eef8bb9526974bf3bd"),
    OriginFile("tcn_output2.npy", 1184128, "597955b990de4e230504240d7fc21710ab10e5e2a5224778211558e2deef6a8b"),
    OriginFile(
        "testing_idx.npy",
        220,
        "7d42810fc93b57a1c27b1b1ad7f395b44cc92aae4846787021dc595eae5ad605",
        origin="testing_idx.npy",
    ),
    OriginFile(
        "training_idx.npy",
        680,
        "ef72f334f1ae388c274b9866a39f78957735f44266175fb7444f7f58bca6899f",
        origin="training_idx.npy",
    ),
)
RHYTHMIC_GYMNASTICS_FILES = (
    OriginFile("test.txt", 6852, "f56a103c365a1ab2f5f5d7f19e1cf1ffbf2f220f01b27c46ef39ed9dbb0d0bbb"),
    OriginFile("train.txt", 27248, "1f54d40d6a3caaaaa86ea085d7f5d53498b86cda3222a8f3dc6887ee5bef17e7"),
)
UCF101_FILES = (
    OriginFile("classInd.txt", 1586, "2a798a30209e8b77adee0137746585c85a687d2e2289364d15888f81a64b9450"),
    OriginFile("testlist01.txt", 153041, "6dbcc18a08d60a909dda63fe670c9432e6acfa65b04f96e8397a26ce4d31c53f"),
    OriginFile("trainlist01.txt", 395164, "a9cdad701efdbf7ff5f1f3e9c8aba8ac1c162f37b023a335e9103188df981d06"),
)
DIVE_FILES = (
    OriginFile(
        "aqa7_diving_054.avi",
        1083424,
        "e2a9bb602dc59ecdef88dba6569c541f18d0df8b8a590f59702867ff52af3fad",
        origin="054.avi",
    ),
)

SOURCES = (
    Source(
        name="aqa7-lists",
        note="AQA-7's official lists: 803 training and 303 test rows [action 1..6, sample, 100 x score].",
        licence=NO_LICENCE,
        citation=AQA7_PAPER,
        repository="https://github.com/ParitoshParmar/C3D-LSTM--PyTorch",
        commit="844747aa80d25837fe7ce1e6236a2f67bc302f85",
        path="input",
        url="https://raw.githubusercontent.com/ParitoshParmar/C3D-LSTM--PyTorch/844747aa80d25837fe7ce1e6236a2f67bc302f85",
        mirror="aqa7",
        files=AQA7_FILES,
    ),
    Source(
        name="mtl-aqa-annotations",
        note="MTL-AQA's annotations, captions, splits, smaller training sets, UNLV-Dive split; sheets with every judge's score.",
        licence=NO_LICENCE,
        citation=MTL_AQA_PAPER,
        repository="https://github.com/ParitoshParmar/MTL-AQA",
        commit="bf7dcb2e09e7e9d91eafe9ce58ed28f5b31f05d4",
        path="MTL-AQA_dataset_release",
        url="https://raw.githubusercontent.com/ParitoshParmar/MTL-AQA/bf7dcb2e09e7e9d91eafe9ce58ed28f5b31f05d4",
        mirror="mtl_aqa",
        files=MTL_AQA_FILES,
    ),
    Source(
        name="unlv-dive-s3d",
        note="The S3D authors' P3D features of the 370 UNLV-Dive videos, made with the 300 training scores; splits, scores.",
        licence=NO_LICENCE,
        citation=S3D_PAPER,
        repository="https://github.com/YeTianJHU/diving-score",
        commit="7fc8ac3",
        path="data_files",
        url="https://raw.githubusercontent.com/YeTianJHU/diving-score/7fc8ac3",
        mirror="unlv_dive_s3d",
        files=S3D_FILES,
    ),
    Source(
        name="rhythmic-gymnastics",
        note="Rhythmic Gymnastics labels: 4 apparatus, 200 training and 50 test routines each.",
        licence=NO_LICENCE,
        citation=ACTION_NET_PAPER,
        repository="https://github.com/qinghuannn/ACTION-NET",
        commit="a60149c",
        path="data",
        url="https://raw.githubusercontent.com/qinghuannn/ACTION-NET/a60149c",
        mirror="rhythmic_gymnastics",
        files=RHYTHMIC_GYMNASTICS_FILES,
    ),
    Source(
        name="ucf101-lists",
        note="UCF-101 split 1 and class index; this copy has labels in the test list too, the official one has not.",
        licence=NO_LICENCE,
        citation=UCF101_PAPER,
        repository="https://github.com/abosun/pytorch-action-master",
        commit="33a77f3f5c639770d1652992bd3ad6c92b0067b6",
        path="ucfTrainTestlist",
        url="https://raw.githubusercontent.com/abosun/pytorch-action-master/33a77f3f5c639770d1652992bd3ad6c92b0067b6",
        mirror="ucf101",
        files=UCF101_FILES,
    ),
    Source(
        name="aqa7-dive-054",
        note="One real 10 m dive in AQA-7's own format: 103 frames, 320x240, MJPEG, score 84.15.",
        licence=NO_LICENCE,
        citation=AQA7_PAPER,
        repository="https://github.com/gitskim/AQA_Streamlit",
        commit="a9cfad1f8e7f1be36985d13aa72d85beaca69417",
        url="https://raw.githubusercontent.com/gitskim/AQA_Streamlit/a9cfad1f8e7f1be36985d13aa72d85beaca69417",
        mirror="video",
        files=DIVE_FILES,
    ),
    Source(
        name="mtl-aqa",
        note="MTL-AQA's 15 broadcasts, 2.4 million frames, from the addresses in its Video_List.xlsx. No checksum is published.",
        licence="no licence stated; the broadcasts are their broadcasters': download them for research where your law allows it",
        citation=MTL_AQA_PAPER,
        mirror="mtl_aqa",
        manual="`rescore fetch mtl-aqa` brings the annotations, and the broadcasts through yt-dlp, into "
        "data/raw/mtl-aqa/videos/NN.mp4 (not part of --all: several GB); copies of your own go there as well.",
    ),
    Source(
        name="aqa7-videos",
        note="AQA-7's official videos. No checksum is published, so nothing is verified but what `rescore check` can see.",
        licence=NO_LICENCE,
        citation=AQA7_PAPER,
        manual="Download http://rtis.oit.unlv.edu/datasets/AQA-7.zip, unpack it, and put the contents of AQA-7/Actions "
        "(diving, gym_vault, ski_big_air, snowboard_big_air, sync_diving_3m, sync_diving_10m and, if you like, "
        "trampoline; each holds 001.avi, 002.avi, ...) into data/raw/aqa7/videos/. "
        "Then run `rescore check --scale paper`.",
    ),
    Source(
        name="ucf101-videos",
        note="UCF-101's 13320 videos, the backbone's pre-training set. No checksum is published.",
        licence=NO_LICENCE,
        citation=UCF101_PAPER,
        manual="Download https://www.crcv.ucf.edu/data/UCF101/UCF101.rar, unpack it (unrar x UCF101.rar), and put the 101 "
        "directories of UCF-101 (ApplyEyeMakeup, ...) into data/raw/ucf101/videos/. "
        "Then run `rescore check --scale paper`.",
    ),
    Source(
        name="sports1m-weights",
        note="C3D weights trained on Sports-1M, in D. Abati's PyTorch port. No checksum is published.",
        licence="no licence stated for the weights (the port's code carries a licence file of its own)",
        citation=C3D_PAPER,
        manual="Download http://imagelab.ing.unimore.it/files/c3d_pytorch/c3d.pickle (linked from "
        "https://github.com/DavideA/c3d-pytorch) and put it at data/raw/sports1m-weights/c3d.pickle. It is read as weights "
        "only; a file that holds anything else is refused.",
    ),
    *RELEASED,
)
BY_NAME = {source.name: source for source in SOURCES}
