"""Views: discrete augmentation, so that a teacher's answer to an augmented image can be kept and used again.

A view is (flip, dy, dx): mirror the image or not, then move the window by dy rows and dx columns over the image, whose
edges are mirrored outwards. Teacher and student always see the same view of an image ("a good teacher is patient and
consistent", Beyer et al., 2022).
"""
import torch
from torch import Tensor

from .devices import send

View = tuple[bool, int, int]

PLAIN: tuple[View, ...] = ((False, 0, 0),)
VIEWS: tuple[View, ...] = tuple((flip, dy, dx) for dy, dx in ((0, 0), (1, 2)) for flip in (False, True))


class ViewBank:
    """All views of some images; a batch of any of them is a single gather.

    The images lie padded, row by row, plain and mirrored, in one run of bytes. A row of any view is then `3 * width`
    neighbouring bytes, so a batch is a single index_select over overlapping rows, with no arithmetic on pixels.
    """

    def __init__(self, images: Tensor, views: tuple[View, ...] = VIEWS, device: torch.device | str = "cpu"):
        """images: uint8 [N, 3, H, W]."""
        self.views, self.device, self.size = views, torch.device(device), tuple(images.shape[2:])
        height, width = self.size
        pad = max(max(abs(dy), abs(dx)) for _, dy, dx in views)
        images = images.to(self.device).permute(0, 2, 3, 1)                         # (N, H, W, 3), to be padded there
        padded = images[:, _mirrored(height, pad)][:, :, _mirrored(width, pad)]     # (N, H + 2 pad, W + 2 pad, 3)
        mirrored = [padded.flip(2)] if any(flip for flip, _, _ in views) else []
        padded = torch.stack([padded, *mirrored], dim=1)                     # (N, 1 or 2, H + 2 pad, W + 2 pad, 3)
        pixels = padded.contiguous().flatten()
        # A window starts at each pixel.
        self._windows = pixels.as_strided((pixels.numel() // 3 - width + 1, 3 * width), (3, 1))
        tall, wide = height + 2 * pad, width + 2 * pad
        self._image_step = padded.shape[1] * tall * wide
        starts = [(flip * tall + pad + dy) * wide + pad + dx for flip, dy, dx in views]
        self._view_start = torch.tensor(starts, device=self.device)
        self._row_start = torch.arange(height, device=self.device) * wide

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """Gather image `rows[k]` in view `views[k]`, int64 [n]: float [n, 3, H, W], 0 to 1.

        Channels lie last in memory.
        """
        rows, views = send(rows, self.device), send(views, self.device)
        start = rows * self._image_step + self._view_start[views]                   # (n,)
        windows = (start.unsqueeze(1) + self._row_start).flatten()                  # (n * H,)
        pixels = self._windows.index_select(0, windows)
        return pixels.view(len(rows), *self.size, 3).permute(0, 3, 1, 2).float().div_(255)


def _mirrored(length: int, pad: int) -> Tensor:
    """List the places along a line whose ends are mirrored outwards; length 4 and pad 2 give 2 1 0 1 2 3 2 1."""
    places = torch.arange(-pad, length + pad).abs()
    return (length - 1) - ((length - 1) - places).abs()
