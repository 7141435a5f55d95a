import json

import pytest

from vera.generator.adaptation import AdaptiveStrength


def adaptive(**changes):
    return AdaptiveStrength(**{"target": 0.6, "speed": 1000, "interval": 40} | changes)


def test_a_constructed_sequence_of_signs():
    """Steps of 40 / 1000, by hand: up, up, hold at the target, down, down, never below zero, up."""
    strength = adaptive()
    means = [1.0, 0.7, 0.6, 0.2, -1.0, -1.0, 0.61]
    followed = []
    for mean in means:
        for _ in range(3):
            strength.update(mean * 10, 10)  # within the interval nothing moves
        followed.append((strength.strength, strength.update(mean * 10, 10)))
    assert [before for before, _ in followed] == pytest.approx([0.0, 0.04, 0.08, 0.08, 0.04, 0.0, 0.0])
    assert [after for _, after in followed] == pytest.approx([0.04, 0.08, 0.08, 0.04, 0.0, 0.0, 0.04])


def test_the_sign_of_the_interval_counts_not_that_of_its_last_batch():
    strength = adaptive()
    for signs in (10, 10, 10, 0):
        strength.update(signs, 10)
    assert strength.mean_sign == pytest.approx(0.75)
    assert strength.strength == pytest.approx(0.04)


@pytest.mark.parametrize("batch", [8, 40, 100])
def test_rises_from_zero_to_one_in_the_given_number_of_images_whatever_the_batch(batch):
    strength = adaptive()
    for _ in range(1000 // batch):
        assert strength.strength < 1 - 1e-6
        strength.update(batch, batch)
    assert strength.strength == pytest.approx(1)
    for _ in range(10):
        strength.update(batch, batch)
    assert strength.strength == 1


def test_continues_from_its_state_in_the_middle_of_an_interval():
    signs = [8, 2, -4, 8, 8, 6, 8, 8, 0, 8, 8]
    whole, first, second = adaptive(interval=24), adaptive(interval=24), adaptive(interval=24)
    for s in signs:
        whole.update(s, 8)
    for s in signs[:4]:
        first.update(s, 8)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for s in signs[4:]:
        second.update(s, 8)
    assert second.state_dict() == whole.state_dict()
    assert whole.strength > 0
