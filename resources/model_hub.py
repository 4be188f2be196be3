"""The Hugging Face hub: asked at most once per process, and never for longer than a few seconds.

Belongs here: whether the hub can be had. Does not belong here: which model is wanted, or how it is downloaded.
"""

from __future__ import annotations

import threading

HUB_WAIT_S = 4.0


class ModelHub:
    """Remembers for the life of the process whether the hub answered, so that nobody waits for it twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has: dict[str, bool] = {}
        self._failure: str | None = None

    def has(self, repository: str, offline: bool) -> bool:
        """Whether the hub can be reached and has the repository; False within `HUB_WAIT_S` seconds if not."""
        import huggingface_hub.constants

        if offline or huggingface_hub.constants.HF_HUB_OFFLINE:
            return False
        with self._lock:
            if self._failure is None and repository not in self._has:
                self._ask(repository)
            return self._failure is None and self._has[repository]

    def _ask(self, repository: str) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        answer: list[bool] = []

        def ask() -> None:
            try:
                HfApi().model_info(repository, timeout=HUB_WAIT_S)
                answer.append(True)
            except HfHubHTTPError as error:
                # 401, 403 and 404 are answers about this repository; anything else says the hub is not well.
                if error.response is not None and error.response.status_code in (401, 403, 404):
                    answer.append(False)
            except Exception:
                return

        # In a thread, because looking up a host name takes as long as it likes, whatever the timeout.
        thread = threading.Thread(target=ask, name="hub", daemon=True)
        thread.start()
        thread.join(HUB_WAIT_S)
        if answer:
            self._has[repository] = answer[0]
        else:
            self._failure = "the model hub can't be reached"

    def fail(self, why: str) -> None:
        with self._lock:
            self._failure = why

    def why(self, offline: bool) -> str:
        """Half a sentence: why nothing comes from the hub."""
        import huggingface_hub.constants

        if offline:
            return "SCRIPTORIUM_OFFLINE forbids asking the model hub"
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            return "HF_HUB_OFFLINE forbids asking the model hub"
        return self._failure or "the model hub has no such model"


hub = ModelHub()
"""The one of this process."""
