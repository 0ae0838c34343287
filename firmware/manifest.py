# ruff: noqa: F821 -- metadata, options and package are given to a manifest
"""What a frozen build, mip and the installer of the boards put on a device.

Files are named one by one, so that a board carries only what it asks for:
include("manifest.py", mqtt=False). `tls` counts only with `mqtt`. Runs in its own folder, as MicroPython has it.
"""

with open(
    "pixeltrail/config.py"
) as _source:  # what the device says of itself; the version stands there alone
    _version = _source.read().split('library = "pixeltrail/')[1].split('"')[0]
metadata(description="Session replay for devices with a display", version=_version, license="MIT")
options.defaults(
    mqtt=True, tls=True, serial=True, file=False, spool=True, signing=True, thumb=False, luma=False
)

_FOLDERS = (
    ("", "__init__ announce capture cbor cbor_reader chunk clock config controls engine faults kernels"),
    ("", "kernels_plain lifecycle link masks message outbox pacing pairing parts recorder remote sending"),
    ("", "session sight state stats streams vitals wire xxh32"),
    (
        "codec/",
        "__init__ assembly coder encoder masked moves native rects references strips tables watched",
    ),
    (
        "codec/kernels/",
        "__init__ anysize bits bytes32 cxcolour cxgrey cxhead cxmono drive fnv halves16 halves32 moves refs",
    ),
    ("codec/kernels/", "words16 words2 words32 words4 words8 wordwise"),
    ("codec/plain/", "__init__ anysize bits cxcolour cxgrey cxhead cxmono drive fnv moves refs"),
    ("taps/", "__init__ areas c direct epaper framebuf kernels kernels_plain lvgl net palette pico"),
    ("transport/", "__init__ framing framing_plain stream"),
)
_CHOSEN = (
    ("mqtt connection packets dialer resolver", options.mqtt),
    ("secure", options.mqtt and options.tls),
    ("serial repl", options.serial),
    ("file", options.file),
)

files = [folder + name + ".py" for folder, names in _FOLDERS for name in names.split()]
if options.thumb:  # inline assembler, which no compiler but Arm Thumb's takes
    files += ["codec/thumb/" + name + ".py" for name in ("__init__", "thumb6", "thumb7")]
if options.luma:  # for CPython, on boards with Linux
    files.append("taps/luma.py")
if options.spool:
    files += ["backlog.py", "flash.py", "renewal.py", "segments.py", "spool.py"]
if options.signing:
    files.append("signing.py")
files += ["transport/" + name + ".py" for names, is_wanted in _CHOSEN if is_wanted for name in names.split()]
package("pixeltrail", tuple(files), opt=3)
