"""Writers of the annotation formats, and of the frames that belong to them."""

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import av
import cv2
import numpy as np
from pycocotools import mask as masks

WIDTH, HEIGHT = 96, 72
CLASSES = ["cat", "dog"]
# video: for each frame, (class, track, x, y, width, height)
TRUTH = {
    "clip_a": [
        [("dog", 1, 10, 12, 30, 24)],
        [("dog", 1, 14, 12, 30, 24), ("cat", 2, 50, 20, 20, 30)],
        [],
        [("dog", 1, 22, 12, 30, 24)],
    ],
    "clip_b": [[("cat", 1, 0, 0, 96, 64)], [("cat", 1, 2, 4, 40, 40)], [("cat", 1, 4, 8, 40, 40)]],
}


def picture(video: str, index: int) -> np.ndarray:
    noise = np.random.default_rng([len(video), index]).integers(0, 60, (HEIGHT, WIDTH, 3))
    frame = noise.astype(np.uint8)
    for _, track, x, y, w, h in TRUTH[video][index]:
        cv2.rectangle(frame, (x, y), (x + w - 1, y + h - 1), (90 * track, 200, 80), -1)
    return frame


def write_images(root: Path, pattern: str = "{video}/{index:06d}.jpg") -> None:
    for video, frames in TRUTH.items():
        for index in range(len(frames)):
            path = root / pattern.format(video=video, index=index, number=index + 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture(video, index))


def write_videos(root: Path) -> None:
    root.mkdir(parents=True)
    for video, frames in TRUTH.items():
        with av.open(str(root / f"{video}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.bit_rate = WIDTH, HEIGHT, 4_000_000
            for index in range(len(frames)):
                frame = av.VideoFrame.from_ndarray(picture(video, index), format="bgr24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def write_youtube_vis(root: Path, *, with_masks: bool = False) -> Path:
    content = {
        "videos": [
            {
                "id": number,
                "width": WIDTH,
                "height": HEIGHT,
                "length": len(frames),
                "file_names": [f"{video}/{index:06d}.jpg" for index in range(len(frames))],
            }
            for number, (video, frames) in enumerate(TRUTH.items(), start=5)
        ],
        "categories": [{"id": 10 * i, "name": name} for i, name in enumerate(CLASSES, start=1)],
        "annotations": [],
    }
    for number, frames in enumerate(TRUTH.values(), start=5):
        for track in {(label, track) for boxes in frames for label, track, *_ in boxes}:
            boxes = [
                next((list(box[2:]) for box in given if box[:2] == track), None) for given in frames
            ]
            annotation = {
                "id": len(content["annotations"]) + 1,
                "video_id": number,
                "category_id": 10 * (CLASSES.index(track[0]) + 1),
                "iscrowd": 0,
            }
            if with_masks:
                kinds = [compressed, uncompressed, polygon]
                annotation["segmentations"] = [
                    None if box is None else kinds[index % 3](box)
                    for index, box in enumerate(boxes)
                ]
            else:
                annotation["bboxes"] = boxes
            content["annotations"].append(annotation)
    path = root / "instances.json"
    path.write_text(json.dumps(content))
    return path


def bitmap(box: list[int]) -> np.ndarray:
    x, y, w, h = box
    filled = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    filled[y : y + h, x : x + w] = 1
    return filled


def compressed(box: list[int]) -> dict:
    encoded = masks.encode(bitmap(box))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def uncompressed(box: list[int]) -> dict:
    flat = bitmap(box).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *changes, flat.size]).tolist()}


def polygon(box: list[int]) -> list:
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def write_mot(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video / "gt").mkdir(parents=True)
        (root / video / "seqinfo.ini").write_text(
            f"[Sequence]\nname={video}\nimDir=img1\nframeRate=10\nseqLength={len(frames)}\n"
            f"imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
        )
        (root / video / "gt/labels.txt").write_text("\n".join(CLASSES) + "\n")
        rows = [
            f"{index + 1},{track},{x},{y},{w},{h},1,{CLASSES.index(label) + 1},1.0"
            for index, given in enumerate(frames)
            for label, track, x, y, w, h in given
        ]
        (root / video / "gt/gt.txt").write_text("\n".join(rows) + "\n")
    return root


def write_voc(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video).mkdir(parents=True, exist_ok=True)
        for index, given in enumerate(frames):
            objects = "".join(
                f"<object><name>{label}</name><trackid>{track}</trackid><difficult>0</difficult>"
                f"<bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax>"
                f"<ymax>{y + h}</ymax></bndbox></object>"
                for label, track, x, y, w, h in given
            )
            (root / video / f"{index:06d}.xml").write_text(f"<annotation>{objects}</annotation>")
    return root


def write_yolo(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video).mkdir(parents=True, exist_ok=True)
        for index, given in enumerate(frames):
            lines = [
                f"{CLASSES.index(label)} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} "
                f"{h / HEIGHT} {track}"
                for label, track, x, y, w, h in given
            ]
            (root / video / f"{index:06d}.txt").write_text("\n".join(lines))
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def write_cvat(root: Path) -> Path:
    for video, frames in TRUTH.items():
        tracks = {}
        for index, given in enumerate(frames):
            for label, track, x, y, w, h in given:
                tracks.setdefault((label, track), {})[index] = (x, y, x + w, y + h)
        nodes = []
        for (label, track), boxes in tracks.items():
            shapes = []
            for index in range(len(frames)):
                seen = index in boxes
                box = (
                    boxes[index if seen else max(i for i in boxes if i < index)]
                    if (seen or any(i < index for i in boxes))
                    else None
                )
                if box is not None:
                    corners = " ".join(
                        f"{key}={quoteattr(str(value))}"
                        for key, value in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
                    )
                    shapes.append(
                        f'<box frame="{index}" outside="{int(not seen)}" occluded="0" '
                        f'keyframe="1" {corners}/>'
                    )
            nodes.append(f'<track id="{track}" label="{label}">{"".join(shapes)}</track>')
        labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
        (root / f"{video}.xml").write_text(
            f"<annotations><meta><task><name>task</name><size>{len(frames)}</size><labels>{labels}"
            f"</labels><original_size><width>{WIDTH}</width><height>{HEIGHT}</height>"
            f"</original_size><source>{video}.mp4</source></task></meta>{''.join(nodes)}"
            "</annotations>"
        )
    return root


def write_epic_kitchens(root: Path) -> Path:
    rows = ["noun_class,noun,participant_id,video_id,frame,bounding_boxes"]
    for video, frames in TRUTH.items():
        for index, given in enumerate(frames):
            for label in dict.fromkeys([box[0] for box in given] or ["cat"]):
                boxes = [
                    (y * 1080 // HEIGHT, x * 1920 // WIDTH, h * 1080 // HEIGHT, w * 1920 // WIDTH)
                    for name, _, x, y, w, h in given
                    if name == label
                ]
                rows.append(f'{CLASSES.index(label)},{label},P01,{video},{index + 1:06d},"{boxes}"')
    (root / "EPIC_noun_classes.csv").write_text(
        "noun_id,class_key,nouns\n0,cat,\"['cat']\"\n1,dog,\"['dog']\"\n"
    )
    path = root / "EPIC_train_object_labels.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def write_label_studio(root: Path) -> Path:
    tasks = []
    for video, frames in TRUTH.items():
        tracks = {}
        for index, given in enumerate(frames):
            for label, track, *box in given:
                tracks.setdefault((label, track), {})[index] = box
        regions = []
        for number, ((label, _), boxes) in enumerate(tracks.items()):
            sequence = []
            for index, (x, y, w, h) in boxes.items():
                sides = {"x": x / WIDTH, "y": y / HEIGHT, "width": w / WIDTH, "height": h / HEIGHT}
                percent = {side: share * 100 for side, share in sides.items()}
                goes_on = index + 1 in boxes or index + 1 == len(frames)
                key_frame = {"frame": index + 1, "enabled": goes_on, "rotation": 0, "time": 0.1}
                sequence.append(key_frame | percent)
            regions.append(
                {
                    "id": f"r{number}",
                    "type": "videorectangle",
                    "from_name": "box",
                    "to_name": "video",
                    "value": {
                        "framesCount": len(frames),
                        "duration": len(frames) / 10,
                        "sequence": sequence,
                        "labels": [label],
                    },
                }
            )
        tasks.append(
            {
                "id": len(tasks) + 1,
                "data": {"video": f"/data/upload/1/0123abcd-{video}.mp4"},
                "annotations": [{"id": 1, "was_cancelled": False, "result": regions}],
                "predictions": [],
            }
        )
    path = root / "project.json"
    path.write_text(json.dumps(tasks))
    return path


WRITERS = {
    "cvat": write_cvat,
    "epic-kitchens": write_epic_kitchens,
    "label-studio": write_label_studio,
    "mot": write_mot,
    "voc": write_voc,
    "yolo": write_yolo,
    "youtube-vis": write_youtube_vis,
}
IMAGES = {
    "epic-kitchens": "P01/{video}/frame_{number:010d}.jpg",
    "mot": "{video}/img1/{index:06d}.jpg",
}
