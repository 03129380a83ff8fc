import torch

from boxmask_vid.modeling.matcher import ReassigningMatcher


def matcher(**kwargs) -> ReassigningMatcher:
    return ReassigningMatcher([0.3, 0.7], [0, -1, 1], min_quality=0.3, **kwargs)


def test_best_prediction_is_taken_from_a_truth_it_overlaps_more():
    #                       a    b    c
    quality = torch.tensor([[0.9, 0.2, 0.8], [0.0, 0.1, 0.6]])
    matches, labels = matcher()(quality)
    # c overlaps truth 0 more but is the best that truth 1 has
    assert matches.tolist() == [0, 0, 1]
    assert labels.tolist() == [1, 0, 1]


def test_below_the_minimum_nothing_becomes_positive():
    quality = torch.tensor([[0.29, 0.1], [0.0, 0.31]])
    _, labels = matcher()(quality)
    assert labels.tolist() == [0, 1]


def test_all_ties_are_taken_and_the_later_truth_wins():
    quality = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    matches, labels = matcher()(quality)
    assert matches.tolist() == [0, 1, 1]
    assert labels.tolist() == [1, 1, 1]


def test_appended_truths_match_themselves_and_are_nobodys_best():
    # two equal truths, one proposal, the two truths appended
    quality = torch.tensor([[0.6, 1.0, 1.0], [0.6, 1.0, 1.0]])
    both = ReassigningMatcher([0.5], [0, 1], min_quality=0.5, ground_truth_appended=True)
    matches, labels = both(quality)
    assert matches.tolist() == [1, 0, 1]
    assert labels.tolist() == [1, 1, 1]


def test_without_truths_or_predictions():
    both = ReassigningMatcher([0.5], [0, 1], min_quality=0.5, ground_truth_appended=True)
    for shape in ((0, 3), (0, 0)):
        matches, labels = both(torch.zeros(shape))
        assert len(matches) == len(labels) == shape[1]
        assert not labels.any()
    matches, labels = both(torch.eye(2))  # only the truths themselves
    assert matches.tolist() == [0, 1]
    assert labels.tolist() == [1, 1]
    assert matcher()(torch.zeros(2, 0))[0].shape == (0,)
