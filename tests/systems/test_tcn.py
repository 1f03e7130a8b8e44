"""The segmenter: cuts against all possible ones, what its parts compute."""

import itertools

import numpy as np
import torch

from rescore.systems.s3d.tcn import (
    EncoderDecoder,
    FrameNetwork,
    StageSegmenter,
    best_boundaries,
    frame_labels,
    normalised_relu,
    segment_loss,
    stage_frames,
)


def test_the_cuts_are_the_likeliest_of_all() -> None:
    generator = np.random.default_rng(0)
    for frames in (4, 5, 9, 12):
        for _ in range(20):
            chances = np.log(generator.dirichlet(np.full(5, 0.5), frames))
            found = best_boundaries(chances)
            likeliest = max(
                itertools.combinations(range(frames), 4),
                key=lambda cuts: chances[np.arange(frames), frame_labels(np.array([cuts]), frames)[0]].sum(),
            )
            assert tuple(found) == likeliest


def test_cuts_of_certain_frames_are_those_frames() -> None:
    classes = np.repeat(np.arange(5), [6, 4, 9, 3, 8])
    chances = np.log(np.eye(5)[classes] * 0.9 + 0.02)
    np.testing.assert_array_equal(best_boundaries(chances), [6, 10, 19, 22])
    np.testing.assert_array_equal(frame_labels(np.array([[6, 10, 19, 22]]), 30)[0], classes)
    np.testing.assert_array_equal(best_boundaries(chances[6:])[0], 0)  # a window may begin in the first stage


def test_frames_of_a_stage_lie_in_it_and_cover_it() -> None:
    cuts = np.array([[0, 16, 48, 49], [3, 5, 20, 30]])
    found = stage_frames(cuts, 64, 16).reshape(2, 4, 16)
    np.testing.assert_array_equal(found[0, 0], np.arange(16))  # a stage of 16 frames is read as it is
    np.testing.assert_array_equal(found[0, 1], np.arange(17, 48, 2))
    np.testing.assert_array_equal(found[0, 2], np.full(16, 48))  # and one of one frame sixteen times
    ends = np.concatenate([cuts[:, 1:], [[64], [64]]], 1)
    assert (found >= cuts[..., None]).all()
    assert (found < ends[..., None]).all()
    assert (np.diff(found, axis=2) >= 0).all()


def test_normalised_relu_divides_by_the_largest_channel() -> None:
    x = torch.tensor([[[1.0, -2.0], [4.0, -1.0]]])  # (1, 2 channels, 2 moments)
    torch.testing.assert_close(normalised_relu(x), torch.tensor([[[0.25, 0.0], [1.0, 0.0]]]), rtol=1e-4, atol=1e-4)


def test_each_frame_is_seen_by_itself_and_any_length_is_taken() -> None:
    torch.manual_seed(0)
    network, video = FrameNetwork([4, 6], 8).eval(), torch.randn(1, 3, 7, 20, 20)
    order = torch.tensor([3, 0, 6, 1, 2, 5, 4])
    torch.testing.assert_close(network(video)[:, order], network(video[:, :, order]))
    time = EncoderDecoder(8, [5, 6], 10, 0.3).eval()
    assert [time(torch.randn(2, frames, 8)).shape for frames in (7, 8, 103)] == [(2, 7, 5), (2, 8, 5), (2, 103, 5)]


def test_dropout_takes_whole_channels() -> None:
    torch.manual_seed(0)
    time = EncoderDecoder(8, [32, 32], 10, 0.5).train()
    kept = time.dropout(torch.ones(1, 32, 9))
    assert set(kept.sum(2).flatten().tolist()) == {0.0, 18.0}


def test_it_learns_stages_that_a_frame_shows() -> None:
    torch.manual_seed(0)
    classes = torch.arange(5).repeat_interleave(4).repeat(6, 1)  # (6, 20)
    video = (classes * 0.5 - 1.0)[:, None, :, None, None].expand(6, 3, 20, 8, 8)
    network = StageSegmenter([8], 16, [16, 16], 4, 0.0)
    optimiser = torch.optim.RMSprop(network.parameters(), 0.003)
    first = float(segment_loss(network(video), classes).detach())
    for _ in range(60):
        loss = segment_loss(network(video), classes)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert float(loss.detach()) < 0.3 * first
    assert (network.eval()(video).argmax(2) == classes).float().mean() > 0.9
