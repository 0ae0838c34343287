"""What a recorder has counted. Loaded when somebody asks: most devices tell it in their vitals alone."""


def stats(recorder):
    capture = recorder._capture
    link = recorder._link
    return {
        "frames": capture.frames,
        "skipped": capture.skipped,
        "refused": capture.refused,
        "mixed": capture.mixed,
        "refused_calls": recorder._announcer.refused_calls(),
        "errors": recorder._faults.errors,
        "off": recorder._faults.names(),
        "state_errors": recorder._state.errors,
        "config_unknown": recorder._remote.unknown,
        "bytes": link.bytes_sent,
        "chunks": link.chunks_sent,
        "resent": link.resent,
        "acks": link.acks,
        "acks_ignored": link.acks_ignored,
        "unknown": link.unknown,
        "malformed": link.malformed,
        "line_errors": link.transport.errors,
        "refused_downlinks": getattr(link.transport, "refused", 0),  # for want of a signature
        "outbox_bytes": recorder._outbox.used,
        "longest_step_us": recorder._vitals.longest_step_us,
    }
