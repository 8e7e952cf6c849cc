"""What a checkpoint holds: tensors and plain values, and a checksum of them. Whatever else a file may be is refused."""

import hashlib
import zipfile
from collections import OrderedDict

import torch

from rlkit.running.disk import as_path
from rlkit.running.memory import require_memory
from rlkit.running.messages import brief, similar

FORMAT = "rlkit-2"
EARLIER = "rlkit-1"  # the same, but with other names for what is needed to continue learning
PARTS = {"algorithm": str, "settings": dict, "state": dict}
PLAIN = (dict, OrderedDict, list, tuple, str, int, float, bool, type(None))
MOST = 1_000_000  # values: a small file can repeat a list of lists of lists until nobody can count them


def read(path):
    """The content of a checkpoint, checked: format, algorithm, settings, state.

    Raises FileNotFoundError or ValueError, like `load`.
    """
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint at {path}; {what_is_there(path)}")
    if path.suffix == ".json" and path.with_suffix(".pt").is_file():
        raise ValueError(f"{path} holds the results of a run; its agent is in {path.with_suffix('.pt')}.")
    require_memory(path.stat().st_size, f"Reading {path}", "a machine with more memory")
    try:
        require_uncompressed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        require_plain(content)
        claimed, form = content.pop("sha256"), content.pop("format")
        known = form in (FORMAT, EARLIER)
        if known and not all(isinstance(content[name], kind) for name, kind in PARTS.items()):
            raise ValueError("its parts are of other types")
        whole = checksum(content) == claimed
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # torch raises half a dozen kinds of error for a file that is not its own
        raise ValueError(
            f"{path} is not a whole checkpoint of rlkit ({type(error).__name__}); "
            "it was cut short, or another program wrote it."
        ) from error
    if not known:
        raise ValueError(
            f"{path} has the format {brief(form)}, but this version of rlkit reads {FORMAT!r}; update rlkit."
        )
    if not whole:
        raise ValueError(f"{path} is damaged: its checksum does not fit its content. Take another copy.")
    return {"format": form, **content}


def what_is_there(path):
    """The end of a sentence about a checkpoint that is missing: the one that may have been meant, or what to do."""
    there = sorted(file.name for file in path.parent.glob("*.pt")) if path.parent.is_dir() else []
    name = path.name if path.suffix else f"{path.name}.pt"
    meant = similar(name, there)
    return f"did you mean {path.with_name(meant)}?" if meant else "look for the file's name, or train one first."


def nested(value):
    """A value, and if it is a dict, a list or a tuple, all the values in it."""
    yield value
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from nested(item)


def require_finite(path, state):
    """Raise ValueError if training has diverged: the file from before is worth more."""
    for value in nested(state):
        if isinstance(value, torch.Tensor) and not value.isfinite().all():
            raise ValueError(
                "The agent's weights, or what it learns from, are no longer finite numbers, so nothing was written to "
                f"{path}; load the last good file, and take a smaller learning_rate."
            )


def require_plain(content):
    """Raise ValueError if there is anything but plain values and whole tensors, or more of it than any agent has."""
    for number, value in enumerate(nested(content)):
        if number > MOST or not (type(value) in PLAIN or type(value) is torch.Tensor and value.layout == torch.strided):
            raise ValueError(f"it holds a {type(value).__name__}")
        if isinstance(value, torch.Tensor) and value.stride() != torch.empty_like(value, device="meta").stride():
            raise ValueError(f"a tensor {list(value.shape)} is larger than its memory")


def require_uncompressed(path):
    """Raise ValueError if a file would grow when it is read. torch does not compress."""
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > path.stat().st_size:
            raise ValueError("it is compressed")


def checksum(content):
    """SHA-256 over every value and every tensor's bytes, because torch.load does not notice a flipped byte."""
    digest = hashlib.sha256()

    def feed(value):
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().contiguous()
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.numpy().tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                digest.update(f"{key!r}:".encode())
                feed(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                feed(item)
        else:
            digest.update(repr(value).encode())

    feed(content)
    return digest.hexdigest()
