"""A recorded session as a file: PNG, GIF, MP4, rrweb, JSON lines, `.ptr` and a page that plays offline.

    Recording -> pacing -> stage -> gif, video, ...

`stage` composes the pictures (scale, device frame, touches, captions) one by one on the output's time line, so that no
writer holds more than a few of them, however long the session. Writers get a binary file that can seek and know nothing
of stores, command lines or the web; `formats.py` lists them.
"""
