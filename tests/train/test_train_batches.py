"""Batches of fresh scenes: the same kind of scene as the dataset's, drawn from a generator only."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.data.canvas import Layout
from mlspec.data.digits import digit_pool
from mlspec.spec.training import Augmentation
from mlspec.train.batches import SceneSource, deform

PLAIN = Augmentation()
ALL = Augmentation(rotation=15.0, scale=0.2, shear=0.2, stroke=0.5)

DOUBLE = Layout.double()


def source(layout: Layout = DOUBLE, augmentation: Augmentation = PLAIN) -> SceneSource:
    return SceneSource.of(digit_pool("train"), layout, augmentation)


@given(seed=st.integers(0, 2**31), triple=st.booleans(), changed=st.booleans())
@settings(max_examples=15, deadline=None)
def test_scenes_have_one_digit_of_its_own_class_per_strip(
    seed: int, triple: bool, changed: bool
) -> None:
    layout = Layout.triple() if triple else Layout.double()
    drawn = source(layout, ALL if changed else PLAIN)
    images, present = drawn.draw(16, torch.Generator().manual_seed(seed))
    assert images.shape == (16, 1, layout.height, layout.width)
    assert images.dtype == present.dtype == torch.float32
    assert images.min() == 0.0
    assert images.max() <= 1.0
    assert present.sum(dim=1).tolist() == [layout.digits] * 16
    strips = images.reshape(16, layout.height, layout.digits, layout.strip)
    assert (strips.amax(dim=(1, 3)) > 0.5).all()


def test_same_generator_state_same_scenes() -> None:
    drawn = source(augmentation=ALL)
    first, again, other = (drawn.draw(8, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_plain_scenes_show_digits_of_the_train_pool_and_name_them() -> None:
    pool = digit_pool("train")
    class_of = {
        np.float32(image).tobytes(): digit
        for image, digit in zip(pool.images, pool.classes, strict=True)
    }
    images, present = source().draw(40, torch.Generator().manual_seed(0))
    for image, labels in zip(images[:, 0].numpy(), present, strict=True):
        shown = set()
        for strip in (image[:, :32], image[:, 32:]):
            boxes = (
                np.ascontiguousarray(strip[top : top + 28, left : left + 28]).tobytes()
                for top in range(37)
                for left in range(5)
            )
            shown.add(next(class_of[box] for box in boxes if box in class_of))
        assert shown == set(labels.nonzero()[:, 0].tolist())


def test_no_augmentation_changes_nothing_and_any_changes_every_digit() -> None:
    digits = source().digits[:50]
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(deform(digits, PLAIN, generator), digits)
    for field in Augmentation.model_fields:
        augmentation = Augmentation(**{field: 9.0 if field == "rotation" else 0.3})
        changed = deform(digits, augmentation, generator)
        assert (changed != digits).flatten(1).any(dim=1).all(), field


def test_rotation_and_shear_keep_the_ink_while_scale_changes_it() -> None:
    digits = source().digits[:200]
    generator = torch.Generator().manual_seed(0)
    ink = digits.sum(dim=(1, 2, 3))

    def spread(augmentation: Augmentation) -> float:
        changed = deform(digits, augmentation, generator).sum(dim=(1, 2, 3))
        return float((changed / ink - 1.0).abs().mean())

    assert spread(Augmentation(rotation=10.0)) < 0.03
    assert spread(Augmentation(shear=0.1)) < 0.03
    assert 0.05 < spread(Augmentation(scale=0.2)) < 0.25
