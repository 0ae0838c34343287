"""Strip hashes in inline assembler: see ../assembly.py. Only ports for Arm Thumb can compile them."""
