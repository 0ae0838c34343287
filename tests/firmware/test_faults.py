"""Three faults in a row turn a part off."""

from pixeltrail.faults import APP, ENCODER, TAP, TRANSPORT, Faults


def strike(faults, part, error):
    faults.at = part
    return faults.note(error)


def test_three_of_a_type_in_a_row():
    faults = Faults()
    assert [strike(faults, TAP, ValueError()) for _ in range(4)] == [APP, APP, TAP, APP]
    assert faults.off[TAP] and faults.names() == ["tap"]
    assert faults.errors == 4 and faults.at == APP
    faults.restore()
    assert faults.names() == []


def test_another_type_or_a_success_begins_anew():
    faults = Faults()
    for error in (ValueError, ValueError, KeyError, ValueError, ValueError):
        assert strike(faults, ENCODER, error()) == APP
    faults.passed(ENCODER)
    assert strike(faults, ENCODER, ValueError()) == APP
    strike(faults, TRANSPORT, ValueError())
    assert faults.names() == []


def test_the_application_and_a_full_memory_turn_nothing_off():
    faults = Faults()
    for _ in range(9):
        assert strike(faults, APP, ValueError()) == APP
        assert strike(faults, ENCODER, MemoryError()) == APP
    assert faults.names() == [] and faults.errors == 18
