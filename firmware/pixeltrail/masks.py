"""Masks: rectangles whose pixels are never recorded, and whose touches have no place.

In force together: those of the application, those that the bridge added, and with `mask_all` everything but a list of
rectangles. The bridge can add to them and take back its own, never the application's. More than the limit of them mask
the whole display.

Pixels are the encoder's: it replaces them before it hashes. While an encoder cannot, or there was no memory to tell it,
nothing is captured (`is_blocking`).
"""

from micropython import const

_MOST = const(32)


class Masks:
    """`mask_all`: False, True, or the rectangles that stay visible. Rectangles are (x, y, width, height)."""

    def __init__(self, given, mask_all, mask_keys):
        self.hides_keys = mask_keys
        self._own = tuple([tuple(rectangle) for rectangle in given])
        self._visible = None  # what stays visible, where all else is masked
        if mask_all is not False:
            self._visible = () if mask_all is True else tuple([tuple(r) for r in mask_all])
        self._remote = ()
        self._size = (0, 0)
        self._encoder = None
        self.changes = 0
        self.is_blocking = False
        self.is_behind = False
        self.flat = ()  # x, y, width, height of each mask in force, as the record has them

    def use(self, encoder, width, height):
        """Another encoder, or a display of another size."""
        self._encoder = encoder
        self._size = (width, height)
        self.settle()

    def add(self, rectangle):
        self.is_blocking = self.is_behind = True  # whatever fails below
        self._own += (rectangle,)
        self.settle()

    def remove(self, rectangle):
        """Take back a mask of the application; returns False when there is none like it."""
        if rectangle not in self._own:
            return False
        self.is_blocking = self.is_behind = True
        i = self._own.index(rectangle)
        self._own = self._own[:i] + self._own[i + 1 :]
        self.settle()
        return True

    def set_remote(self, rectangles):
        """The bridge's masks, in place of those it had set before."""
        if rectangles != self._remote:
            self.is_blocking = self.is_behind = True
            self._remote = rectangles
            self.settle()

    def covers(self, x, y):
        flat = self.flat
        i = len(flat)
        while i:
            i -= 4
            if 0 <= x - flat[i] < flat[i + 2] and 0 <= y - flat[i + 1] < flat[i + 3]:
                return True
        return False

    def settle(self):
        """Clip everything to the display and tell the encoder. Allocates; where it fails, blocks until repeated."""
        self.is_blocking = self.is_behind = True
        whole = (0, 0) + self._size
        rectangles = []
        for rectangle in self._own + self._remote:
            rectangle = _clip(rectangle, whole)
            if rectangle is not None and rectangle not in rectangles:
                rectangles.append(rectangle)
        if self._visible is not None:
            rectangles += _outside(whole, self._visible)
        if len(rectangles) > _MOST:
            rectangles = [whole]
        flat = []
        for rectangle in rectangles:
            flat.extend(rectangle)
        self.flat = tuple(flat)
        self.changes += 1
        set_masks = getattr(self._encoder, "set_masks", None)
        if set_masks is not None:
            set_masks(self.flat)
        self.is_blocking = bool(flat) and set_masks is None
        self.is_behind = False


def outward(x, y, width, height):
    """A rectangle of whole pixels around one that an app may have worked out in fractions of them."""
    left, top = int(x // 1), int(y // 1)
    return left, top, int(-(-(x + width) // 1)) - left, int(-(-(y + height) // 1)) - top


def _clip(rectangle, whole):
    """The part of a rectangle inside another, or None."""
    x, y, width, height = rectangle
    left, top = max(x, whole[0]), max(y, whole[1])
    right, bottom = min(x + width, whole[0] + whole[2]), min(y + height, whole[1] + whole[3])
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


def _outside(whole, holes):
    """Rectangles that together cover `whole` but for the holes."""
    rest = [whole]
    for hole in holes:
        pieces = []
        for piece in rest:
            cut = _clip(hole, piece)
            if cut is None:
                pieces.append(piece)
                continue
            x, y, width, height = piece
            left, top, wide, high = cut
            right, bottom = left + wide, top + high
            for part in (
                (x, y, width, top - y),
                (x, bottom, width, y + height - bottom),
                (x, top, left - x, high),
                (right, top, x + width - right, high),
            ):
                if part[2] and part[3]:
                    pieces.append(part)
        rest = pieces
    return rest
