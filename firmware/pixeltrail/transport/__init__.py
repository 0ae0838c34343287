"""Transports move whole messages of the link, and know nothing of what is in them.

The contract, the same for all:

    attach(device_id, max_message=1024)   once, before the first poll; allocates
    poll(now_ms)          one bounded step that never blocks: connect, write what is pending, read.
                          Faults of the line are counted in `errors`, never raised
    connected             messages may be sent
    generation            grows by 1 with every connection made
    needs_host_hello      the line itself does not tell whether anyone listens: the link waits for the host's hello
    write_only            nothing ever comes back, so a message counts as acknowledged once it was written
    can_send()            True when nothing is pending
    send(buf, start, length)  takes one whole message and returns True, or takes nothing. The bytes stay in `buf`,
                          unchanged, until can_send() is True again
    receive()             length of the next message from the host, which lies at rx[0:length] until the next poll or
                          receive; 0 when there is none
    close()               gives the line back; a later poll opens it again

and, where a transport has more to say or to be told:

    trouble               what was wrong last, for a person; "" when nothing was
    on_busy, is_quiet     function called with True before a computation that exceeds a step and with False behind it;
                          True keeps it from beginning
    host_is(is_there)     the link tells whether a host answers at the other end of the line

`now_ms` grows and stays below 2^30; a step back only restarts the timers. Once connected, none of these
allocates; connecting does. `skipped` counts messages from the host that were too long or damaged.
"""
