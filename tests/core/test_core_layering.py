"""Layerings and neighborhoods by plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from random_ops import SMALL
from strategies import Question, questions

from mlspec.core.layering import Layering
from mlspec.core.neighborhood import Box, Neighborhood
from mlspec.errors import InputError


@law(questions(SMALL, None), quick=60, deep=1000)
def test_spread_gives_each_pixel_the_value_of_its_layer(question: Question) -> None:
    layering = question.problem.layering
    spread = layering.spread(question.eps)
    stacked = layering.spread(np.stack([question.eps, 2 * question.eps]))
    for y, x in np.ndindex(*layering.index.shape):
        layer = layering.index[y, x]
        expected = 0.0 if layer == Layering.FIXED else question.eps[layer]
        assert spread[y, x] == expected
        assert stacked[:, y, x].tolist() == [expected, 2 * expected]


@law(questions(SMALL, None), quick=60, deep=1000)
def test_totals_and_extents_run_over_channels_and_pixels_of_a_layer(question: Question) -> None:
    problem = question.problem
    layering = problem.layering
    change = np.random.default_rng(0).normal(size=(3, *problem.image.shape))
    total = layering.total(change)
    assert total.shape == (3, layering.count)
    for layer in range(layering.count):
        inside = layering.index == layer
        assert layering.pixels[layer] == inside.sum()
        np.testing.assert_allclose(total[:, layer], change[:, :, inside].sum((1, 2)), atol=1e-12)
        for each in change:
            largest = max((abs(v) for v in each[:, inside].ravel()), default=0.0)
            assert layering.extents(each)[layer] == largest


@law(questions(SMALL, None), quick=80, deep=2000)
def test_the_box_holds_every_valid_image_within_epsilon_and_no_other(question: Question) -> None:
    problem, eps = question.problem, question.eps
    box = problem.neighborhood(eps).box
    for (c, y, x), value in np.ndenumerate(problem.image):
        layer = problem.layering.index[y, x]
        radius = 0.0 if layer == Layering.FIXED else eps[layer]
        assert box.lower[c, y, x] == max(0.0, value - radius)
        assert box.upper[c, y, x] == min(1.0, value + radius)
    assert box.contains(problem.image)
    assert box.contains(box.lower)
    assert box.contains(box.upper)
    beyond = box.upper.copy()
    beyond[0, 0, 0] += 1e-6
    assert not box.contains(beyond)
    assert not box.contains(np.full_like(beyond, np.nan))
    np.testing.assert_array_equal(box.clip(beyond), np.minimum(beyond, box.upper))


@law(questions(SMALL, None), quick=60, deep=1000)
def test_samples_lie_in_the_box_and_reach_its_corners(question: Question) -> None:
    problem, eps = question.problem, question.eps
    neighborhood = problem.neighborhood(eps)
    samples = neighborhood.sample(np.random.default_rng(3), 40)
    box = neighborhood.box
    assert samples.shape == (40, *problem.image.shape)
    assert (samples >= box.lower).all()
    assert (samples <= box.upper).all()
    corners = samples[1::2]
    assert ((corners == box.lower) | (corners == box.upper)).all()
    again = neighborhood.sample(np.random.default_rng(3), 40)
    np.testing.assert_array_equal(samples, again)
    extents = np.max([problem.layering.extents(s - problem.image) for s in samples], axis=0)
    assert (extents <= eps + 1e-15).all()


@law(questions(SMALL, None), quick=40, deep=500)
def test_neighborhoods_grow_with_their_radius(question: Question) -> None:
    problem, eps = question.problem, question.eps
    outer, inner = problem.neighborhood(eps).box, problem.neighborhood(eps * 0.4).box
    assert (outer.lower <= inner.lower).all()
    assert (inner.upper <= outer.upper).all()
    everything = problem.neighborhood(np.ones(len(eps))).box
    moving = np.broadcast_to(problem.layering.index != Layering.FIXED, problem.image.shape)
    assert (everything.lower[moving] == 0.0).all()
    assert (everything.upper[moving] == 1.0).all()
    np.testing.assert_array_equal(everything.lower[~moving], problem.image[~moving])


@law(questions(SMALL, None), quick=60, deep=1000)
def test_radii_up_and_down_hold_the_images_between_them_and_no_other(question: Question) -> None:
    problem = question.problem
    layering = problem.layering.directed(problem.image)
    rng = np.random.default_rng(len(question.eps))
    eps = rng.random(layering.count) * rng.choice([0.02, 0.3, 1.0])
    assert layering.radius_of is not None
    table = layering.table(eps, 1.0)
    box = Neighborhood(problem.image, layering, eps).box
    for (c, y, x), value in np.ndenumerate(problem.image):
        layer = layering.index[y, x]
        down, up = (0.0, 0.0) if layer == Layering.FIXED else table[layer]
        assert box.lower[c, y, x] == max(0.0, value - down)
        assert box.upper[c, y, x] == min(1.0, value + up)
    np.testing.assert_array_equal(layering.radii(table), eps)
    for layer, direction in np.argwhere(layering.radius_of == Layering.NO_RADIUS):
        pixels = problem.image[:, layering.index == layer]
        assert (pixels == direction).all()


@law(questions(SMALL, None), quick=60, deep=1000)
def test_a_symmetric_radius_written_twice_has_the_same_box(question: Question) -> None:
    problem, eps = question.problem, question.eps
    directed = problem.layering.directed(problem.image)
    twice = Neighborhood(problem.image, directed, directed.eps_meant(eps)).box
    np.testing.assert_array_equal(twice.lower, problem.neighborhood(eps).box.lower)
    np.testing.assert_array_equal(twice.upper, problem.neighborhood(eps).box.upper)


@law(questions(SMALL, None), quick=60, deep=1000)
def test_extents_are_the_least_radius_that_holds_an_image(question: Question) -> None:
    problem = question.problem
    rng = np.random.default_rng(7)
    for layering in (problem.layering, problem.layering.directed(problem.image)):
        everything = Neighborhood(problem.image, layering, np.ones(layering.count))
        image = everything.sample(rng, 2)[int(rng.integers(2))]
        extents = layering.extents(image - problem.image)
        assert extents.shape == (layering.count,)
        assert Neighborhood(problem.image, layering, extents).box.contains(image)
        for radius in np.flatnonzero(extents > 1e-6):
            less = extents.copy()
            less[radius] -= 1e-7
            assert not Neighborhood(problem.image, layering, less).box.contains(image)


def test_the_number_of_radii_must_fit() -> None:
    layering = Layering(np.array([[0, 1]]), 2)
    directed = layering.directed(np.array([[[0.5, 0.0]]]))
    assert directed.radius_names == ("0 down", "0 up", "1 up")
    np.testing.assert_array_equal(directed.eps_meant(np.array(0.1)), [0.1] * 3)
    np.testing.assert_array_equal(directed.eps_meant(np.array([0.1, 0.2])), [0.1, 0.1, 0.2])
    pairs = np.array([[0.1, 0.2], [0.3, 0.4]])
    for given in (pairs, pairs.ravel()):
        np.testing.assert_array_equal(directed.eps_meant(given), [0.1, 0.2, 0.4])
    with pytest.raises(InputError, match=r"4 epsilons for 2 layers: give one, or one per layer$"):
        layering.eps_meant(pairs)
    with pytest.raises(InputError, match="one downwards and one upwards"):
        directed.eps_meant(np.zeros(3))


def test_size_is_the_weighted_sum(problem_of_one_pixel: Neighborhood) -> None:
    box = problem_of_one_pixel.box
    assert box.lower.item() == pytest.approx(0.2)
    assert box.upper.item() == pytest.approx(0.8)


@pytest.fixture
def problem_of_one_pixel() -> Neighborhood:
    layering = Layering(np.zeros((1, 1), dtype=np.int16), 1)
    return Neighborhood(np.full((1, 1, 1), 0.5), layering, np.array([0.3]))


def test_a_box_of_one_point_contains_it_alone() -> None:
    point = np.array([[[0.1 + 0.2]]])
    box = Box(point, point)
    assert box.contains(point)
    assert not box.contains(point + 1e-9)
