from mlspec.core.deadline import NEVER, Deadline


def test_a_deadline_passes():
    assert not Deadline.after(60.0).passed
    assert Deadline.after(-1.0).passed
    assert 59.0 < Deadline.after(60.0).left <= 60.0


def test_never_does_not_pass_and_the_earlier_one_counts():
    assert not NEVER.passed
    assert NEVER.within(5.0).left <= 5.0
    assert Deadline.after(1.0).within(100.0).left <= 1.0
