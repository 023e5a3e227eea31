"""Functions recorded on a GPU as CUDA graphs and replayed: one launch instead of some hundreds.

A small network's kernels are over before the next can be launched; a graph launches all of them at once.
"""
import threading
from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

ALONE = threading.Lock()  # while a thread records, no other may give memory back or wait for the whole device
# Streams to record in, by device: each is used again, for cuBLAS keeps 70 MB of workspace per stream, but never by two
# recordings at once, for these would share that workspace. Of a priority of their own, so that no run gets one.
ASIDE: dict[torch.device, list[torch.cuda.Stream]] = defaultdict(list)


class Recorded:
    """A function of tensors (or None) that is called again and again with tensors of the same shapes.

    The first call is an ordinary one, in which optimisers make what they keep. The second is recorded as a CUDA graph;
    later calls replay its kernels with new inputs. So the Python body runs only in the first two calls, and outputs are
    overwritten by the next call. A recording holds memory on the GPU; close it to give that back.
    """

    def __init__(self, function: Callable):
        self.function = function
        self._graph, self._shapes, self._inputs, self._outputs, self._aside = None, None, [], (), None

    def close(self) -> None:
        """Forget the recording and give its memory back."""
        if self._graph is not None:
            with ALONE:
                self._graph.reset()
                ASIDE[self._aside.device].append(self._aside)
                self._graph, self._shapes, self._inputs, self._outputs = None, None, [], ()
                torch.cuda.empty_cache()

    def __call__(self, *inputs: Tensor | None) -> tuple:
        """Call the function, or replay its recording."""
        shapes = [None if tensor is None else (tensor.shape, tensor.dtype) for tensor in inputs]
        if shapes != self._shapes:
            self.close()
            self._shapes = shapes
            return self.function(*inputs)
        if self._graph is None:
            with ALONE, torch.cuda.device(inputs[0].device):
                self._record(inputs)
        for kept, new in zip(self._inputs, inputs):
            if kept is not None:
                kept.copy_(new, non_blocking=True)
        self._graph.replay()
        return self._outputs

    def _record(self, inputs: tuple) -> None:
        self._inputs = [None if tensor is None else torch.empty_like(tensor).copy_(tensor) for tensor in inputs]
        free, graph, here = ASIDE[inputs[0].device], torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self._aside = free.pop() if free else torch.cuda.Stream(priority=-1)
        torch.cuda.synchronize()
        with torch.cuda.stream(self._aside):
            graph.capture_begin(capture_error_mode="thread_local")  # the lab draws in another thread
            try:
                self._outputs = self.function(*self._inputs)
            finally:
                graph.capture_end()
        here.wait_stream(self._aside)
        self._graph = graph
