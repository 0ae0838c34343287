"""Hardware in the loop: the same scenarios on a board at a serial port and on one that is a process of this machine.

The board shows pictures that both sides can draw (boards/hil/pt_scene.py), so each frame of the replay is judged here,
pixel for pixel, although nobody photographs a panel. What the board measures of itself comes as its last event, over
the link that is tested. No display needs to be wired: pictures are drawn into memory of the size and format in
board.toml.
"""
