import pytest
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError
from rescore.models.captioner import Captioner, check_tokens
from rescore.models.losses import EOS, SOS, caption_loss

WORDS = 11


@pytest.fixture
def captioner() -> Captioner:
    torch.manual_seed(0)
    return Captioner(features=6, vocabulary=WORDS, hidden=8, embedding=5).eval()


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1))


def prefer(captioner: Captioner, *words: int) -> None:
    """Make the next word depend on the bias alone: the first of `words` is the likeliest."""
    with torch.no_grad():
        captioner.output.weight.zero_()
        captioner.output.bias.zero_()
        for preference, word in enumerate(reversed(words), start=1):
            captioner.output.bias[word] = preference


def test_teacher_forcing_equals_one_step_at_a_time(captioner: Captioner, clips: Tensor) -> None:
    """The definition: encode with silent words, then decode with a silent video, states carried on."""
    tokens = torch.tensor([[SOS, 4, 5, 2, EOS], [SOS, 7, EOS, 0, 0], [SOS, 3, 3, 3, 3]])
    seen, video_state = captioner.video_gru(clips)
    _, word_state = captioner.word_gru(torch.cat([seen, torch.zeros(3, 4, 5)], 2))
    steps = []
    for t in range(4):
        said, video_state = captioner.video_gru(torch.zeros(3, 1, 6), video_state)
        word = captioner.embedding(tokens[:, t : t + 1])
        spoken, word_state = captioner.word_gru(torch.cat([said, word], 2), word_state)
        steps.append(captioner.output(spoken))
    torch.testing.assert_close(captioner(clips, tokens), torch.cat(steps, 1))


def test_greedy_is_the_fixed_point_of_teacher_forcing(captioner: Captioner, clips: Tensor) -> None:
    """Fed its own caption, the network predicts that caption again, as far as it goes."""
    with torch.no_grad():
        captioner.output.bias[EOS] -= 10  # long captions, or there is nothing to compare
        captioner.output.weight.mul_(5)
    caption = captioner.greedy(clips, steps=12)
    assert caption.shape == (3, 12)
    tokens = torch.cat([torch.full((3, 1), SOS), caption], 1)
    assert torch.equal(captioner(clips, tokens).argmax(2), caption)


def test_greedy_stops_each_caption_at_its_end_and_leaves_the_others_alone() -> None:
    """Captions of a batch end at different steps; each is what it would be alone, and nothing follows its <eos>."""
    torch.manual_seed(5)
    captioner = Captioner(features=6, vocabulary=WORDS, hidden=8, embedding=5).eval()
    clips = 3 * torch.randn(16, 4, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():  # weights so large that the words differ
        for weight in (captioner.output.weight, captioner.embedding.weight, *captioner.word_gru.parameters()):
            weight.mul_(3)
    together = captioner.greedy(clips, steps=20)
    lengths = []
    for row, caption in enumerate(together.tolist()):
        assert captioner.greedy(clips[row : row + 1], steps=20)[0].tolist() == caption
        lengths.append(caption.index(EOS) if EOS in caption else len(caption))
        assert set(caption[lengths[-1] :]) <= {EOS}
    assert len(set(lengths)) > 2, "the example has to have captions of different lengths"


def test_greedy_may_say_nothing(captioner: Captioner, clips: Tensor) -> None:
    prefer(captioner, EOS, 4)
    assert captioner.greedy(clips, steps=7).tolist() == [[EOS] * 7] * 3


def test_greedy_ends_at_the_last_step(captioner: Captioner, clips: Tensor) -> None:
    prefer(captioner, 4)
    assert captioner.greedy(clips).tolist() == [[4] * 99] * 3


def test_empty_caption_trains(captioner: Captioner, clips: Tensor) -> None:
    tokens = torch.tensor([[SOS, EOS, EOS]] * 3)
    loss = caption_loss(captioner(clips, tokens), tokens)
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in captioner.parameters())


def test_tokens_outside_the_vocabulary_are_all_named(captioner: Captioner, clips: Tensor) -> None:
    tokens = torch.tensor([[SOS, 4, WORDS, 99], [SOS, 2, 3, EOS], [SOS, -1, 3, EOS]])
    with pytest.raises(
        RescoreError, match=r"(?s)caption 0 .*\[11, 99\].*vocabulary of 11.*caption 2 .*\[-1\]"
    ) as error:
        captioner(clips, tokens)
    assert "caption 1" not in str(error.value)


def test_caption_without_a_start_is_refused() -> None:
    check_tokens(torch.tensor([[SOS, 4, EOS], [EOS, EOS, EOS]]), WORDS)
    with pytest.raises(RescoreError, match="caption 0 .*starts with token 4"):
        check_tokens(torch.tensor([[4, 5, EOS]]), WORDS)


def test_dropout_is_for_training_alone(captioner: Captioner, clips: Tensor) -> None:
    tokens = torch.tensor([[SOS, 4, 5]] * 3)
    assert torch.equal(captioner(clips, tokens), captioner(clips, tokens))
    captioner.train()
    assert not torch.equal(captioner(clips, tokens), captioner(clips, tokens))
    assert captioner.video_gru.dropout == captioner.word_gru.dropout == 0.2  # the paper's
