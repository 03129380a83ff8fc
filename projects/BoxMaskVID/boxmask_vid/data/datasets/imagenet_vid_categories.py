"""Classes of ImageNet VID, in alphabetical order; category ids are 1 .. 30."""

WORDNET_ID_TO_NAME = {
    "n02691156": "airplane",
    "n02419796": "antelope",
    "n02131653": "bear",
    "n02834778": "bicycle",
    "n01503061": "bird",
    "n02924116": "bus",
    "n02958343": "car",
    "n02402425": "cattle",
    "n02084071": "dog",
    "n02121808": "domestic_cat",
    "n02503517": "elephant",
    "n02118333": "fox",
    "n02510455": "giant_panda",
    "n02342885": "hamster",
    "n02374451": "horse",
    "n02129165": "lion",
    "n01674464": "lizard",
    "n02484322": "monkey",
    "n03790512": "motorcycle",
    "n02324045": "rabbit",
    "n02509815": "red_panda",
    "n02411705": "sheep",
    "n01726692": "snake",
    "n02355227": "squirrel",
    "n02129604": "tiger",
    "n04468005": "train",
    "n01662784": "turtle",
    "n04530566": "watercraft",
    "n02062744": "whale",
    "n02391049": "zebra",
}
CLASS_NAMES = tuple(WORDNET_ID_TO_NAME.values())

VAL_VIDEOS = 555  # in the full val set
# boxes in the full val set, class by class
VAL_BOXES_PER_CLASS = (
    *(26387, 7968, 9780, 8854, 9862, 6313, 26690, 11365, 20237, 11629),
    *(11934, 9092, 7593, 5476, 7939, 2840, 5972, 10654, 1139, 5898),
    *(1149, 4405, 6393, 12088, 2614, 13095, 5761, 6089, 7379, 6910),
)
