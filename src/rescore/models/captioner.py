"""The commentary generator: sequence to sequence, video to text (S2VT) with two stacks of gated recurrent units.

    step          1 .. C (clips)            C+1 ..           (one step a word)
    video GRU     clip vectors              zeros            2 layers; its state goes on through both phases
    word GRU      [video GRU ; zeros]       [video GRU ; embedding of the word before]
    output                                  logits of the next word

Training feeds the true words (teacher forcing); `greedy` feeds back the likeliest word until <eos>.

Source: What and How Well You Performed?, Sections 4.1 and 5; the form is Venugopalan et al., Sequence to Sequence - Video
to Text, ICCV 2015, Figure 2, with GRU cells in the place of LSTM.
"""

import torch
from torch import Tensor, nn

from rescore.engine.errors import raise_together
from rescore.models.losses import EOS, SOS

PAPER_VOCABULARY = 5779  # words
PAPER_DROPOUT = 0.2  # Section 5; the released code has 0.5
CAPTION_TOKENS = 100  # <sos>, words and <eos> of a caption, hence at most 99 decoding steps


def check_tokens(tokens: Tensor, vocabulary: int) -> None:
    """Refuse captions that the network could not read.

    Args:
        tokens: (N, T) int64, <sos> first.
        vocabulary: number of words, <eos> and <sos> among them.

    Raises:
        RescoreError: a row does not start with <sos> (or, without a caption, <eos>), or has a token outside the vocabulary.
    """
    problems = []
    for row, caption in enumerate(tokens.tolist()):
        outside = sorted({token for token in caption if not 0 <= token < vocabulary})
        if outside:
            problems.append(
                f"caption {row} of the batch: tokens {outside} are outside the vocabulary of {vocabulary} words"
            )
        elif caption[0] not in (SOS, EOS):
            problems.append(f"caption {row} of the batch: starts with token {caption[0]}, not with <sos> ({SOS})")
    raise_together(
        "captions the network cannot read", problems, "encode them with the vocabulary that the network was built for."
    )


class Captioner(nn.Module):
    """Clip vectors (N, clips, features) -> word logits.

    Args:
        features: length of a clip vector (8192 in C3D-AVG, 1200 in MSCADC).
        vocabulary: number of words, <eos> and <sos> among them.
        hidden: width of both GRUs.
        embedding: length of a word vector.
        dropout: between the two layers of each GRU, in training.
    """

    def __init__(
        self,
        features: int,
        vocabulary: int = PAPER_VOCABULARY,
        hidden: int = 512,
        embedding: int = 512,
        dropout: float = PAPER_DROPOUT,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.video_gru = nn.GRU(features, hidden, num_layers=2, batch_first=True, dropout=dropout)
        self.word_gru = nn.GRU(hidden + embedding, hidden, num_layers=2, batch_first=True, dropout=dropout)
        self.output = nn.Linear(hidden, vocabulary)

    def video_states(self, clips: Tensor, steps: int) -> Tensor:
        """The video GRU over the clips and then `steps` zero inputs: (N, clips + steps, hidden)."""
        silence = clips.new_zeros(len(clips), steps, clips.shape[2])  # (N, steps, features)
        return self.video_gru(torch.cat([clips, silence], dim=1))[0]

    def forward(self, clips: Tensor, tokens: Tensor) -> Tensor:
        """Teacher forcing. No word depends on another's prediction, so each GRU runs once over both phases.

        Args:
            clips: (N, C, features).
            tokens: (N, T) int64, <sos> first, padded with <eos>.

        Returns:
            Logits (N, T-1, vocabulary); step t predicts token t+1.

        Raises:
            RescoreError: a token outside the vocabulary (on a CPU; elsewhere the look-up would stall the device, so the data
                step calls `check_tokens`).
        """
        if tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            check_tokens(tokens, self.vocabulary)
        words = self.embedding(tokens[:, :-1])  # (N, T-1, embedding)
        states = self.video_states(clips, words.shape[1])  # (N, C+T-1, hidden)
        silence = words.new_zeros(len(words), clips.shape[1], words.shape[2])  # (N, C, embedding)
        heard = torch.cat([states, torch.cat([silence, words], dim=1)], dim=2)  # (N, C+T-1, hidden+embedding)
        spoken = self.word_gru(heard)[0][:, clips.shape[1] :]  # (N, T-1, hidden)
        return self.output(spoken)

    @torch.no_grad()
    def greedy(self, clips: Tensor, steps: int = CAPTION_TOKENS - 1) -> Tensor:
        """The likeliest word after the likeliest word. Call in evaluation mode.

        Args:
            clips: (N, C, features).
            steps: words at most; decoding ends earlier when every caption has ended.

        Returns:
            Tokens (N, steps) int64 without <sos>; everything after a caption's first <eos> is <eos>.
        """
        states = self.video_states(clips, steps)  # (N, C+steps, hidden); needs no word
        seen, said = states[:, : clips.shape[1]], states[:, clips.shape[1] :]
        silence = seen.new_zeros(*seen.shape[:2], self.embedding.embedding_dim)  # (N, C, embedding)
        _, state = self.word_gru(torch.cat([seen, silence], dim=2))  # (2, N, hidden)
        caption = torch.full((len(clips), steps), EOS, dtype=torch.long, device=clips.device)
        word = torch.full((len(clips),), SOS, dtype=torch.long, device=clips.device)
        ended = torch.zeros_like(word, dtype=torch.bool)
        for step in range(steps):
            heard = torch.cat([said[:, step], self.embedding(word)], dim=1).unsqueeze(1)  # (N, 1, hidden+embedding)
            spoken, state = self.word_gru(heard, state)  # (N, 1, hidden)
            word = self.output(spoken[:, 0]).argmax(1).masked_fill(ended, EOS)  # (N,)
            caption[:, step] = word
            ended |= word == EOS
            if ended.all():
                break
        return caption
