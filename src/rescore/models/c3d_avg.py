"""C3D-AVG: clip features averaged over the video, one trunk, three heads (What and How Well You Performed?, 4.1, Figure 2).

video ─► 6 clips ─► C3D to pool5 ─┬─► mean over clips ─► fully connected, ReLU ─┬─► score
         (folded into the batch)  │              (trunk)                        └─► position, armstand, rotation type,
                                  └─► captioner                                      somersaults, twists
"""

from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import C3DBody, scaled
from rescore.models.captioner import CAPTION_TOKENS, PAPER_DROPOUT, PAPER_VOCABULARY, Captioner
from rescore.models.losses import DIVE_CLASSES, TASKS, checked_tasks
from rescore.models.trainable import Trainable

TRUNK_CHANNELS = 4096


def fold_clips(video: Tensor, clip_frames: int) -> Tensor:
    """Cut a video into consecutive clips and put them into the batch: (N, 3, C*f, H, W) -> (N*C, 3, f, H, W).

    In channels_last_3d a video's clips already lie one after another, so this is a view, not a copy.

    Raises:
        RescoreError: the video's frames are no multiple of the clip's.
    """
    if video.shape[2] % clip_frames:
        raise RescoreError(
            f"a video of {video.shape[2]} frames cannot be cut into clips of {clip_frames}. Keep a multiple."
        )
    return video.unflatten(2, (-1, clip_frames)).transpose(1, 2).flatten(0, 1)


class C3DAverage(Trainable):
    """C3D-AVG with any of its tasks.

    Args:
        tasks: any of `score`, `classes`, `caption`; a network has no parameters of tasks that it lacks.
        width: multiple of the channels of the body and the trunk.
        crop: pixels, height and width of the input.
        clip_frames: frames a clip; a video may have any number of clips.
        vocabulary: words of the captioner, <eos> and <sos> among them.
        caption_hidden, caption_embedding: widths of the captioner; they do not follow `width`.
        caption_dropout: 0.2 in the paper, 0.5 in the released code.

    Raises:
        RescoreError: unknown task; crop or clip so small that nothing is left after the poolings.
    """

    def __init__(
        self,
        tasks: tuple[str, ...] = TASKS,
        width: float = 1.0,
        crop: int = 112,
        clip_frames: int = 16,
        vocabulary: int = PAPER_VOCABULARY,
        caption_hidden: int = 512,
        caption_embedding: int = 512,
        caption_dropout: float = PAPER_DROPOUT,
    ) -> None:
        super().__init__()
        self.tasks = checked_tasks(tasks)
        self.clip_frames = clip_frames
        self.body = C3DBody(width)
        features = self.body.pool5_size(crop, clip_frames)  # 8192
        channels = scaled(TRUNK_CHANNELS, width)
        if "score" in self.tasks or "classes" in self.tasks:
            self.trunk = nn.Linear(features, channels)
        if "score" in self.tasks:
            self.score_head = nn.Linear(channels, 1)
        if "classes" in self.tasks:
            self.class_heads = nn.ModuleDict({name: nn.Linear(channels, n) for name, n in DIVE_CLASSES.items()})
        if "caption" in self.tasks:
            self.captioner = Captioner(features, vocabulary, caption_hidden, caption_embedding, caption_dropout)

    def encode(self, video: Tensor) -> Tensor:
        """Video (N, 3, C*16, H, W) -> clip features (N, C, 8192): pool5, flattened channel first."""
        clips = fold_clips(video, self.clip_frames)  # (N*C, 3, 16, 112, 112)
        pool5 = self.body(clips)  # (N*C, 512, 1, 4, 4)
        return pool5.flatten(1).unflatten(0, (len(video), -1))

    def video_features(self, clip_features: Tensor) -> Tensor:
        """The trunk: clip features (N, C, 8192) -> video features (N, 4096)."""
        return F.relu(self.trunk(clip_features.mean(1)))

    def heads(self, clip_features: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (N, C, 8192) -> outputs, as `forward`."""
        outputs: dict[str, Tensor] = {}
        if "score" in self.tasks or "classes" in self.tasks:
            video_features = self.video_features(clip_features)  # (N, 4096)
        if "score" in self.tasks:
            outputs["score"] = self.score_head(video_features).squeeze(1)  # (N,)
        if "classes" in self.tasks:
            outputs |= {name: head(video_features) for name, head in self.class_heads.items()}  # (N, classes)
        if "caption" in self.tasks and tokens is not None:
            outputs["caption"] = self.captioner(clip_features, tokens)  # (N, T-1, vocabulary)
        return outputs

    def forward(self, video: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """Every task's prediction.

        Args:
            video: (N, 3, C*16, crop, crop), normalised, best in channels_last_3d.
            tokens: (N, T) int64 captions for teacher forcing; without them there is no `caption` output.

        Returns:
            `score` (N,) in units of training, `position` .. `twists` logits (N, classes), `caption` logits (N, T-1, vocabulary).
        """
        return self.heads(self.encode(video), tokens)

    def captions(self, clip_features: Tensor, steps: int = CAPTION_TOKENS - 1) -> Tensor:
        """Greedy captions from what `encode` gives: tokens (N, steps), see `Captioner.greedy`."""
        return self.captioner.greedy(clip_features, steps)
